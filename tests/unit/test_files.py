"""Atomic writes: whole or not at all, and only files are replaced."""

import errno
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

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


@pytest.mark.parametrize("links", [True, False])
def test_one_of_several_writers_creates_a_file(tmp_path, monkeypatch, links):
    if not links:  # as on SMB and FUSE

        def refuse(*arguments):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    file = tmp_path / "a" / "claim"
    contents = [f"writer {number}".encode() for number in range(8)]

    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda data: files.create_bytes(file, data), contents))

    assert sum(created) == 1
    assert file.read_bytes() == contents[created.index(True)]
    assert os.listdir(file.parent) == ["claim"]


def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real/a.txt")
    (tmp_path / "dangling.txt").symlink_to("real/b.txt")

    files.write_text(tmp_path / "link.txt", "new")
    files.write_text(tmp_path / "dangling.txt", "made")

    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "new"
    assert (tmp_path / "real" / "b.txt").read_text() == "made"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_text()))
    reader.start()

    files.write_text(pipe, "through")

    reader.join(10)
    assert received == ["through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_stays_a_device():
    files.write_text(files.Path("/dev/null"), "gone")

    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_two_writers_at_once_do_not_share_a_temporary_file(tmp_path):
    file = tmp_path / "a.txt"
    with files.replacing(file) as first:
        first.write_text("first")
        with files.replacing(file) as second:
            second.write_text("second")
        assert file.read_text() == "second"
    assert file.read_text() == "first"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_mode_is_that_of_the_old_file_or_of_any_new_one(tmp_path):
    file = tmp_path / "a.txt"
    mask = os.umask(0o027)
    try:
        files.write_text(file, "new")
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        file.chmod(0o600)
        files.write_text(file, "newer")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    finally:
        os.umask(mask)


def test_an_error_leaves_the_old_file(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")

    def fail_half_way():
        with files.replacing(file) as partial:
            partial.write_text("half")
            assert files.is_partial(partial)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]
