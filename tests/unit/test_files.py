import os

import pytest

from pipelines import files
from pipelines.errors import OutputError


def test_a_file_replaces_the_old_one_and_makes_its_directory(tmp_path):
    file = tmp_path / "a" / "b.txt"
    for text in ("one", "två"):
        files.write_text(file, text)

        assert file.read_text(encoding="utf-8") == text
    assert os.listdir(file.parent) == ["b.txt"]


@pytest.mark.parametrize("name", ["file/b.txt", "directory"])
def test_what_cannot_be_written_leaves_nothing(tmp_path, name):
    (tmp_path / "file").write_text("old")
    (tmp_path / "directory").mkdir()

    with pytest.raises(OutputError, match=f"cannot write {tmp_path / name}: "):
        files.write_text(tmp_path / name, "new")

    assert sorted(os.listdir(tmp_path)) == ["directory", "file"]
    assert (tmp_path / "file").read_text() == "old"
