"""From a named source to a dataset on disk; `pipelines.data.dataset` has the layout.

Writers share a directory without a lock. Each writes into a directory of its own, which one rename
makes the dataset; the pointer follows. Nothing that a reader may use is removed.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pipelines import files, leftovers
from pipelines.data import dataset, sources
from pipelines.data.dataset import DATASETS, POINTER, Dataset, Pointer
from pipelines.data.examples import Splits
from pipelines.data.manifest import (
    DATA_FILES,
    EVAL,
    MANIFEST,
    TRAIN,
    Manifest,
    Split,
    describe_file,
)
from pipelines.errors import DataError, DocumentError, OutputError

_FLAT_FORMAT = 1
_ATTEMPTS = 3
_NOTE = "note"
"""Beside what identifies a source in a pointer: how it was read, which is said each time."""


def prepare(
    source: str, directory: Path, eval_fraction: float, outputs: Collection[Path] = ()
) -> tuple[Dataset, str]:
    """Make the dataset of a source the current one of a directory.

    An unchanged dataset is not written again, which keeps every cached result downstream.

    Args:
      source: See `sources.load`.
      directory: Holds datasets of ours, or nothing.
      eval_fraction: See `sources.load`.
      outputs: What else the caller writes, which is no example where it lies in the source.

    Returns:
      The dataset, and a sentence on what was done.

    Raises:
      DataError: The source cannot be found or used.
      OutputError: `directory` holds something else, or cannot be written.
    """
    directory = Path(os.path.realpath(directory))
    if directory.exists() and not directory.is_dir():
        raise OutputError(f"{directory} is a file: choose another directory")
    folder = _inspect(directory)
    outputs = (directory, *outputs)
    requested = sources.identify(source, eval_fraction, outputs)
    problem = folder.problem
    previous = folder.pointer.requested if folder.pointer else None
    if previous and previous == {**requested, _NOTE: previous.get(_NOTE)}:
        try:
            current = dataset.load(directory)
            problem = current.find_fault()
            if not problem:
                if folder.is_flat:  # a killed writer came as far as the pointer
                    _remove_flat(directory)
                return current, f"{previous[_NOTE]}, unchanged"
        except (DataError, DocumentError) as error:
            problem = str(error)
    splits, note = sources.load(source, eval_fraction, outputs)
    written = _write(splits, {**requested, _NOTE: note}, directory)
    if problem:
        note = f"{note} (made again: {problem})"
    if folder.is_flat:
        _remove_flat(directory)
        note = f"{note} (replaces the dataset that an earlier release wrote)"
    return written, note


@dataclasses.dataclass(frozen=True)
class _Folder:
    """What a directory holds before.

    Attributes:
      pointer: None where there is none, or none that can be read.
      problem: Why the pointer cannot be read.
      is_flat: Whether it holds the layout of the previous release, or a part of it.
    """

    pointer: Pointer | None = None
    problem: str = ""
    is_flat: bool = False


def _inspect(directory: Path) -> _Folder:
    """Look whether the directory holds datasets of ours and nothing else.

    Raises:
      OutputError: It holds something else, or cannot be read.
    """
    if not directory.is_dir():
        return _Folder()
    try:
        names = _visible(directory)
        inside = _visible(directory / DATASETS) if (directory / DATASETS).is_dir() else None
        foreign = names - {POINTER, *({DATASETS} if inside is not None else ())}
        foreign |= {f"{DATASETS}/{name}" for name in inside or () if not dataset.is_name(name)}
        pointer, problem = None, ""
        if POINTER in names:
            pointer, problem = _read_pointer(directory / POINTER)
        if problem and not any(map(dataset.is_name, inside or ())):
            foreign.add(POINTER)  # many programs call a file so
        is_flat = _is_flat(directory, foreign)
    except OSError as error:
        raise OutputError(f"cannot read {directory}: {error.strerror or error}") from error
    if foreign and not is_flat:
        first, *more = sorted(foreign)
        others = f" and {len(more)} more" if more else ""
        raise OutputError(
            f"{directory} holds {first}{others}, which is no dataset of tfx-mobile: choose another "
            "directory, or move it away"
        )
    return _Folder(pointer, problem, is_flat)


def _visible(directory: Path) -> set[str]:
    return {name for name in os.listdir(directory) if not name.startswith((".", "_"))}


def _read_pointer(file: Path) -> tuple[Pointer | None, str]:
    if not file.is_file():
        return None, f"{file} is no file"
    try:
        return Pointer.parse(file.read_bytes(), str(file)), ""
    except DocumentError as error:
        return None, str(error)


def _is_flat(directory: Path, names: set[str]) -> bool:
    """Whether these are `train/`, `eval/` and `manifest.json` of the previous release.

    A writer that was killed while it removed them may have left a part; the manifest goes last.
    """
    if MANIFEST not in names or not names <= {MANIFEST, TRAIN, EVAL}:
        return False
    try:
        written = json.loads((directory / MANIFEST).read_bytes())
        inside = {
            f"{split}/{name}"
            for split in names - {MANIFEST}
            for name in _visible(directory / split)
        }
    except (OSError, ValueError):
        return False
    return (
        isinstance(written, dict)
        and written.get("format") == _FLAT_FORMAT
        and inside <= set(DATA_FILES.values())
    )


def _remove_flat(directory: Path) -> None:
    """Remove the previous release's three files; what cannot be removed stays.

    The manifest goes last: it tells whose the rest is.
    """
    with contextlib.suppress(OSError):
        for file in DATA_FILES.values():
            (directory / file).unlink(missing_ok=True)
            if (directory / file).parent.exists():
                (directory / file).parent.rmdir()
        (directory / MANIFEST).unlink()


def _write(splits: Splits, requested: dict[str, Any], directory: Path) -> Dataset:
    """Write the dataset, then the pointer.

    Raises:
      OutputError: They cannot be written.
    """
    is_new = not directory.exists()
    written = None
    try:
        for _ in range(_ATTEMPTS):
            _remove_leftovers(directory)
            with _own_directory(directory / DATASETS) as own:
                manifest = _write_files(splits, own)
                written = _publish(Dataset(own, manifest))
            pointer = Pointer(name=manifest.name, requested=requested)
            files.write_text(directory / POINTER, pointer.to_json())
            if _is_whole(written.directory):
                return written
            # Until the pointer named it, a prune could remove it.
    except OSError as error:
        raise OutputError(f"cannot write {directory}: {error.strerror or error}") from error
    finally:
        if is_new and not written:
            for created in (directory / DATASETS, directory):
                with contextlib.suppress(OSError):
                    created.rmdir()
    raise OutputError(f"another process removes what is written to {directory}: run again")


def _is_whole(directory: Path) -> bool:
    """Whether a dataset's manifest and files are there, by their sizes."""
    try:
        return not dataset.load(directory).find_fault(with_checksums=False)
    except (DataError, DocumentError):
        return False


def _write_files(splits: Splits, directory: Path) -> Manifest:
    from pipelines.data import records

    parts = {TRAIN: splits.train, EVAL: splits.eval}
    for name, part in parts.items():
        file = directory / DATA_FILES[name]
        file.parent.mkdir()
        records.write(part, file)
    manifest = Manifest(
        source=splits.source,
        examples={
            name: Split(
                count=len(part), class_balance=part.class_balance(), sha256=part.fingerprint()
            )
            for name, part in parts.items()
        },
        fingerprint=sources.fingerprint(splits),
        files={name: describe_file(directory / name) for name in DATA_FILES.values()},
    )
    (directory / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


def _publish(own: Dataset) -> Dataset:
    """Give a dataset its name, unless the same one is there.

    Raises:
      OSError: It cannot be moved.
    """
    final = own.directory.with_name(own.manifest.name)
    with contextlib.suppress(OSError):
        own.directory.rename(final)  # fails where the name is taken
        return Dataset(final, own.manifest)
    with contextlib.suppress(DataError, DocumentError):
        existing = dataset.load(final)
        if not existing.find_fault():
            return existing
    # Part of it is missing or damaged. Every writer of this name has the same files.
    for name in (*own.manifest.files, MANIFEST):
        (final / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(own.directory / name, final / name)
    return Dataset(final, own.manifest)


@contextlib.contextmanager
def _own_directory(parent: Path) -> Iterator[Path]:
    """A new directory that goes with the block, unless it was renamed."""
    own = parent / f".{uuid.uuid4().hex}.partial"  # as files.is_partial knows it
    own.mkdir(parents=True)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _remove_leftovers(directory: Path) -> None:
    """Remove what killed writers left, and nothing of a live one."""
    candidates = [*directory.glob(f".{POINTER}.*"), *(directory / DATASETS).glob(".*")]
    for leftover in filter(files.is_partial, candidates):
        if not leftovers.is_abandoned(leftover, time.time()):
            continue
        with contextlib.suppress(OSError):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
