"""Where a dataset lies, on disk and in a store: it never changes, and a pointer names it.

    ROOT/dataset.json                                       the pointer, replaced last
    ROOT/datasets/NAME/train/... eval/... manifest.json     NAME follows from the content

Files beside these are neither read nor removed.
"""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from pipelines.data.manifest import (
    MANIFEST,
    NAME_PATTERN,
    FoundFile,
    Manifest,
    describe_file,
)
from pipelines.documents import Document
from pipelines.errors import DataError

POINTER = "dataset.json"
DATASETS = "datasets"

Read = Callable[[str], bytes | None]
"""Returns the content of the file at a path or URI, None where there is no such file."""


class Pointer(Document):
    """Names the current one of the datasets beside it.

    Attributes:
      name: The current dataset's.
      requested: What `prepare` was asked for, and what identified its source then. A pushed pointer
        has none.
    """

    FORMAT: ClassVar[int] = 1

    name: Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
    requested: dict[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A dataset on disk.

    Attributes:
      directory: The one that never changes: it holds the splits and the manifest.
      manifest: What is in it.
    """

    directory: Path
    manifest: Manifest

    def find_fault(self, with_checksums: bool = True) -> str:
        """What is wrong with the first wrong file, without what to do; empty if all are right.

        Args:
          with_checksums: Read the files and compare their SHA-256 too.
        """
        return self.manifest.find_fault(
            {
                name: _look(self.directory / name, with_checksums)
                for name in self.manifest.files
                if (self.directory / name).is_file()
            },
            str(self.directory),
        )


def is_name(text: str) -> bool:
    """Whether a directory's name may be a dataset's."""
    return bool(re.fullmatch(NAME_PATTERN, text))


def join(root: str, name: str) -> str:
    """The path or URI of a dataset below a root; the root itself if that is the dataset."""
    root = root.rstrip("/")
    return root if root.rpartition("/")[2] == name else f"{root}/{DATASETS}/{name}"


def resolve(root: str, read: Read) -> tuple[str, Manifest]:
    """Find the dataset that a path or URI stands for.

    Args:
      root: What holds a pointer, or a dataset itself.
      read: Reads a file.

    Returns:
      The dataset's own path or URI, and its manifest.

    Raises:
      DataError: There is no dataset; the message does not say what to do.
      DocumentError: The pointer or the manifest is damaged or of another release, likewise.
    """
    root = root.rstrip("/")
    place = root
    pointer = read(f"{root}/{POINTER}")
    if pointer is not None:
        place = join(root, Pointer.parse(pointer, f"{root}/{POINTER}").name)
    manifest_content = read(f"{place}/{MANIFEST}")
    if not manifest_content:  # an empty one is being removed, see `kubeflow.datasets.prune`
        if pointer is None:
            raise DataError(f"there is no dataset at {root}")
        raise DataError(f"{root}/{POINTER} names a dataset that is not there")
    manifest = Manifest.parse(manifest_content, f"{place}/{MANIFEST}")
    if manifest.name != place.rpartition("/")[2]:
        raise DataError(f"{place} holds the manifest of another dataset, {manifest.name}")
    return place, manifest


def load(root: Path) -> Dataset:
    """The dataset that a directory stands for; see `resolve`.

    Raises:
      DataError: As `resolve`; or a file cannot be read.
      DocumentError: As `resolve`.
    """
    place, manifest = resolve(str(root.resolve()), _read)
    return Dataset(Path(place), manifest)


def _read(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _look(file: Path, with_checksums: bool) -> FoundFile:
    try:
        if not with_checksums:
            return FoundFile(file.stat().st_size)
        described = describe_file(file)
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    return FoundFile(described.size, described.sha256, described.crc32c)
