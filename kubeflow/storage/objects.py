"""What a store holds, and what every store can do."""

import dataclasses
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

OnProgress = Callable[[str, int], None]
"""Takes a name and the bytes of it that moved since the last call, from any thread. A part that
is sent again first takes its bytes back: a negative number."""

OnBytes = Callable[[int], None]
"""The same for one file."""


@dataclasses.dataclass(frozen=True)
class Object:
    """A file in a store.

    Attributes:
      name: Relative to the prefix that was listed, "/"-separated.
      size: Bytes.
      checksum: What the store says of the content: `md5:` and hexadecimal digits, `crc32c:` and
        Base64, or `etag:` and what S3 calls so.
      modified: When it was written, with a time zone.
    """

    name: str
    size: int
    checksum: str
    modified: datetime


class Store(Protocol):
    """A bucket, or this machine's files; keys are "/"-separated and complete.

    Every method raises StorageError, or OSError for files of this machine.
    """

    def list(self, prefix: str) -> "list[Object]":
        """Everything whose key begins with a prefix, directory markers too; sorted by name."""

    def read(self, key: str) -> bytes:
        """The content of an object.

        Raises:
          StorageMissingError: There is none.
        """

    def write(self, key: str, data: bytes) -> None:
        """Makes an object of some bytes, whole or not at all."""

    def create(self, key: str, data: bytes) -> bool:
        """Makes an object of some bytes on the condition that there is none.

        Returns:
          False if the store says that there is one, which after a lost answer may be this call's.
          True otherwise, also where the store ignores the condition.
        """

    def fetch(self, key: str, file: Path, on_bytes: OnBytes) -> None:
        """Writes the content of an object to a file, of which a part stays where it fails."""

    def put(self, file: Path, key: str, on_bytes: OnBytes) -> None:
        """Makes an object of a file, whole or not at all, and verifies its content."""

    def delete(self, key: str) -> None:
        """Removes an object."""

    def holds(self, found: Object, key: str, file: Path) -> bool | None:
        """Whether an object, as listed, has the content of a file of the same size.

        Returns:
          None where the store says nothing that could be compared.
        """

    def make_bucket(self, prefix: str, region: str) -> bool:
        """Makes the bucket unless it is there, which listing a prefix tells.

        Args:
          prefix: What the caller may list.
          region: Where to make it; empty: as the store does.

        Returns:
          Whether it was made.
        """

    def close(self, cancel: bool) -> None:
        """Lets go of threads and connections; with `cancel`, ends what is under way first."""
