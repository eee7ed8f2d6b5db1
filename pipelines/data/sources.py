"""From a named source to examples, split for training and evaluation."""

import contextlib
import hashlib
import os
import stat
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.code import code_fingerprint
from pipelines.data import contents, dataset, digits, idx, images
from pipelines.data.dataset import DATASETS, POINTER, Dataset
from pipelines.data.examples import Examples, Splits, split
from pipelines.data.formats import Format
from pipelines.data.manifest import DATA_FILES, EVAL, MANIFEST, TRAIN, Manifest
from pipelines.data.passed_over import PassedOver
from pipelines.data.survey import WHOLE, Survey, survey
from pipelines.errors import DataError, DocumentError
from pipelines.walk import Entry

_SECONDS_TO_SPARE = 15.0
_MEND = "write the dataset again with `tfx-mobile data --output DIRECTORY`"


def load(source: str, eval_fraction: float, outputs: Collection[Path] = ()) -> tuple[Splits, str]:
    """Read, check and split a source's examples.

    Args:
      source: `digits`, `mnist`, `auto`, or a directory of TFRecords, IDX files or images.
      eval_fraction: Part kept for evaluation where the source has no split of its own.
      outputs: What the caller writes: left out where it lies below the source.

    Returns:
      The examples, and what they are, for the user.

    Raises:
      DataError: The source cannot be found or used.
    """
    splits, note = _load(source, eval_fraction, outputs)
    for name, part in ((TRAIN, splits.train), (EVAL, splits.eval)):
        if len(part) > 1 and np.all(part.images == part.images[0]):
            raise DataError(
                f"all {len(part):,} images for {name} in {splits.source} are equal: check how they "
                "were made"
            )
    return splits, note


def identify(source: str, eval_fraction: float, outputs: Collection[Path] = ()) -> dict[str, Any]:
    """What identifies a source without reading its examples, as JSON has it.

    Args:
      source: As for `load`, like the others.
      eval_fraction: Likewise.
      outputs: Likewise.

    Raises:
      DataError: The source cannot be found.
    """
    requested: dict[str, Any] = {"source": source, "eval_fraction": eval_fraction}
    if source not in {"auto", "digits", "mnist"}:
        directory = Path(os.path.realpath(_find_directory(source)))
        requested["source"] = str(directory)
        held = _find_dataset(directory)
        found = survey(held.directory) if held else survey(directory, outputs)
        requested["files"] = found.digest()
        if not held:  # another release may read other pixels from the same files
            requested["code"] = code_fingerprint("pipelines.data")
    return requested


def fingerprint(splits: Splits) -> str:
    """SHA-256 over the examples of both splits, for any file format."""
    digests = (splits.train.fingerprint(), splits.eval.fingerprint())
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _load(source: str, eval_fraction: float, outputs: Collection[Path]) -> tuple[Splits, str]:
    if source == "auto":
        try:
            return _mnist(idx.download(seconds=_SECONDS_TO_SPARE))
        except DataError:
            splits, note = _load("digits", eval_fraction, outputs)
            return splits, f"{note} (MNIST could not be downloaded within seconds)"
    if source == "digits":
        return split(digits.load(), eval_fraction, "digits"), "digits, bundled with scikit-learn"
    if source == "mnist":
        return _mnist(idx.download())
    directory = _find_directory(source)
    held = _find_dataset(directory)
    if held:
        return _load_dataset(held), str(directory)
    splits, notes = _read_folder(survey(directory, outputs), eval_fraction)
    return splits, f"{splits.source} ({'; '.join(notes)})" if notes else splits.source


def _mnist(parts: dict[str, Examples]) -> tuple[Splits, str]:
    return Splits(parts["train"], parts["t10k"], "mnist"), "mnist, downloaded and verified"


def _read_folder(found: Survey, eval_fraction: float) -> tuple[Splits, list[str]]:
    """The examples of a folder, and what the user should know of how they were read."""
    name = os.fsencode(found.directory).decode(errors="replace")
    places = {part: _place(found, part) for part in found.parts}
    chosen = {
        part: contents.choose(files, places[part], found.passed_over)
        for part, files in found.parts.items()
    }
    pictures = {
        part: images.read(files) for part, (kind, files) in chosen.items() if kind is Format.IMAGE
    }
    # One ground for both splits, or a model would be judged on others than it learnt from.
    ground = images.choose_ground(pictures.values())
    examples: dict[str, Examples] = {}
    for part, (kind, files) in chosen.items():
        if kind is Format.IMAGE:
            examples[part] = images.to_examples(pictures[part], ground, places[part])
        elif kind is Format.RECORDS:
            from pipelines.data import records

            examples[part] = records.read([file.path for file in files], places[part])
        else:
            examples |= _read_idx(files, part, places[part], found.passed_over)
    notes = [images.describe_ground(ground)] if ground is not None else []
    if passed_over := str(found.passed_over):
        notes.append(f"passed over {passed_over}")
    if WHOLE in examples:
        return split(examples[WHOLE], eval_fraction, name), notes
    return Splits(examples[TRAIN], examples[EVAL], name), notes


def _place(found: Survey, part: str) -> str:
    """What a message calls a part."""
    return str(found.directory) if part == WHOLE else f"the {part} split of {found.directory}"


def _read_idx(
    files: Sequence[Entry], part: str, where: str, passed_over: PassedOver
) -> dict[str, Examples]:
    """The part's one pair, or the pairs of both splits where the part is the whole source."""
    pairs, duplicates = idx.pair([file.path for file in files])
    for file in duplicates:
        passed_over.add_file(file.name)
    if len(pairs) == 1:
        return {part: idx.load(*next(iter(pairs.values())))}
    names = {idx.split_of(name): name for name in pairs}
    if part == WHOLE and len(pairs) == 2 and names.keys() == {TRAIN, EVAL}:
        return {name: idx.load(*pairs[names[name]]) for name in (TRAIN, EVAL)}
    raise DataError(
        f"{where} holds IDX files called {', '.join(pairs)}: give a folder with one pair of images "
        "and labels, or with two called train and t10k"
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


def _load_dataset(held: Dataset) -> Splits:
    if fault := held.find_fault(with_checksums=False):
        raise DataError(f"{fault}: {_MEND}")
    from pipelines.data import records

    train, evaluation = (
        records.read([file], str(file))
        for file in (held.directory / DATA_FILES[name] for name in (TRAIN, EVAL))
    )
    splits = Splits(train, evaluation, held.manifest.source)
    if fingerprint(splits) != held.manifest.fingerprint:
        raise DataError(f"{held.directory} does not hold what its {MANIFEST} says: {_MEND}")
    return splits


def _find_directory(source: str) -> Path:
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
