"""A dataset's manifest: what the dataset holds, and the name that follows from it."""

import base64
import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

from pydantic import BaseModel, ConfigDict, field_validator

from pipelines import files
from pipelines.documents import Document

MANIFEST = "manifest.json"
TRAIN, EVAL = "train", "eval"
DATA_FILES = {split: f"{split}/data.tfrecord.gz" for split in (TRAIN, EVAL)}
"""The one file of each split, relative to the dataset's directory."""

NAME_PATTERN = "[0-9a-f]{16}"
_NAME_DIGITS = 16


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Split(_Entry):
    """The examples of one split.

    Attributes:
      count: Number of examples.
      class_balance: Examples per digit.
      sha256: SHA-256 over pixels and labels.
    """

    count: int
    class_balance: dict[str, int]
    sha256: str


class File(_Entry):
    """The content of one file.

    Attributes:
      size: Bytes.
      sha256: Hexadecimal digits.
      crc32c: Big-endian and in Base64, as Google Cloud Storage lists it.
    """

    size: int
    sha256: str
    crc32c: str


@dataclasses.dataclass(frozen=True)
class FoundFile:
    """What is known of a file beside its manifest; an empty checksum is unknown."""

    size: int
    sha256: str = ""
    crc32c: str = ""


class Manifest(Document):
    """What a dataset holds. The same examples, written by the same versions, make the same bytes.

    Attributes:
      source: `digits`, `mnist`, or the path that the examples came from.
      examples: Of each split.
      fingerprint: SHA-256 over the examples of both splits, for any file format.
      files: By path relative to the dataset's directory.
    """

    FORMAT: ClassVar[int] = 2

    source: str
    examples: dict[str, Split]
    fingerprint: str
    files: dict[str, File]

    @field_validator("examples")
    @classmethod
    def _has_both_splits(cls, value: dict[str, Split]) -> dict[str, Split]:
        if set(value) != {TRAIN, EVAL}:
            raise ValueError(f"it must hold {TRAIN} and {EVAL}")
        return value

    @field_validator("files")
    @classmethod
    def _has_both_files(cls, value: dict[str, File]) -> dict[str, File]:
        if set(value) != set(DATA_FILES.values()):
            raise ValueError(f"it must hold {' and '.join(DATA_FILES.values())}")
        return value

    @property
    def name(self) -> str:
        """The dataset's name: SHA-256 over the files' paths, sizes and contents, shortened."""
        digest = hashlib.sha256()
        for path, file in sorted(self.files.items()):
            digest.update(f"{path}\0{file.size}\0{file.sha256}\n".encode())
        return digest.hexdigest()[:_NAME_DIGITS]

    def count(self, split: str) -> int:
        """Number of examples in one split."""
        return self.examples[split].count

    def summary(self) -> dict[str, Any]:
        """What reports say of a dataset."""
        return {
            "source": self.source,
            "fingerprint": self.fingerprint,
            "train_examples": self.count(TRAIN),
            "eval_examples": self.count(EVAL),
            "class_counts": {split: self.examples[split].class_balance for split in (TRAIN, EVAL)},
        }

    def find_fault(self, found: Mapping[str, FoundFile], place: str) -> str:
        """Compare the files that were found with the manifest.

        Args:
          found: By path relative to the dataset's directory; other files are ignored.
          place: The dataset's directory or URI, for the message.

        Returns:
          What is wrong with the first wrong file, without what to do; empty if all are right.
        """
        for path, expected in sorted(self.files.items()):
            actual = found.get(path)
            if actual is None:
                return f"{place}/{path} is missing"
            if actual.size != expected.size:
                return (
                    f"{place}/{path} has {actual.size:,} bytes, and {MANIFEST} says "
                    f"{expected.size:,}"
                )
            if actual.sha256 not in {"", expected.sha256} or actual.crc32c not in {
                "",
                expected.crc32c,
            }:
                return f"{place}/{path} has another content than {MANIFEST} says"
        return ""


def describe_file(file: Path) -> File:
    """Read a file's size and checksums.

    Raises:
      OSError: It cannot be read.
    """
    import google_crc32c

    sha256 = hashlib.sha256()
    crc32c = cast(Any, google_crc32c).Checksum()  # the package has types, but not of this
    size = 0
    for block in files.read_blocks(file):
        sha256.update(block)
        crc32c.update(block)
        size += len(block)
    return File(
        size=size, sha256=sha256.hexdigest(), crc32c=str(base64.b64encode(crc32c.digest()), "ascii")
    )
