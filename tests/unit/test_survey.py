"""Which files of a folder may be examples, and of which split."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from pipelines.data.source import WHOLE
from pipelines.data.survey import Survey, survey


def make(directory: Path, names: Iterable[str]) -> Survey:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            (directory / name).write_bytes(b"?")
        else:
            (directory / name).mkdir(exist_ok=True)
    return survey(directory)


def names(found: Survey) -> dict[str, list[str]]:
    return {part: [file.name for file in files] for part, files in found.parts.items()}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["cat/a.png", "dog/b.jpg"], ["cat/a.png", "dog/b.jpg"]),
        (["photos/cat/a.png", "photos/dog/b.jpg"], ["cat/a.png", "dog/b.jpg"]),
        (["x/y/photos/cat/a.png", "x/y/photos/dog/b.jpg"], ["cat/a.png", "dog/b.jpg"]),
        (["cat/deep/er/a.png", "dog/b.jpg"], ["cat/deep/er/a.png", "dog/b.jpg"]),
        (["cat/a.png", "dog/"], ["cat/a.png"]),
        (["photos/cat/a.png", "photos/dog/b.jpg", "photos/all.png"], None),
        (["10/a.png", "11/a.png"], ["10/a.png", "11/a.png"]),
    ],
)
def test_folders_of_any_name_are_classes(
    tmp_path: Path, files: list[str], expected: list[str] | None
) -> None:
    expected = expected or ["all.png", "cat/a.png", "dog/b.jpg"]
    assert names(make(tmp_path, files)) == {WHOLE: expected}


@pytest.mark.parametrize(
    "files",
    [["cat/a.png", "cat/b.png"], ["cat/a.png", "cat/more/b.png"], ["3/deep/a.png"]],
)
def test_a_class_alone_keeps_its_name(tmp_path: Path, files: list[str]) -> None:
    assert names(make(tmp_path, files)) == {WHOLE: files}
    assert names(make(tmp_path / "outer", files)) == {WHOLE: files}


@pytest.mark.parametrize("outer", ["", "photos/"])
@pytest.mark.parametrize("inner", ["", "images/"])
def test_splits_of_classes(tmp_path: Path, outer: str, inner: str) -> None:
    files = [f"{outer}{split}/{inner}{name}/a.png" for split in ("train", "Test") for name in "ab"]
    found = make(tmp_path, [*files, f"{outer}other/a/a.png"] if not outer else files)
    assert names(found) == {part: ["a/a.png", "b/a.png"] for part in ("train", "eval")}
    assert found.passed_over.folders == ([] if outer else ["other/"])


def test_a_split_of_one_class_keeps_its_name(tmp_path: Path) -> None:
    found = make(tmp_path, ["train/cat/a.png", "train/dog/a.png", "test/dog/a.png"])
    assert names(found) == {"train": ["cat/a.png", "dog/a.png"], "eval": ["dog/a.png"]}


def test_train_alone_is_a_split_of_classes(tmp_path: Path) -> None:
    found = make(tmp_path, ["train/cat/a.png", "train/dog/a.png", "unlabelled/a.png"])
    assert names(found) == {WHOLE: ["cat/a.png", "dog/a.png"]}
    assert str(found.passed_over) == "the folder unlabelled/"


def test_trains_are_a_class_beside_others(tmp_path: Path) -> None:
    files = ["bus/a.png", "plane/a.png", "train/a.png"]
    assert names(make(tmp_path, files)) == {WHOLE: files}


def test_splits_win_over_classes_of_their_names_and_it_is_told(tmp_path: Path) -> None:
    found = make(tmp_path, ["train/a.png", "test/a.png", "bus/a.png"])
    assert names(found) == {"train": ["a.png"], "eval": ["a.png"]}
    assert str(found.passed_over) == "the folder bus/"


@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.gz", "parquet", "tfrecord"])
@pytest.mark.parametrize("outer", ["", "wine/"])
def test_files_called_as_splits(tmp_path: Path, suffix: str, outer: str) -> None:
    """Else a model would be judged on what it learnt."""
    found = make(
        tmp_path, [f"{outer}{name}" for name in (f"train.{suffix}", f"Test.{suffix}", "more.bin")]
    )
    assert names(found) == {"train": [f"train.{suffix}"], "eval": [f"Test.{suffix}"]}
    assert str(found.passed_over) == "1 file (1 *.bin)"


def test_one_file_called_as_a_split_is_the_whole(tmp_path: Path) -> None:
    assert names(make(tmp_path, ["train.csv"])) == {WHOLE: ["train.csv"]}


def test_tables_beside_images_are_annotations_and_no_splits(tmp_path: Path) -> None:
    files = ["cat/a.png", "dog/a.png", "test.csv", "train.csv"]
    assert names(make(tmp_path, files)) == {WHOLE: files}


def test_tables_in_folders_of_splits(tmp_path: Path) -> None:
    found = make(tmp_path, ["train/a.csv", "train/b.csv", "valid/a.csv"])
    assert names(found) == {"train": ["a.csv", "b.csv"], "eval": ["a.csv"]}


def test_an_empty_folder_is_an_empty_source(tmp_path: Path) -> None:
    assert names(make(tmp_path, [])) == {WHOLE: []}
    assert names(make(tmp_path, ["a/b/"])) == {WHOLE: []}


def test_the_digest_is_that_of_what_may_be_read(tmp_path: Path) -> None:
    files = ["cat/a.png", "dog/a.png", "labels.csv"]
    before = make(tmp_path, files).digest()
    (tmp_path / "README.md").write_bytes(b"mine")
    assert survey(tmp_path).digest() == before
    (tmp_path / "labels.csv").write_bytes(b"a table may be what is read")
    assert survey(tmp_path).digest() != before
