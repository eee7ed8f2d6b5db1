"""The format of a file: by its content, and of tables by its name."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.data import formats
from pipelines.data.formats import Format


def recognize(file: Path, content: bytes) -> Format | None:
    file.write_bytes(content)
    return formats.recognize(file)


@pytest.mark.parametrize(
    "name", ["wine.csv", "WINE.CSV", "wine.tsv", "wine.csv.gz", "wine.parquet", "part-0-of-2.csv"]
)
def test_tables_are_told_by_their_suffix(tmp_path: Path, name: str) -> None:
    text = b"alcohol,class\n13.2,0\n"
    content = gzip.compress(text) if name.endswith("gz") else text
    assert recognize(tmp_path / name, content) is Format.TABLE


@pytest.mark.parametrize("name", ["data", "part-00000-of-00002", "data.bin", "a.png"])
def test_parquet_is_told_by_its_signature(tmp_path: Path, name: str) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"x": [1.0, 2.0]}), tmp_path / name)
    assert formats.recognize(tmp_path / name) is Format.TABLE


@pytest.mark.parametrize("text", [b"P5,P6\n1,2\n", b"II*\0", b"BM,x\n1,2\n", b""])
def test_a_table_may_begin_like_an_image(tmp_path: Path, text: bytes) -> None:
    assert recognize(tmp_path / "a.csv", text) is Format.TABLE


@pytest.mark.parametrize("name", ["notes.txt", "csv", "a.csv.bak", "a.xlsx"])
def test_what_is_no_table(tmp_path: Path, name: str) -> None:
    assert recognize(tmp_path / name, b"alcohol,class\n13.2,0\n") is None


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_records_are_told_by_content_whatever_their_name(tmp_path: Path, name: str) -> None:
    # The length of a record `x`, the masked CRC32C of that, the record and its own checksum, as
    # TensorFlow 2.16 writes them.
    record = bytes.fromhex("01000000000000000175de4178503daa61")
    assert recognize(tmp_path / name, record) is Format.RECORDS


@pytest.mark.parametrize("name", ["a.png", "photo", "scan.dat"])
def test_images_are_told_by_content(tmp_path: Path, name: str) -> None:
    Image.fromarray(np.zeros((3, 5, 3), np.uint8)).save(tmp_path / name, "PNG")
    assert formats.recognize(tmp_path / name) is Format.IMAGE


@pytest.mark.parametrize(
    ("name", "claimed"),
    [
        ("IMG_1.JPG", Format.IMAGE),
        ("a.tfrecord.gz", Format.RECORDS),
        ("train-images-idx3-ubyte", Format.IDX),
        ("data-00000-of-00002.parquet", Format.TABLE),
        ("notes", None),
    ],
)
def test_what_a_name_claims(name: str, claimed: Format | None) -> None:
    assert formats.claim(name) is claimed
