"""Which files of a source's folder may be examples, and of which split, by their names."""

import dataclasses
import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from pipelines import walk
from pipelines.data import classes, formats
from pipelines.data.formats import Format
from pipelines.data.manifest import EVAL, TRAIN
from pipelines.data.passed_over import PassedOver, is_no_example
from pipelines.data.source import WHOLE
from pipelines.errors import DataError
from pipelines.walk import Entry

_SPLIT_FOLDERS = {
    TRAIN: ("train", "training"),
    EVAL: ("eval", "evaluation", "test", "testing", "val", "valid", "validation"),
}
"""In the order of preference, in any case, also with the prefix `Split-`, as TFX has it.

A folder of classes called so is taken for a split; the note of what was passed over tells.
"""


@dataclasses.dataclass(frozen=True)
class Survey:
    """The files of a source's folder.

    Attributes:
      directory: The folder.
      parts: By `TRAIN` and `EVAL`, or by `WHOLE`; names are relative to the part's folder.
      passed_over: What is not read because of its name or place.
    """

    directory: Path
    parts: Mapping[str, list[Entry]]
    passed_over: PassedOver

    def digest(self) -> str:
        """Changes with a file's name, size or time; SHA-256."""
        digest = hashlib.sha256()
        for name, part in sorted(self.parts.items()):
            digest.update(f"{name}\n".encode())
            for file in part:
                digest.update(os.fsencode(file.path.relative_to(self.directory)))
                digest.update(f"\0{file.status.st_size} {file.status.st_mtime_ns}\n".encode())
        return digest.hexdigest()


def survey(directory: Path, outputs: Collection[Path] = ()) -> Survey:
    """Find the files of a source.

    Args:
      directory: The source's folder.
      outputs: What the reader itself writes, left out where it lies below `directory`.

    Raises:
      DataError: Something below the folder cannot be read.
    """
    passed_over = PassedOver()

    def passes_over(listed: "os.DirEntry[str]") -> bool:
        if not is_no_example(listed.name, listed.is_dir()):
            return False
        if listed.is_dir():
            passed_over.add_folder(listed.name)
        else:
            passed_over.add_file(listed.name)
        return True

    try:
        entries = list(walk.entries(directory, passes_over, outputs))
    except OSError as error:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error
    parts = {
        name: [entry for entry in part if not entry.is_folder]
        for name, part in _to_parts(entries, passed_over).items()
    }
    return Survey(directory, parts, passed_over)


def _to_parts(entries: list[Entry], passed_over: PassedOver) -> dict[str, list[Entry]]:
    """Find the splits, below folders that hold nothing but one folder too."""
    while True:
        by_folder, loose = _group(entries)
        splits = _choose_splits(by_folder)
        if len(splits) == 2:
            _pass_over(passed_over, by_folder.keys() - splits.values(), loose)
            return {name: _unwrap(by_folder[folder]) for name, folder in splits.items()}
        if TRAIN in splits and not loose and not _is_class(splits[TRAIN], by_folder):
            _pass_over(passed_over, by_folder.keys() - {splits[TRAIN]}, loose)
            return {WHOLE: _unwrap(by_folder[splits[TRAIN]])}
        if by_file := _find_split_files(entries, loose):
            rest = {file.name for files in by_file.values() for file in files}
            _pass_over(passed_over, by_folder, [file for file in loose if file.name not in rest])
            return by_file
        inner = _unwrap_once(by_folder, loose)
        if inner is None:
            return {WHOLE: entries}
        entries = inner


def _is_class(train: str, by_folder: Mapping[str, list[Entry]]) -> bool:
    """Whether a folder called `train` is a class: beside those of MNIST, or of trains."""
    is_of_mnist = not by_folder.keys().isdisjoint(classes.OF_MNIST)
    _, loose = _group(by_folder[train])
    return is_of_mnist or _hold_image(loose)


def _find_split_files(entries: Iterable[Entry], loose: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Both splits where they are files such as `train.csv` and `test.csv`, not beside images."""
    if _hold_image(entries):
        return {}
    by_stem: dict[str, list[Entry]] = {}
    for file in loose:
        if formats.claim(file.name) in (Format.TABLE, Format.RECORDS):
            by_stem.setdefault(file.name.partition(".")[0], []).append(file)
    splits = _choose_splits(by_stem)
    return {name: by_stem[stem] for name, stem in splits.items()} if len(splits) == 2 else {}


def _choose_splits(found: Iterable[str]) -> dict[str, str]:
    """The name, of a folder or file, of each split that there is."""
    names = {name.lower().removeprefix("split-"): name for name in sorted(found)}
    chosen = {
        split: next((names[name] for name in known if name in names), None)
        for split, known in _SPLIT_FOLDERS.items()
    }
    return {split: name for split, name in chosen.items() if name is not None}


def _unwrap(entries: list[Entry]) -> list[Entry]:
    """What lies below folders that hold nothing but one folder, as unpacked archives have them."""
    while (inner := _unwrap_once(*_group(entries))) is not None:
        entries = inner
    return entries


def _unwrap_once(by_folder: Mapping[str, list[Entry]], loose: list[Entry]) -> list[Entry] | None:
    if loose or len(by_folder) != 1:
        return None
    ((folder, inner),) = by_folder.items()
    folders, files = _group(inner)
    is_class = folder in classes.OF_MNIST or (len(folders) < 2 and _hold_image(files))
    return None if is_class else inner


def _hold_image(entries: Iterable[Entry]) -> bool:
    return any(formats.claim(entry.name) is Format.IMAGE for entry in entries)


def _group(entries: list[Entry]) -> tuple[dict[str, list[Entry]], list[Entry]]:
    """What is in each folder, with names relative to it, and the files in no folder."""
    by_folder: dict[str, list[Entry]] = {}
    loose = []
    for entry in entries:
        folder, slash, rest = entry.name.partition("/")
        if slash:
            by_folder[folder].append(entry._replace(name=rest))
        elif entry.is_folder:
            by_folder[folder] = []
        else:
            loose.append(entry)
    return by_folder, loose


def _pass_over(passed_over: PassedOver, folders: Iterable[str], files: Iterable[Entry]) -> None:
    for folder in folders:
        passed_over.add_folder(folder)
    for file in files:
        passed_over.add_file(file.name)
