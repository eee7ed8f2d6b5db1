"""From a named source to a dataset on disk; `pipelines.data.dataset` has the layout.

Writers share a directory without a lock. Each writes into a directory of its own, which one rename
makes the dataset; the pointer follows. Nothing that a reader may use is removed.
"""

import contextlib
import dataclasses
import functools
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from modules.task import Task
from pipelines import files, leftovers, settings, tasks
from pipelines.data import dataset, examples, sources
from pipelines.data.dataset import DATASETS, POINTER, Dataset, Pointer
from pipelines.data.examples import Indices, Tally
from pipelines.data.manifest import (
    EVAL,
    MANIFEST,
    TRAIN,
    Manifest,
    combine,
    describe_file,
    shard_names,
)
from pipelines.data.reorder import reorder
from pipelines.data.source import WHOLE, Batch, Part, Source
from pipelines.errors import DataError, DocumentError, OutputError

_FLAT_FORMAT = 1
_FLAT_FILES = tuple(f"{split}/{name}" for split in (TRAIN, EVAL) for name in shard_names(1))
_ATTEMPTS = 3
_NOTE = "note"
"""Beside what identifies a source in a pointer: how it was read, which is said each time."""

Writer = Callable[[Path], tuple[Manifest, str]]
"""Writes the files of a dataset into a directory; returns what they are, and how they were made."""


def prepare(
    data: settings.Data, choice: settings.Task, directory: Path, outputs: Collection[Path] = ()
) -> tuple[Dataset, str]:
    """Make the dataset of a source the current one of a directory.

    An unchanged dataset is not written again, which keeps every cached result downstream.

    Args:
      data: Where the examples come from.
      choice: What is learnt from them, and how they are read.
      directory: Holds datasets of ours, or nothing.
      outputs: What else the caller writes, which is no example where it lies in the source.

    Returns:
      The dataset, and a sentence on what was done.

    Raises:
      DataError: The source cannot be found or used.
      OutputError: `directory` holds something else, or cannot be written.
      SettingsError: The named task cannot be imported.
    """
    directory = Path(os.path.realpath(directory))
    if directory.exists() and not directory.is_dir():
        raise OutputError(f"{directory} is a file: choose another directory")
    folder = _inspect(directory)
    outputs = (directory, *outputs)
    requested = sources.identify(data, choice, outputs)
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
    written, note = _write(_choose_writer(data, choice, outputs), requested, directory)
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
        and inside <= set(_FLAT_FILES)
    )


def _remove_flat(directory: Path) -> None:
    """Remove the previous release's three files; what cannot be removed stays.

    The manifest goes last: it tells whose the rest is.
    """
    with contextlib.suppress(OSError):
        for file in _FLAT_FILES:
            (directory / file).unlink(missing_ok=True)
            if (directory / file).parent.exists():
                (directory / file).parent.rmdir()
        (directory / MANIFEST).unlink()


def _choose_writer(data: settings.Data, choice: settings.Task, outputs: Collection[Path]) -> Writer:
    """Find the source; what is returned reads it."""
    held = sources.find_dataset(data, choice)
    if held is not None:
        return functools.partial(_take_over, held, str(sources.find_directory(data.source)))
    found = sources.find(data, choice, outputs)
    return functools.partial(_write_files, found, data.eval_fraction)


def _write(write_files: Writer, requested: dict[str, Any], directory: Path) -> tuple[Dataset, str]:
    """Write the dataset, then the pointer.

    Raises:
      DataError: The source cannot be used; nothing is left of what was written.
      OutputError: The dataset cannot be written.
    """
    created = [d for d in (directory / DATASETS, directory, *directory.parents) if not d.exists()]
    written = None
    try:
        for _ in range(_ATTEMPTS):
            _remove_leftovers(directory)
            with _own_directory(directory / DATASETS) as own:
                manifest, note = write_files(own)
                (own / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
                written = _publish(Dataset(own, manifest))
            pointer = Pointer(name=manifest.name, requested={**requested, _NOTE: note})
            files.write_text(directory / POINTER, pointer.to_json())
            if _is_whole(written.directory):
                return written, note
            # Until the pointer named it, a prune could remove it.
    except OSError as error:
        raise OutputError(f"cannot write {directory}: {error.strerror or error}") from error
    finally:
        if not written:
            for folder in created:
                with contextlib.suppress(OSError):
                    folder.rmdir()
    raise OutputError(f"another process removes what is written to {directory}: run again")


def _is_whole(directory: Path) -> bool:
    """Whether a dataset's manifest and files are there, by their sizes."""
    try:
        return not dataset.load(directory).find_fault(with_checksums=False)
    except (DataError, DocumentError):
        return False


def _take_over(held: Dataset, source: str, directory: Path) -> tuple[Manifest, str]:
    """Give a dataset of ours a second place; see `Writer`. It was verified, and never changes."""
    for name in held.manifest.files:
        file, target = os.path.realpath(held.directory / name), directory / name
        target.parent.mkdir(exist_ok=True)
        try:
            os.link(file, target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(file, target)
    return held.manifest, f"{source} (task {tasks.describe(held.manifest.task)})"


def _write_files(source: Source, eval_fraction: float, directory: Path) -> tuple[Manifest, str]:
    """Read, check, split and write a source's examples; see `Writer`."""
    tallies = {}
    for name, (part, indices) in _split(source, eval_fraction).items():
        (directory / name).mkdir()
        tally = _write_split(source.task, part, indices, directory / name)
        if not len(tally):
            raise DataError(f"{part.where} holds no examples")
        if tally.is_constant and len(tally) > 1:
            what = "images" if source.task.pictures else "examples"
            raise DataError(
                f"all {len(tally):,} {what} for {name} in {source.name} are equal: check how they "
                "were made"
            )
        tallies[name] = tally
    described = {name: tally.describe() for name, tally in tallies.items()}
    manifest = Manifest(
        source=source.name,
        task=source.task,
        examples=described,
        fingerprint=combine(described),
        files={
            f"{name}/{file.name}": describe_file(file)
            for name in tallies
            for file in sorted((directory / name).iterdir())
        },
    )
    notes = "; ".join((f"task {tasks.describe(source.task)}", *source.notes))
    return manifest, f"{source.name} ({notes})"


def _split(source: Source, eval_fraction: float) -> dict[str, tuple[Part, Indices | None]]:
    """The part of each split, and which of its examples; None for all."""
    if WHOLE not in source.parts:
        return {name: (source.parts[name], None) for name in (TRAIN, EVAL)}
    part = source.parts[WHOLE]
    labels = part.labels
    if not len(labels):
        raise DataError(f"{part.where} holds no examples")
    examples.check_labels(source.task, labels, part.where, np.arange(len(labels)))
    chosen = examples.split(source.task, labels, eval_fraction, source.name)
    return {name: (part, indices) for name, indices in zip((TRAIN, EVAL), chosen, strict=True)}


def _write_split(task: Task, part: Part, indices: Indices | None, directory: Path) -> Tally:
    """Write the files of a split, or copy those of the source if they can stay as they are."""
    # TensorFlow takes seconds to load.
    from pipelines.data import records, shards

    if indices is None:
        copied = part.copy(directory) if isinstance(part, records.Records) else None
        if copied is not None:
            return copied
        indices = examples.choose_order(task, part.labels)
    batches = _read(task, part, indices, directory)
    tally = Tally(task)
    shards.write(task, tally.count(batches), directory, len(indices))
    if len(tally) != len(indices):
        raise DataError(f"{part.where} changed while it was read: try again")
    return tally


def _read(task: Task, part: Part, indices: Indices, directory: Path) -> Iterator[Batch]:
    """Read and check examples; they come in the order of the indices from any reader."""
    if part.follows_order or bool((indices[1:] > indices[:-1]).all()):
        return _check(task, part, indices, indices)
    # The example that comes first is the one with the lowest index.
    positions = np.argsort(indices)
    batches = _check(task, part, indices, indices[positions])
    return reorder(task, batches, positions, directory)


def _check(task: Task, part: Part, indices: Indices, numbers: Indices) -> Iterator[Batch]:
    """Read examples that come with these numbers, and check them."""
    first = 0
    for batch in part.read(indices):
        examples.check(task, batch, part.where, numbers[first : first + len(batch)])
        first += len(batch)
        yield batch


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
