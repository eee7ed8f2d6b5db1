"""From a named source to examples, split for training and evaluation."""

import hashlib
import os
from pathlib import Path
from typing import Any

from pipelines.data import dataset, digits, idx, images
from pipelines.data.dataset import DATASETS, POINTER, Dataset
from pipelines.data.examples import Examples, Splits, split
from pipelines.data.manifest import DATA_FILES, EVAL, MANIFEST, TRAIN, Manifest
from pipelines.errors import DataError, DocumentError

_SECONDS_TO_SPARE = 15.0
_SPLIT_NAMES = {TRAIN: ("train", "Split-train"), EVAL: ("eval", "Split-eval", "test")}
_MEND = "write the dataset again with `tfx-mobile data --output DIRECTORY`"


def load(source: str, eval_fraction: float) -> tuple[Splits, str]:
    """Read, check and split a source's examples.

    Args:
      source: `digits`, `mnist`, `auto`, or a directory of TFRecords, IDX files or images.
      eval_fraction: Part kept for evaluation where the source has no split of its own.

    Returns:
      The examples, and what they are, for the user.

    Raises:
      DataError: The source cannot be found or used.
    """
    if source == "auto":
        try:
            return _mnist(idx.download(seconds=_SECONDS_TO_SPARE))
        except DataError:
            splits, note = load("digits", eval_fraction)
            return splits, f"{note} (MNIST could not be downloaded within seconds)"
    if source == "digits":
        return split(digits.load(), eval_fraction, "digits"), "digits, bundled with scikit-learn"
    if source == "mnist":
        return _mnist(idx.download())
    return _load_directory(Path(source), eval_fraction), source


def identify(source: str, eval_fraction: float) -> dict[str, Any]:
    """What identifies a source without reading its examples, as JSON has it.

    Raises:
      DataError: The source cannot be found.
    """
    requested: dict[str, Any] = {"source": source, "eval_fraction": eval_fraction}
    if source not in {"auto", "digits", "mnist"}:
        directory = Path(source).resolve()
        _check_directory(directory)
        requested["source"] = str(directory)
        held = _find_dataset(directory)
        read_from = held.directory if held else directory
        requested["files"] = [
            [str(f.relative_to(directory)), f.stat().st_size, f.stat().st_mtime_ns]
            for f in sorted(read_from.rglob("*"))
            if f.is_file()
        ]
    return requested


def fingerprint(splits: Splits) -> str:
    """SHA-256 over the examples of both splits, for any file format."""
    digests = (splits.train.fingerprint(), splits.eval.fingerprint())
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _mnist(parts: dict[str, Examples]) -> tuple[Splits, str]:
    return Splits(parts["train"], parts["t10k"], "mnist"), "mnist, downloaded and verified"


def _load_directory(directory: Path, eval_fraction: float) -> Splits:
    _check_directory(directory)
    held = _find_dataset(directory)
    if held:
        return _load_dataset(held)
    name = str(directory)
    if idx.find(directory):
        parts = idx.load(directory)
        if set(parts) == {"train", "t10k"}:
            return Splits(parts["train"], parts["t10k"], name)
        if len(parts) == 1:
            return split(next(iter(parts.values())), eval_fraction, name)
        raise DataError(
            f"{name} holds IDX files called {', '.join(parts)}: train and t10k are known"
        )
    by_split = {
        key: next((directory / n for n in names if (directory / n).is_dir()), None)
        for key, names in _SPLIT_NAMES.items()
    }
    train, evaluation = by_split[TRAIN], by_split[EVAL]
    if train and evaluation:
        return Splits(_load_part(train), _load_part(evaluation), name)
    return split(_load_part(directory), eval_fraction, name)


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
        records.read([held.directory / DATA_FILES[name]]) for name in (TRAIN, EVAL)
    )
    splits = Splits(train, evaluation, held.manifest.source)
    if fingerprint(splits) != held.manifest.fingerprint:
        raise DataError(f"{held.directory} does not hold what its {MANIFEST} says: {_MEND}")
    return splits


def _load_part(directory: Path) -> Examples:
    if images.find(directory):
        return images.load(directory)
    from pipelines.data import records

    files = records.find(directory)
    if not files:
        raise DataError(
            f"{directory} holds no data: no TFRecords, no IDX files, no images in folders 0 to 9"
        )
    return records.read(files)


def _check_directory(directory: Path) -> None:
    if not directory.exists():
        raise DataError(
            f"there is no data at {directory}: give digits, mnist or an existing directory"
        )
    if not directory.is_dir():
        raise DataError(f"{directory} is a file: give the directory that holds it")
    if not os.access(directory, os.R_OK | os.X_OK):
        raise DataError(f"{directory} cannot be read: permission denied")
