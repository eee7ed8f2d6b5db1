"""What a named source holds: a dataset of ours, or examples that a reader of their format opens."""

import contextlib
import dataclasses
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from modules import mnist
from modules.task import Task
from pipelines import settings, tasks
from pipelines.code import code_fingerprint
from pipelines.data import contents, dataset, digits, idx
from pipelines.data.dataset import DATASETS, POINTER, Dataset
from pipelines.data.formats import Format
from pipelines.data.manifest import MANIFEST, Manifest, combine
from pipelines.data.passed_over import PassedOver
from pipelines.data.source import WHOLE, Source
from pipelines.data.survey import Survey, survey
from pipelines.errors import DataError, DocumentError
from pipelines.walk import Entry

_SECONDS_TO_SPARE = 15.0
_MEND = "write the dataset again with `tfx-mobile data --output DIRECTORY`"

_FORMATS = {"images": Format.IMAGE, "table": Format.TABLE}
"""The formats that the setting `task` names."""


def find(data: settings.Data, choice: settings.Task, outputs: Collection[Path] = ()) -> Source:
    """Open a source that is not a dataset of ours.

    Args:
      data: Its `source` is `digits`, `mnist`, `auto`, or a directory of TFRecords, IDX files,
        images or tables.
      choice: The task that it must be of, and how examples are made.
      outputs: What the caller writes: left out where it lies below the source.

    Raises:
      DataError: The source cannot be found or used, or is of another task than the named one.
      SettingsError: The named task cannot be imported.
    """
    wanted = tasks.find_named(choice)
    if data.source in settings.BUILT_IN_SOURCES:
        found = _open_built_in(data.source)
    else:
        found = _open_folder(survey(find_directory(data.source), outputs), choice, wanted)
    _check_task(choice, wanted, found.task, found.name)
    return found


def find_dataset(data: settings.Data, choice: settings.Task) -> Dataset | None:
    """The dataset of ours that a source is, if it is one.

    Raises:
      DataError: There is nothing, or the dataset is damaged or of another task.
      SettingsError: As `find`.
    """
    if data.source in settings.BUILT_IN_SOURCES:
        return None
    place = find_directory(data.source)
    held = _find_dataset(place)
    if held is None:
        return None
    if fault := held.find_fault() or _find_contradiction(held):
        raise DataError(f"{fault}: {_MEND}")
    _check_task(choice, tasks.find_named(choice), held.manifest.task, str(place))
    return held


def identify(
    data: settings.Data, choice: settings.Task, outputs: Collection[Path] = ()
) -> dict[str, Any]:
    """What identifies a source, and how it is read, without reading its examples; as JSON has it.

    Args:
      data: As for `find`, like the others.
      choice: Likewise.
      outputs: Likewise.

    Raises:
      DataError: The source cannot be found.
      SettingsError: As `find`.
    """
    requested: dict[str, Any] = {**data.model_dump(), "task": choice.model_dump()}
    if wanted := tasks.find_named(choice):
        requested["named"] = wanted.data.to_dict()
    if data.source not in settings.BUILT_IN_SOURCES:
        directory = Path(os.path.realpath(find_directory(data.source)))
        requested["source"] = str(directory)
        held = _find_dataset(directory)
        found = survey(held.directory) if held else survey(directory, outputs)
        requested["files"] = found.digest()
        if not held:  # another release may read other values from the same files
            requested["code"] = code_fingerprint("pipelines.data")
    return requested


def _open_built_in(name: str) -> Source:
    if name == "auto":
        try:
            return _download_mnist(_SECONDS_TO_SPARE)
        except DataError:
            found = digits.load()
            note = "MNIST could not be downloaded within seconds"
            return dataclasses.replace(found, notes=[*found.notes, note])
    return digits.load() if name == "digits" else _download_mnist()


def _download_mnist(seconds: float = 300.0) -> Source:
    parts = idx.download(seconds=seconds)
    return Source("mnist", mnist.TASK, parts, ["downloaded and verified"])


def _open_folder(found: Survey, choice: settings.Task, wanted: Task | None) -> Source:
    name = os.fsencode(found.directory).decode(errors="replace")
    places = {part: _name_place(found, part) for part in found.parts}
    by_format: dict[Format, dict[str, Sequence[Entry]]] = {}
    for part, files in found.parts.items():
        kind, chosen = contents.choose(
            files, places[part], found.passed_over, _FORMATS.get(choice.name)
        )
        by_format.setdefault(kind, {})[part] = chosen
    # One reader opens all parts of its format: a picture for training and one for evaluation
    # become features in the same way.
    sources = [
        _open_format(kind, name, parts, places, choice, wanted, found.passed_over)
        for kind, parts in by_format.items()
    ]
    first, *others = sources
    for other in others:
        if difference := first.task.find_difference(other.task):
            raise DataError(
                f"the splits of {name} are of different tasks, {first.task.name} and "
                f"{other.task.name}: {difference}"
            )
    parts = {part: opened for source in sources for part, opened in source.parts.items()}
    notes = [note for source in sources for note in source.notes]
    if passed_over := str(found.passed_over):
        notes.append(f"passed over {passed_over}")
    return Source(name, first.task, parts, notes)


def _open_format(
    kind: Format,
    name: str,
    parts: Mapping[str, Sequence[Entry]],
    places: Mapping[str, str],
    choice: settings.Task,
    wanted: Task | None,
    passed_over: PassedOver,
) -> Source:
    # Readers are loaded where they are needed: TensorFlow and pyarrow take seconds.
    if kind is Format.IDX:
        return idx.open_source(name, parts, places, passed_over)
    if kind is Format.RECORDS:
        from pipelines.data import records

        return records.open_source(name, parts, places, wanted)
    if kind is Format.TABLE:
        from pipelines.data import tables

        return tables.open_source(name, parts, places, choice, wanted)
    from pipelines.data import images

    return images.open_source(name, parts, places, choice, wanted)


def _name_place(found: Survey, part: str) -> str:
    """What a message calls a part."""
    return str(found.directory) if part == WHOLE else f"the {part} split of {found.directory}"


def _check_task(choice: settings.Task, wanted: Task | None, task: Task, name: str) -> None:
    """Refuse a source of another task than the settings name.

    Raises:
      DataError: It says how they differ.
    """
    difference = ""
    if wanted is not None:
        difference = wanted.find_difference(task)
    elif choice.name == "images" and not task.pictures:
        difference = "it has no pictures"
    elif choice.name == "table" and task.pictures:
        difference = "it has pictures"
    if difference:
        raise DataError(
            f"{name} is of another task than {choice.name}: {difference}: give other data, or "
            "another task in the settings"
        )


def _find_dataset(directory: Path) -> Dataset | None:
    """The dataset of ours that a directory holds or is, if any.

    Raises:
      DataError: It holds one that is damaged.
    """
    if (directory / POINTER).is_file() and (directory / DATASETS).is_dir():
        try:
            return dataset.load(directory)
        except (DataError, DocumentError) as error:
            raise DataError(f"{error}: {_MEND}") from None
    if not (directory / MANIFEST).is_file():
        return None
    try:
        content = (directory / MANIFEST).read_bytes()
        return Dataset(directory, Manifest.parse(content, str(directory / MANIFEST)))
    except (OSError, DocumentError):
        return None  # anybody may call a file so


def _find_contradiction(held: Dataset) -> str:
    """What is wrong in a manifest whose files are right; empty for nothing."""
    manifest = held.manifest
    if manifest.fingerprint == combine(manifest.examples):
        return ""
    return f"{held.directory} does not hold what its {MANIFEST} says"


def find_directory(source: str) -> Path:
    """The directory that a source names.

    Raises:
      DataError: There is none, or it cannot be read.
    """
    place = Path(source)
    with contextlib.suppress(OSError):  # the current folder may be gone
        place = Path.cwd() / source
    try:
        status = os.stat(source)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"there is no data at {place}: give digits, mnist or an existing directory"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{place} cannot be read: {reason}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise DataError(f"{place} is a file: give the directory that holds it")
    if not os.access(source, os.R_OK | os.X_OK):
        raise DataError(f"{place} cannot be read: permission denied")
    return place
