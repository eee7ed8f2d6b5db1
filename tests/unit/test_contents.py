"""Which files of a part are read: those of one format."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines import walk
from pipelines.data import contents
from pipelines.data.formats import Format
from pipelines.data.passed_over import PassedOver
from pipelines.errors import DataError


def write(directory: Path, names: Iterable[str]) -> Path:
    """Images, TFRecords, IDX files or tables, as their names claim."""
    for name in names:
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".png":
            Image.fromarray(np.zeros((3, 5), np.uint8)).save(file)
        elif file.suffix == ".csv":
            file.write_text("a,class\n1,2\n")
        else:
            file.write_bytes(b"?")
    return directory


def choose(directory: Path, wanted: Format | None = None) -> tuple[Format, list[str], str]:
    passed_over = PassedOver()
    kind, files = contents.choose(list(walk.files(directory)), str(directory), passed_over, wanted)
    return kind, [file.name for file in files], str(passed_over)


def refusal(directory: Path, wanted: Format | None = None) -> str:
    with pytest.raises(DataError) as caught:
        choose(directory, wanted)
    return str(caught.value)


def test_images_in_folders_of_any_name(tmp_path: Path) -> None:
    files = ["cat/a.png", "cat/deep/b.png", "dog/c.png"]
    assert choose(write(tmp_path, files)) == (Format.IMAGE, files, "")


def test_images_of_one_class_are_for_their_reader_to_judge(tmp_path: Path) -> None:
    assert choose(write(tmp_path, ["cat/a.png"])) == (Format.IMAGE, ["cat/a.png"], "")


def test_tables_beside_images_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, ["cat/a.png", "dog/a.png", "labels.csv", "cat/boxes.csv", "all.png"])
    found = (Format.IMAGE, ["cat/a.png", "dog/a.png"], "3 files (2 *.csv, 1 *.png)")
    assert choose(tmp_path) == found
    assert choose(tmp_path, Format.IMAGE) == found


def test_tables_beside_records_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, ["data.tfrecord", "labels.csv"])
    assert choose(tmp_path) == (Format.RECORDS, ["data.tfrecord"], "1 file (1 *.csv)")


@pytest.mark.parametrize("other", ["plot.png", "docs/plot.png", "older/b.csv"])
def test_tables_alone_are_read(tmp_path: Path, other: str) -> None:
    write(tmp_path, ["a.csv", "b.csv", other])
    kind, files, passed_over = choose(tmp_path)
    assert (kind, files) == (Format.TABLE, ["a.csv", "b.csv"])
    assert passed_over == f"1 file (1 *{Path(other).suffix})"


def test_the_format_that_the_user_names_is_read(tmp_path: Path) -> None:
    write(tmp_path, ["cat/a.png", "dog/a.png", "rows.csv", "data.tfrecord"])
    assert choose(tmp_path, Format.TABLE) == (
        Format.TABLE,
        ["rows.csv"],
        "3 files (2 *.png, 1 *.tfrecord)",
    )
    assert choose(tmp_path, Format.IMAGE)[:2] == (Format.IMAGE, ["cat/a.png", "dog/a.png"])
    assert refusal(tmp_path) == (
        f"{tmp_path} holds images such as {tmp_path}/cat/a.png and TFRecord files such as "
        f"{tmp_path}/data.tfrecord: give a directory with one of these formats"
    )


@pytest.mark.parametrize(
    ("wanted", "needed"),
    [
        (Format.TABLE, "CSV or Parquet files"),
        (
            None,
            "images in a folder for each class, CSV or Parquet files, TFRecords or MNIST's IDX "
            "files",
        ),
    ],
)
def test_no_data_says_what_is_needed(tmp_path: Path, wanted: Format | None, needed: str) -> None:
    write(tmp_path, ["model.bin"])
    assert refusal(tmp_path, wanted) == (
        f"{tmp_path} holds no data: it holds 1 file (1 *.bin); {needed} are needed"
    )


def test_the_named_format_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, ["cat/a.png", "dog/a.png"])
    assert refusal(tmp_path, Format.TABLE) == (
        f"{tmp_path} holds no data: it holds 2 files (2 *.png); CSV or Parquet files are needed"
    )


def test_loose_images_are_told(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, ["a.png", "b.png"])).startswith(
        f"{tmp_path} holds no data: it holds 2 images in no folder; images in a folder for each"
    )
