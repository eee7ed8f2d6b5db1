"""Datasets in an object store or on a mounted path; `pipelines.data.dataset` has the layout.

Readers, pushes and prunes share a root without a lock: a dataset never changes, the pointer moves
when its dataset is whole, and a prune that meets a push gives way.
"""

import dataclasses
import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from kubeflow import storage
from pipelines.data import dataset
from pipelines.data.dataset import DATASETS, POINTER, Dataset, Pointer
from pipelines.data.manifest import MANIFEST, FoundFile, Manifest
from pipelines.errors import (
    DataError,
    DocumentError,
    StorageError,
    StorageMissingError,
    StorageRefusedError,
)
from pipelines.leftovers import ABANDONED

_CRC32C = "crc32c:"
_ATTEMPTS = 3


@dataclasses.dataclass(frozen=True)
class RemoteDataset:
    """A dataset at a URI or path.

    Attributes:
      uri: The one that never changes: it holds the splits and the manifest.
      manifest: What is in it.
    """

    uri: str
    manifest: Manifest

    def find_fault(self, options: storage.Options | None = None) -> str:
        """What is wrong with the first wrong file, without what to do; empty if all are right.

        Sizes are compared; checksums too where the files are here or the store lists CRC32C.

        Raises:
          StorageError: The store cannot be read.
        """
        if not storage.is_remote(self.uri):
            return Dataset(Path(self.uri), self.manifest).find_fault()
        return self.manifest.find_fault(_list_files(self.uri, options), self.uri)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One dataset of a listing.

    Attributes:
      name: The dataset's.
      is_current: Whether the pointer names it.
      size: Bytes of all its objects.
      modified: When its newest object was written, which is the manifest of a finished one.
      manifest: None where there is none, or it is damaged.
      problem: Why there is no manifest.
    """

    name: str
    is_current: bool
    size: int
    modified: datetime
    manifest: Manifest | None
    problem: str


def resolve(uri: str, options: storage.Options | None = None) -> RemoteDataset:
    """Find the dataset that a URI or path stands for: a root, or a dataset itself.

    Raises:
      DataError, DocumentError: As `pipelines.data.dataset.resolve`.
      StorageError: The store cannot be read.
    """
    return RemoteDataset(*dataset.resolve(uri, lambda file: _read(file, options)))


def resolve_and_verify(uri: str, options: storage.Options | None = None) -> RemoteDataset:
    """The dataset that a URI or path stands for, if its files are what its manifest says.

    Raises:
      DataError, DocumentError: There is none, or a file is wrong; the message does not say what
        to do.
      StorageError: The store cannot be read.
    """
    found = resolve(uri, options)
    if fault := found.find_fault(options):
        raise DataError(fault)
    return found


def push(
    source: Dataset,
    root: str,
    options: storage.Options | None = None,
    on_progress: storage.OnProgress | None = None,
) -> int:
    """Upload what is missing or damaged of a dataset, then make it the current one.

    Returns:
      How many bytes of the dataset were sent.

    Raises:
      DataError: The dataset is not what its manifest says.
      StorageError: The store cannot be written.
    """
    root = root.rstrip("/")
    if dataset.is_name(root.rpartition("/")[2]):
        raise StorageRefusedError(
            f"{root} has the name of a dataset, which never changes: give the place above "
            f"{DATASETS}/"
        )
    if fault := source.find_fault():
        raise DataError(f"{fault}: write the dataset again")
    _check_pointer(root, options)
    name = source.manifest.name
    remote = RemoteDataset(dataset.join(root, name), source.manifest)
    pointer = Pointer(name=name).to_json().encode()
    sent = 0
    for _ in range(_ATTEMPTS):
        # The manifest of a finished dataset stays: another source may have the same examples.
        manifest = [] if _is_finished(remote, options) else [MANIFEST]
        sent += _upload(source, manifest, remote.uri, options, on_progress)
        if _read(f"{root}/{POINTER}", options) != pointer:
            storage.write_bytes(f"{root}/{POINTER}", pointer, options)
        # Until the pointer names it, a prune may remove it.
        if _is_finished(remote, options):
            return sent
    raise StorageError(f"another process removes {remote.uri}: try again")


def list_entries(root: str, options: storage.Options | None = None) -> list[Entry]:
    """The datasets below a root, newest first, and what is left of unfinished ones.

    Raises:
      DataError: The pointer is damaged or of another release.
      StorageError: The store cannot be read.
    """
    below = f"{root.rstrip('/')}/{DATASETS}"
    by_name: dict[str, list[storage.Object]] = {}
    for thing in storage.list_objects(below, options):
        name, _, rest = thing.name.partition("/")
        if rest and dataset.is_name(name):
            by_name.setdefault(name, []).append(thing)
    try:
        current = _current(root, options) if by_name else ""
    except DocumentError as error:
        raise DataError(f"{error}: push or write the dataset again") from None
    entries = []
    for name, objects in by_name.items():
        manifest, problem = _read_manifest(f"{below}/{name}", options)
        entries.append(
            Entry(
                name,
                name == current,
                sum(thing.size for thing in objects),
                max(thing.modified for thing in objects),
                manifest,
                problem,
            )
        )
    return sorted(entries, key=lambda entry: entry.modified, reverse=True)


def prune(root: str, keep: int, options: storage.Options | None = None) -> list[Entry]:
    """Remove all datasets but the current one and the newest others.

    What an ended push or prune left is removed too. The manifest goes first, so that half a
    dataset is none.

    Args:
      root: What holds the pointer.
      keep: How many datasets stay, the current one among them; at least 1.
      options: How to reach the store; by default as the environment says.

    Returns:
      What was removed, newest first.

    Raises:
      DataError: The pointer is damaged or of another release.
      StorageError: The store cannot be read or written.
    """
    entries = list_entries(root, options)
    finished = [entry for entry in entries if entry.manifest]
    finished.sort(key=lambda entry: not entry.is_current)  # stable: then newest first
    stale = datetime.now(timezone.utc) - ABANDONED
    kept = {entry.name for entry in finished[:keep]}
    kept |= {e.name for e in entries if e.is_current or (not e.manifest and e.modified > stale)}
    return [e for e in entries if e.name not in kept and _remove(root, e, options)]


def _remove(root: str, entry: Entry, options: storage.Options | None) -> bool:
    """Remove a dataset, unless a push has made it the current one by now."""
    uri = f"{root.rstrip('/')}/{DATASETS}/{entry.name}"
    if entry.manifest:
        storage.write_bytes(f"{uri}/{MANIFEST}", b"", options)
        if _current(root, options) == entry.name:
            content = entry.manifest.to_json().encode()
            storage.write_bytes(f"{uri}/{MANIFEST}", content, options)
            return False
    storage.delete(uri, options)
    if not storage.is_remote(uri):
        shutil.rmtree(uri, ignore_errors=True)  # empty directories
    return True


def _check_pointer(root: str, options: storage.Options | None) -> None:
    """Refuse to replace a pointer that may be a file of another program."""
    try:
        _current(root, options)
    except DocumentError as error:
        if not storage.list_objects(f"{root}/{DATASETS}", options):
            raise StorageRefusedError(
                f"{error}, and no datasets are beside it: choose another place"
            ) from None


def _upload(
    source: Dataset,
    last: Sequence[str],
    uri: str,
    options: storage.Options | None,
    on_progress: storage.OnProgress | None,
) -> int:
    """Upload the files that the manifest names unless they are there, and some files after them."""
    with tempfile.TemporaryDirectory(prefix="tfx-mobile-") as scratch:
        for name in (*source.manifest.files, *last):
            link = Path(scratch, name)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to((source.directory / name).resolve())
        return storage.upload(Path(scratch), uri, options, last=last, on_progress=on_progress)


def _is_finished(remote: RemoteDataset, options: storage.Options | None) -> bool:
    """Whether all files are there, as far as a listing tells, and a manifest."""
    if remote.manifest.find_fault(_list_files(remote.uri, options), remote.uri):
        return False
    manifest, _ = _read_manifest(remote.uri, options)
    return manifest is not None and manifest.name == remote.manifest.name


def _list_files(uri: str, options: storage.Options | None) -> dict[str, FoundFile]:
    return {
        thing.name: FoundFile(
            thing.size,
            crc32c=thing.checksum.removeprefix(_CRC32C)
            if thing.checksum.startswith(_CRC32C)
            else "",
        )
        for thing in storage.list_objects(uri, options)
    }


def _current(root: str, options: storage.Options | None) -> str:
    """The name in the pointer; empty where there is none."""
    file = f"{root.rstrip('/')}/{POINTER}"
    content = _read(file, options)
    return Pointer.parse(content, file).name if content is not None else ""


def _read_manifest(uri: str, options: storage.Options | None) -> tuple[Manifest | None, str]:
    """The manifest of a dataset; or None, and why."""
    file = f"{uri}/{MANIFEST}"
    content = _read(file, options)
    if not content:  # a prune has begun to remove it
        return None, "unfinished"
    try:
        return Manifest.parse(content, file), ""
    except DocumentError as error:
        return None, str(error)


def _read(uri: str, options: storage.Options | None) -> bytes | None:
    try:
        return storage.read_bytes(uri, options)
    except StorageMissingError:
        return None
