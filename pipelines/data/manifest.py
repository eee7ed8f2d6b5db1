"""A dataset's manifest: what the dataset holds, and the name that follows from it."""

import base64
import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, cast

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, field_validator

from modules import mnist
from modules.task import Task
from pipelines import files
from pipelines.documents import Document

MANIFEST = "manifest.json"
TRAIN, EVAL = "train", "eval"
FILE_PATTERNS = {split: f"{split}/data*.tfrecord.gz" for split in (TRAIN, EVAL)}
"""What matches the files of each split, relative to the dataset's directory."""

NAME_PATTERN = "[0-9a-f]{16}"
_NAME_DIGITS = 16
_SHARD = re.compile(r"(train|eval)/data(-\d{5}-of-(\d{5}))?\.tfrecord\.gz")
_FORMAT_WITHOUT_TASK = 2
"""The format of the releases that knew no task but MNIST."""

_M = TypeVar("_M", bound="Manifest")


def shard_names(count: int) -> list[str]:
    """The files of a split of so many shards, relative to the split's directory."""
    if count == 1:
        return ["data.tfrecord.gz"]
    return [f"data-{index:05d}-of-{count:05d}.tfrecord.gz" for index in range(count)]


def _parse_task(value: Any) -> Task:
    if isinstance(value, Task):
        return value.data
    try:
        return Task.from_dict(value).data
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"it is no task ({error or type(error).__name__})") from None


def _describe_task(task: Task) -> dict[str, Any]:
    """The part of a task that is about data, without the code."""
    code = {"model", "preprocessing_fn"}
    return {key: value for key, value in task.to_dict().items() if key not in code}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Split(_Entry):
    """The examples of one split.

    Attributes:
      count: Number of examples.
      class_balance: Examples by the name of their class; empty for a regression.
      sha256: SHA-256 over features and labels; see `pipelines.data.examples.Tally`.
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
      task: What can be learnt from it, without model and `preprocessing_fn`.
      examples: Of each split.
      fingerprint: SHA-256 over the examples of both splits, for any file format.
      files: By path relative to the dataset's directory; a split is one file or several shards.
    """

    FORMAT: ClassVar[int] = 3

    source: str
    task: Annotated[Task, PlainValidator(_parse_task), PlainSerializer(_describe_task)]
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
    def _has_all_shards(cls, value: dict[str, File]) -> dict[str, File]:
        for split in (TRAIN, EVAL):
            found = sorted(path for path in value if path.startswith(f"{split}/"))
            if found != [f"{split}/{name}" for name in shard_names(len(found))] or not found:
                raise ValueError(f"it must hold the {split} split: one file or all its shards")
        if foreign := [path for path in value if not _SHARD.fullmatch(path)]:
            raise ValueError(f"it holds {foreign[0]}")
        return value

    @classmethod
    def parse(cls: type[_M], content: bytes | str, where: str) -> _M:
        """The manifest in a file's content; one of format 2, which names no task, is of MNIST.

        Raises:
          DocumentError: As `Document.parse`.
        """
        return super().parse(_add_task(content), where)

    @property
    def name(self) -> str:
        """The dataset's name: SHA-256 over the task and the files' paths and contents, shortened.

        MNIST's task is left out: its datasets keep the names that releases without tasks gave.
        """
        digest = hashlib.sha256()
        if self.task != mnist.TASK.data:
            digest.update(json.dumps(_describe_task(self.task), sort_keys=True).encode())
        for path, file in sorted(self.files.items()):
            digest.update(f"{path}\0{file.size}\0{file.sha256}\n".encode())
        return digest.hexdigest()[:_NAME_DIGITS]

    def split_files(self, split: str) -> list[str]:
        """The files of one split, relative to the dataset's directory, in order."""
        return sorted(path for path in self.files if path.startswith(f"{split}/"))

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


def combine(examples: Mapping[str, Split]) -> str:
    """The fingerprint of a dataset: SHA-256 over those of its splits."""
    digests = (examples[split].sha256 for split in (TRAIN, EVAL))
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


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


def _add_task(content: bytes | str) -> bytes | str:
    """A manifest of the format without a task in today's; other content as it is."""
    try:
        values = json.loads(content)
    except ValueError:
        return content
    if not isinstance(values, dict) or values.get("format") != _FORMAT_WITHOUT_TASK:
        return content
    return json.dumps(
        {**values, "format": Manifest.FORMAT, "task": _describe_task(mnist.TASK)}, allow_nan=True
    )
