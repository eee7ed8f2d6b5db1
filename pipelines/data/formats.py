"""The format of a file, told by its content: its name is no more than what it claims to be.

Only CSV, which has no signature, is told by its name.
"""

import contextlib
import functools
import re
import struct
import zlib
from enum import Enum
from pathlib import Path

from PIL import Image

_HEAD = 1024
_LENGTH = struct.Struct("<QI")
_IDX_TYPES = {0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E}
_IDX_DIMENSIONS = range(1, 6)
_PICTURES = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a"),
    *(b"II*\0", b"MM\0*", b"P5", b"P6"),
)
_NO_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
"""Pillow tells these formats, but reads them through other programs or not at all."""

_PARQUET = b"PAR1"
"""Parquet's first four bytes, and its last: parquet-format, README."""

WINDOWS = {"GZIP": 31, "ZLIB": 15}
"""The window sizes by which zlib knows a compression, under TensorFlow's name of it."""
_FIRST_BYTES = {"GZIP": b"\x1f\x8b", "ZLIB": b"\x78"}


class Format(Enum):
    """What can be read; the value is the noun for messages."""

    IMAGE = "images"
    RECORDS = "TFRecord files"
    IDX = "IDX files"
    TABLE = "CSV or Parquet files"


_CLAIMS = {
    Format.TABLE: r"\.([ct]sv(\.gz)?|parquet)$",
    Format.IMAGE: r"\.(png|jpe?g|bmp|gif|webp|tiff?|pgm)$",
    Format.RECORDS: r"^(?!.*\.(idx|index|tfindex)$).*(tfrecord|-\d+-of-\d+)",
    Format.IDX: r"idx\d-ubyte",
}
"""Names that files of no other format have: what they hold is damaged, not something else."""


def recognize(file: Path) -> Format | None:
    """The format of a file.

    A file whose content has no known format has the one that its name claims, so that its reader
    says what is wrong with it.

    Raises:
      OSError: It cannot be read.
    """
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    for content in (head, *inflate(head).values()):
        if _is_records(content):
            return Format.RECORDS
        if _is_idx(content):
            return Format.IDX
    claimed = claim(file.name)
    # A table may begin with any text, such as the signature of an image.
    if head.startswith(_PARQUET) or claimed is Format.TABLE:
        return Format.TABLE
    if head.startswith(_PICTURES) or (head and _is_picture(file)):
        return Format.IMAGE
    return claimed


def claim(name: str) -> Format | None:
    """The format that a file's name claims."""
    return next((f for f, pattern in _CLAIMS.items() if re.search(pattern, name.lower())), None)


def compression(head: bytes) -> str:
    """The compression of TFRecords as TensorFlow calls it, empty for none.

    Args:
      head: The file's first bytes.
    """
    if _is_records(head):
        return ""
    inflated = inflate(head)
    matching = (name for name, content in inflated.items() if _is_records(content))
    return next(matching, next(iter(inflated), ""))  # of no records, or damaged


@functools.cache
def picture_formats() -> tuple[str, ...]:
    """The formats of images that Pillow knows by a signature and reads on its own."""
    Image.preinit()
    common = list(Image.ID)  # tried first, for speed
    Image.init()
    every = dict.fromkeys([*common, *Image.ID])
    return tuple(f for f in every if Image.OPEN[f][1] and f not in _NO_PICTURES)


def _is_records(content: bytes) -> bool:
    """Whether it begins with a TFRecord's length and the checksum of that.

    `length uint64, masked CRC32C of it uint32`: tensorflow/core/lib/io/record_writer.h.
    """
    if len(content) < _LENGTH.size:
        return False
    _, stored = _LENGTH.unpack_from(content)
    return bool(stored == compute_checksum(content[:8]))


def compute_checksum(content: bytes) -> int:
    """The masked CRC32C of TFRecords."""
    import google_crc32c

    crc = google_crc32c.value(content)
    return int(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _is_idx(content: bytes) -> bool:
    is_long = len(content) >= 4 and content[:2] == b"\0\0"
    return is_long and content[2] in _IDX_TYPES and content[3] in _IDX_DIMENSIONS


def _is_picture(file: Path) -> bool:
    try:
        with Image.open(file, formats=picture_formats()):
            return True
    except Image.DecompressionBombError:
        return True
    except Exception:  # plugins raise whatever they meet in what is not theirs
        return False


def inflate(head: bytes) -> dict[str, bytes]:
    """A file's first bytes decompressed, by the compressions that they may have.

    Args:
      head: The file's first bytes.
    """
    inflated = {}
    for name, window in WINDOWS.items():
        if head.startswith(_FIRST_BYTES[name]):
            with contextlib.suppress(zlib.error):
                inflated[name] = zlib.decompressobj(window).decompress(head, _HEAD)
    return inflated
