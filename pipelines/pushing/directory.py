"""A push to a path: copied into a staging area of its own, then renamed to its version."""

import contextlib
import errno
import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from pipelines import files, leftovers, walk
from pipelines.errors import OutputError
from pipelines.pushing.records import (
    RECORDS,
    Model,
    Record,
    next_version,
    parse_all,
    to_version,
)

_STAGING = ".staging"
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
"""What a rename of a directory answers where a version is already there."""


def push(source: Path, destination: Path, pusher: str) -> Path:
    """Publish a model as a new version of a directory, unless it is there.

    A kill at any moment leaves one whole version or none. A retry, which has the same `pusher`,
    finds the version of the attempt before it. A model that is already the newest version is not
    pushed again.

    Args:
      source: The model.
      destination: Where all versions are; its file system renames directories atomically.
      pusher: Names this task in every attempt.

    Returns:
      The directory of the version.

    Raises:
      OutputError: The destination cannot be written, or the copy is not complete.
    """
    try:
        model = Model.read(source)
        return _find(model, destination, pusher) or _publish(model, destination, pusher)
    except OSError as error:
        place = error.filename2 or error.filename or destination
        raise OutputError(
            f"cannot push {source} to {destination}: {place}: {error.strerror or error}"
        ) from error


def _find(model: Model, destination: Path, pusher: str) -> Path | None:
    """The version of an earlier attempt, else the newest one if it is the same model."""
    versions = _versions(destination)
    for version, record in _read_records(destination).items():
        directory = destination / str(version)
        is_own = record.is_of(pusher, model.digest)
        if is_own and version in versions and _holds(directory, model):
            _finish(destination, version, record)
            return directory
    newest = destination / str(max(versions, default=0))
    return newest if versions and _holds(newest, model) else None


def _publish(model: Model, destination: Path, pusher: str) -> Path:
    record = Record.begin(pusher, model)
    with _staging(destination, record) as staged:
        _copy(model.directory, staged)
        if Model.read(staged).digest != model.digest:
            raise OutputError(
                f"the copy of {model.directory} in {staged} is not complete, as something else "
                "wrote there: run it again"
            )
        for version in _claim(destination, record):
            directory = destination / str(version)
            try:
                os.rename(staged, directory)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                if not _holds(directory, model):
                    continue
            _finish(destination, version, record)
            return directory
    raise AssertionError("there is always a further version")


def _claim(destination: Path, record: Record) -> Iterator[int]:
    """What an earlier attempt claimed and did not publish, then new versions without end."""
    records, versions = _read_records(destination), _versions(destination)
    for version, earlier in records.items():
        is_pending = earlier.state == "pushing" and version not in versions
        if is_pending and earlier.is_of(record.pusher, record.digest):
            yield version
    while True:
        taken = {*_versions(destination), *_versions(destination / RECORDS)}
        version = next_version(taken, time.time())
        if files.create_bytes(destination / RECORDS / str(version), record.to_json().encode()):
            yield version


def _finish(destination: Path, version: int, record: Record) -> None:
    if record.state == "pushing":
        text = record.with_state("pushed").to_json()
        files.write_text(destination / RECORDS / str(version), text)


@contextlib.contextmanager
def _staging(destination: Path, record: Record) -> Iterator[Path]:
    """A directory of this attempt alone; what ended attempts left is removed first.

    A leftover is renamed before it is removed: if its owner still runs after all, the owner's
    rename fails, and never publishes what is being removed.
    """
    root = destination / _STAGING
    task = hashlib.sha256(record.pusher.encode()).hexdigest()[:16]
    own = root / f"{task}.{record.attempt}"
    own.mkdir(parents=True)
    now = own.stat().st_mtime  # by the file system's clock
    try:
        for entry in root.iterdir():
            is_own_task = entry.name.startswith(f"{task}.") and entry != own
            if is_own_task or leftovers.is_abandoned(entry, now):
                removed = root / f"{task}.{uuid.uuid4().hex}"
                with contextlib.suppress(OSError):  # gone, or another user's
                    os.rename(entry, removed)
                shutil.rmtree(removed, ignore_errors=True)
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    for entry in walk.entries(source):
        if entry.is_folder:
            (target / entry.name).mkdir(exist_ok=True)
        else:
            shutil.copyfile(entry.path, target / entry.name)


def _holds(directory: Path, model: Model) -> bool:
    try:
        return Model.read(directory).digest == model.digest
    except FileNotFoundError:
        return False  # removed at this moment


def _versions(directory: Path) -> set[int]:
    names = os.listdir(directory) if directory.is_dir() else []
    return {version for name in names if (version := to_version(name)) is not None}


def _read_records(destination: Path) -> dict[int, Record]:
    directory = destination / RECORDS
    contents = {}
    for version in sorted(_versions(directory)):
        with contextlib.suppress(FileNotFoundError):
            contents[version] = (directory / str(version)).read_bytes()
    return parse_all(contents)
