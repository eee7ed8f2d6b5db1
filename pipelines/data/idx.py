"""MNIST's IDX files, from a directory or from the official download.

The format (http://yann.lecun.com/exdb/mnist): two zero bytes, a type code (8: unsigned byte), the
number of dimensions, each dimension as a big-endian int32, then the bytes.
"""

import gzip
import hashlib
import http.client
import io
import math
import re
import struct
import time
import urllib.request
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from modules import mnist
from pipelines.data import formats
from pipelines.data.byte_pictures import BytePictures
from pipelines.data.manifest import EVAL, TRAIN
from pipelines.data.passed_over import PassedOver
from pipelines.data.source import WHOLE, Source
from pipelines.errors import DataError
from pipelines.walk import Entry

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


class Readable(Protocol):
    """A binary stream."""

    def read(self, size: int, /) -> bytes:
        """Read at most this many bytes; fewer only at the end."""


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


def open_source(
    name: str,
    parts: Mapping[str, Sequence[Entry]],
    places: Mapping[str, str],
    passed_over: PassedOver,
) -> Source:
    """Open the pairs of files of a source; they are of MNIST's task.

    Args:
      name: What to call the source.
      parts: The files of each part.
      places: What messages call each part.
      passed_over: Counts files that are there twice.

    Raises:
      DataError: A file is damaged, or the files are not pairs of the splits.
    """
    found: dict[str, BytePictures] = {}
    for part, files in parts.items():
        pairs, duplicates = pair([file.path for file in files])
        for file in duplicates:
            passed_over.add_file(file.name)
        splits = {split_of(key): key for key in pairs}
        if len(pairs) == 1:
            found[part] = load(*next(iter(pairs.values())))
        elif part == WHOLE and len(pairs) == 2 and splits.keys() == {TRAIN, EVAL}:
            found |= {split: load(*pairs[splits[split]]) for split in (TRAIN, EVAL)}
        else:
            raise DataError(
                f"{places[part]} holds IDX files called {', '.join(pairs)}: give a folder with one "
                "pair of images and labels, or with two called train and t10k"
            )
    return Source(name, mnist.TASK, found)


def load(images_file: Path, labels_file: Path) -> BytePictures:
    """Read a pair of files, gzipped or not.

    Raises:
      DataError: A file is damaged, or they do not belong together.
    """
    images = _load(images_file, 3)
    labels = _load(labels_file, 1)
    return _pair(images, labels, str(images_file))


def download(
    mirrors: tuple[str, ...] | None = None,
    checksums: dict[str, str] | None = None,
    seconds: float = 300.0,
) -> dict[str, BytePictures]:
    """Downloads MNIST, keyed by `TRAIN` and `EVAL`.

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
            split: _pair(
                parse(io.BytesIO(contents[f"{prefix}-images-idx3-ubyte"]), 3, mirror),
                parse(io.BytesIO(contents[f"{prefix}-labels-idx1-ubyte"]), 1, mirror),
                mirror,
            )
            for split, prefix in ((TRAIN, "train"), (EVAL, "t10k"))
        }
    raise DataError(
        f"MNIST cannot be downloaded ({'; '.join(reasons)}): use --data digits, or the path of a "
        "directory with its four files"
    )


def parse(stream: Readable, dimensions: int, where: str) -> NDArray[np.uint8]:
    """An array of unsigned bytes with that many dimensions.

    Args:
      stream: The uncompressed content.
      dimensions: How many.
      where: The file, for messages.

    Raises:
      DataError: Not IDX, another type or number of dimensions, or truncated.
      OSError, EOFError, zlib.error: As reading the stream raises them.
    """
    size = 4 + 4 * dimensions
    header = stream.read(size)
    if len(header) < size or header[:4] != bytes([0, 0, _UNSIGNED_BYTE, dimensions]):
        raise DataError(f"{where} is not an IDX file of unsigned bytes in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", header[4:])
    wanted = math.prod(shape)
    # It grows with what is there: a damaged header may promise more than there is memory.
    content = bytearray()
    while len(content) <= wanted and (block := stream.read(_CHUNK)):
        content += block
    if len(content) != wanted:
        found = "more" if len(content) > wanted else f"{len(content):,} bytes"
        raise DataError(f"{where} is damaged: {found} instead of {wanted:,} bytes")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _pair(images: NDArray[np.uint8], labels: NDArray[np.uint8], where: str) -> BytePictures:
    if len(images) != len(labels):
        raise DataError(f"{where} has {len(images)} images and {len(labels)} labels")
    return BytePictures(where, mnist.TASK, images, labels)


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


def _load(file: Path, dimensions: int) -> NDArray[np.uint8]:
    try:
        with file.open("rb") as stream:
            is_compressed = stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            stream.seek(0)
            content = gzip.GzipFile(fileobj=stream) if is_compressed else stream
            return parse(content, dimensions, str(file))
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
