"""Records of pushes, and the choice of a version: pure functions, and the reading of a model.

A record is created on the condition that there is none, which claims its version. It stays after
the push, so that a version number is never used again and a retry finds what it pushed.
"""

import dataclasses
import errno
import hashlib
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pipelines import files, walk
from pipelines.documents import Document
from pipelines.errors import DocumentError

RECORDS = ".pushes"
MAIN_FILES = ("saved_model.pb", "tflite")
"""A model server takes a version for complete when it has one of these."""


@dataclasses.dataclass(frozen=True)
class Model:
    """A model's files.

    Attributes:
      directory: Where they are.
      sizes: Bytes of each file, by its "/"-separated path in the directory.
      digest: SHA-256 of all paths and contents, in hexadecimal.
    """

    directory: Path
    sizes: Mapping[str, int]
    digest: str

    @classmethod
    def read(cls, directory: Path) -> "Model":
        """Read every file of a directory once.

        Raises:
          OSError: A file cannot be read, or there is none.
        """
        digest = hashlib.sha256()
        sizes = {}
        for name in sorted(entry.name for entry in walk.files(directory)):
            content, size = _hash(directory / name)
            digest.update(f"{name}\0{content}\n".encode())
            sizes[name] = size
        if not sizes:
            raise FileNotFoundError(errno.ENOENT, "there are no files", str(directory))
        return cls(directory, sizes, digest.hexdigest())


class Record(Document):
    """Who pushes what.

    Attributes:
      pusher: The URI of the task's `pushed_model` artifact, the same for each attempt at the task.
      attempt: A random name of this attempt.
      digest: The model's, as `Model.digest`.
      state: `abandoned` if another push found this one ended, and removed what was there.
    """

    FORMAT: ClassVar[int] = 1

    pusher: str
    attempt: str
    digest: str
    state: Literal["pushing", "pushed", "abandoned"]

    @classmethod
    def begin(cls, pusher: str, model: Model) -> "Record":
        """The record of a new attempt."""
        return cls(pusher=pusher, attempt=uuid.uuid4().hex, digest=model.digest, state="pushing")

    def with_state(self, state: Literal["pushed", "abandoned"]) -> "Record":
        """The same push in another state."""
        return self.model_copy(update={"state": state})

    def is_of(self, pusher: str, digest: str) -> bool:
        """Whether an attempt at the same task pushed, or pushes, the same model."""
        is_same = self.pusher == pusher and self.digest == digest
        return is_same and self.state != "abandoned"


def parse_all(contents: Mapping[int, bytes]) -> dict[int, Record]:
    """The readable records by version; a damaged one, or one of another release, only claims."""
    records = {}
    for version, content in contents.items():
        try:
            records[version] = Record.parse(content, f"{RECORDS}/{version}")
        except DocumentError:
            continue
    return records


def next_version(taken: Iterable[int], now: float) -> int:
    """A version above all others, as model servers take the highest: the time, where it is free.

    Args:
      taken: Every version with a model or a record.
      now: Unix time in seconds.
    """
    return max(int(now), max(taken, default=0) + 1)


def to_version(name: str) -> int | None:
    """The version that a file's or directory's name is, if it is one."""
    return int(name) if name.isascii() and name.isdigit() else None


def _hash(file: Path) -> tuple[str, int]:
    """SHA-256 in hexadecimal, and bytes."""
    digest, size = hashlib.sha256(), 0
    for block in files.read_blocks(file):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size
