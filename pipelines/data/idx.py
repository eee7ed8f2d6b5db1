"""MNIST's IDX files, from a directory or from the official download.

The format (http://yann.lecun.com/exdb/mnist): two zero bytes, a type code (8: unsigned byte), the
number of dimensions, each dimension as a big-endian int32, then the bytes.
"""

import gzip
import hashlib
import http.client
import math
import re
import struct
import time
import urllib.request
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.data import formats
from pipelines.data.examples import Examples, from_bytes
from pipelines.data.manifest import EVAL, TRAIN
from pipelines.errors import DataError

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
"""Where the official files are kept today (the download hosts of TensorFlow and PyTorch)."""

SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Of the uncompressed content: gzip files of MNIST differ between mirrors."""

_GZIP_MAGIC = b"\x1f\x8b"
_NO_PREFIX = re.compile(r"[-._]?(images?|labels?|idx\d?|u?byte|gz)")
"""What the usual names have beside `train`, `t10k`, `test` or `emnist-digits-train`."""

_UNSIGNED_BYTE = 8
_SECONDS = 4.0
_CHUNK = 1 << 16
_MOST_BYTES = 64 << 20
"""The bound of one download; MNIST's largest file has 10 MB."""


def pair(files: Iterable[Path]) -> tuple[dict[str, tuple[Path, Path]], list[Path]]:
    """Find which images and labels belong together.

    Args:
      files: In IDX format, in any order.

    Returns:
      The files of images and of labels by what their names share, such as `train` or `t10k`; and
      files that are there a second time, compressed or under another usual name.

    Raises:
      DataError: Images without labels, or labels without images; or a file cannot be read.
    """
    images: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    duplicates = []
    for file in sorted(files):
        found = images if _holds_images(file) else labels
        name = _NO_PREFIX.sub("", file.name.lower())
        if name in found:
            duplicates.append(file)
        else:
            found[name] = file
    if len(images) == len(labels) == 1:
        ((name, file),) = images.items()
        (labels_file,) = labels.values()
        return {name: (file, labels_file)}, duplicates
    for name in sorted(images.keys() ^ labels.keys()):
        file = images.get(name) or labels[name]
        missing = "labels-idx1-ubyte" if name in images else "images-idx3-ubyte"
        raise DataError(f"{file} has no {'-'.join(filter(None, (name, missing)))}(.gz) beside it")
    return {name: (file, labels[name]) for name, file in images.items()}, duplicates


def split_of(name: str) -> str:
    """The split that a pair's name stands for, empty for none."""
    if "train" in name:
        return TRAIN
    return EVAL if re.search("t10k|test|eval|val", name) else ""


def load(images_file: Path, labels_file: Path) -> Examples:
    """Read a pair of files, gzipped or not.

    Raises:
      DataError: A file is damaged, or they do not belong together.
    """
    images = parse(_content(images_file), 3, str(images_file))
    labels = parse(_content(labels_file), 1, str(labels_file))
    return _pair(images, labels, str(images_file))


def download(
    mirrors: tuple[str, ...] | None = None,
    checksums: dict[str, str] | None = None,
    seconds: float = 300.0,
) -> dict[str, Examples]:
    """Downloads MNIST, keyed by `train` and `t10k`.

    Args:
      mirrors: Base URLs, tried in order; `MIRRORS` unless told.
      checksums: SHA-256 of the content of each file, `SHA256` unless told.
      seconds: For everything; a mirror that does not answer is given up much earlier.

    Raises:
      DataError: No mirror has every file with the right content; it says why.
    """
    checksums = SHA256 if checksums is None else checksums
    deadline = time.monotonic() + seconds
    reasons = []
    for mirror in MIRRORS if mirrors is None else mirrors:
        try:
            contents = {name: _fetch(f"{mirror}{name}.gz", deadline) for name in checksums}
        except (OSError, EOFError, zlib.error, http.client.HTTPException) as error:
            reasons.append(f"{mirror}: {_brief(error)}")
            continue
        wrong = [n for n, c in contents.items() if hashlib.sha256(c).hexdigest() != checksums[n]]
        if wrong:
            reasons.append(f"{mirror}: {wrong[0]} has another content than the official file")
            continue
        return {
            prefix: _pair(
                parse(contents[f"{prefix}-images-idx3-ubyte"], 3, mirror),
                parse(contents[f"{prefix}-labels-idx1-ubyte"], 1, mirror),
                mirror,
            )
            for prefix in ("train", "t10k")
        }
    raise DataError(
        f"MNIST cannot be downloaded ({'; '.join(reasons)}): use --data digits, or the path of a "
        "directory with its four files"
    )


def parse(content: bytes, dimensions: int, where: str) -> NDArray[np.uint8]:
    """An array of unsigned bytes with that many dimensions.

    Raises:
      DataError: Not IDX, another type or number of dimensions, or truncated.
    """
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, _UNSIGNED_BYTE, dimensions]):
        raise DataError(f"{where} is not an IDX file of unsigned bytes in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    if len(content) != header + math.prod(shape):
        raise DataError(
            f"{where} is damaged: {len(content) - header:,} bytes instead of {math.prod(shape):,}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _pair(images: NDArray[np.uint8], labels: NDArray[np.uint8], where: str) -> Examples:
    if len(images) != len(labels):
        raise DataError(f"{where} has {len(images)} images and {len(labels)} labels")
    return from_bytes(images, labels, where)


def _holds_images(file: Path) -> bool:
    """By the words of the usual names, else by the number of dimensions."""
    name = file.name.lower()
    if ("image" in name) != ("label" in name):
        return "image" in name
    try:
        with file.open("rb") as stream:
            head = stream.read(_CHUNK)
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    head = formats.inflate(head).get("GZIP", head)
    return len(head) > 3 and head[3] > 1


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
        return gzip.decompress(content) if content.startswith(_GZIP_MAGIC) else content
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{file} is truncated or not a gzip file: get it again") from None
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error


def _fetch(url: str, deadline: float) -> bytes:
    chunks, size = [], 0
    with urllib.request.urlopen(url, timeout=_SECONDS) as response:
        # read1 returns what is there: a server that drips is given up at the deadline too.
        while chunk := response.read1(_CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if size > _MOST_BYTES:
                raise OSError("the answer does not end")
            if time.monotonic() > deadline:
                raise TimeoutError("too slow")
    return gzip.decompress(b"".join(chunks))


def _brief(error: BaseException) -> str:
    """The innermost reason: urllib wraps the socket's."""
    while True:
        inner = getattr(error, "reason", None) or next(
            (a for a in error.args if isinstance(a, BaseException)), None
        )
        if not isinstance(inner, BaseException):
            return str(error).split(": ", 1)[-1] or type(error).__name__
        error = inner
