"""From a named source to a dataset on disk: TFRecords, split, with a manifest.

DIR/train/data.tfrecord.gz  DIR/eval/data.tfrecord.gz  DIR/manifest.json
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.data import digits, idx, images
from pipelines.data.examples import Examples, Splits, split
from pipelines.errors import DataError, OutputError

MANIFEST = "manifest.json"
TRAIN, EVAL = "train", "eval"
_FORMAT = 1
_SECONDS_TO_SPARE = 15.0
_FILE = "data.tfrecord.gz"
_SPLIT_NAMES = {TRAIN: ("train", "Split-train"), EVAL: ("eval", "Split-eval", "test")}


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a dataset holds.

    Attributes:
      source: `digits`, `mnist`, or the path it came from.
      requested: The source as asked for, and what identified it then; see `prepare`.
      examples: Count, class balance and SHA-256 of each split.
      fingerprint: SHA-256 over both splits.
    """

    source: str
    requested: dict[str, Any]
    examples: dict[str, dict[str, Any]]
    fingerprint: str

    @classmethod
    def read(cls, directory: Path) -> "Manifest | None":
        """The manifest of a finished dataset, or None where there is none."""
        try:
            return cls.parse((directory / MANIFEST).read_bytes())
        except OSError:
            return None

    @classmethod
    def parse(cls, content: bytes) -> "Manifest | None":
        """The manifest in a file's content, or None where it is none of this version."""
        try:
            values = json.loads(content)
            if values.pop("format") != _FORMAT:
                return None
            return cls(**values)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def summary(self) -> dict[str, Any]:
        """What a run's comparison records of its dataset."""
        return {
            "source": self.source,
            "fingerprint": self.fingerprint,
            "train_examples": self.count(TRAIN),
            "eval_examples": self.count(EVAL),
            "class_counts": {name: split["class_balance"] for name, split in self.examples.items()},
        }

    def count(self, split_name: str) -> int:
        """Examples in one split."""
        return int(self.examples[split_name]["count"])


def prepare(source: str, directory: Path, eval_fraction: float) -> tuple[Manifest, str]:
    """Makes `directory` hold the dataset of a source, writing only where it does not yet.

    An unchanged dataset keeps its files, and with them every cached result downstream.

    Args:
      source: `digits`, `mnist`, `auto`, or a directory of TFRecords, IDX files or images.
      directory: Where the dataset is to be; replaced whole if it holds another one.
      eval_fraction: Part kept for evaluation where the source has no split of its own.

    Returns:
      The manifest, and a sentence on what was done.

    Raises:
      DataError: The source cannot be found or used.
      OutputError: `directory` holds something else, or cannot be written.
    """
    directory = directory.resolve()
    if directory.exists() and not directory.is_dir():
        raise OutputError(f"{directory} is a file: choose another directory")
    requested = _identify(source, eval_fraction)
    existing = Manifest.read(directory)
    if existing and existing.requested == requested and _is_whole(directory):
        return existing, f"{existing.source}, unchanged"
    if existing is None and directory.exists() and any(directory.iterdir()):
        raise OutputError(
            f"{directory} is not empty and holds no dataset: choose another directory"
        )
    splits, note = _load(source, eval_fraction)
    manifest = _describe(splits, requested)
    _write(splits, manifest, directory)
    return manifest, note


def _load(source: str, eval_fraction: float) -> tuple[Splits, str]:
    if source == "auto":
        try:
            return _mnist(idx.download(seconds=_SECONDS_TO_SPARE))
        except DataError:
            splits, note = _load("digits", eval_fraction)
            return splits, f"{note} (MNIST could not be downloaded within seconds)"
    if source == "digits":
        return split(digits.load(), eval_fraction, "digits"), "digits, bundled with scikit-learn"
    if source == "mnist":
        return _mnist(idx.download())
    return _load_directory(Path(source), eval_fraction), source


def _mnist(parts: dict[str, Examples]) -> tuple[Splits, str]:
    return Splits(parts["train"], parts["t10k"], "mnist"), "mnist, downloaded and verified"


def _load_directory(directory: Path, eval_fraction: float) -> Splits:
    _check_directory(directory)
    manifest = Manifest.read(directory)
    name = manifest.source if manifest else str(directory)
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
        splits = Splits(_load_part(train), _load_part(evaluation), name)
        if manifest and _fingerprint(splits) != manifest.fingerprint:
            raise DataError(
                f"{directory} does not hold what its {MANIFEST} says: write the dataset again, or "
                f"remove {MANIFEST} to take the files as they are"
            )
        return splits
    return split(_load_part(directory), eval_fraction, name)


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


def _identify(source: str, eval_fraction: float) -> dict[str, Any]:
    """What tells whether a source is the one that a dataset was made from."""
    requested: dict[str, Any] = {"source": source, "eval_fraction": eval_fraction}
    if source not in {"auto", "digits", "mnist"}:
        directory = Path(source).resolve()
        _check_directory(directory)
        requested["source"] = str(directory)
        requested["files"] = [
            [str(f.relative_to(directory)), f.stat().st_size, f.stat().st_mtime_ns]
            for f in sorted(directory.rglob("*"))
            if f.is_file()
        ]
    return requested


def _describe(splits: Splits, requested: dict[str, Any]) -> Manifest:
    parts = {TRAIN: splits.train, EVAL: splits.eval}
    described: dict[str, dict[str, Any]] = {
        name: {
            "count": len(part),
            "class_balance": part.class_balance(),
            "sha256": part.fingerprint(),
        }
        for name, part in parts.items()
    }
    return Manifest(
        source=splits.source,
        requested=requested,
        examples=described,
        fingerprint=_fingerprint(splits),
    )


def _fingerprint(splits: Splits) -> str:
    digests = (splits.train.fingerprint(), splits.eval.fingerprint())
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _is_whole(directory: Path) -> bool:
    return all((directory / name / _FILE).is_file() for name in (TRAIN, EVAL))


def _write(splits: Splits, manifest: Manifest, directory: Path) -> None:
    """Writes beside, then renames: a killed run leaves the old dataset or the new one."""
    from pipelines.data import records

    with replacing(directory) as partial:
        for name, part in ((TRAIN, splits.train), (EVAL, splits.eval)):
            (partial / name).mkdir()
            records.write(part, partial / name / _FILE)
        text = json.dumps({"format": _FORMAT, **dataclasses.asdict(manifest)}, indent=2)
        (partial / MANIFEST).write_text(text + "\n")


@contextlib.contextmanager
def replacing(directory: Path) -> Iterator[Path]:
    """A directory to fill, which takes the place of `directory` when the block ends well.

    Raises:
      OutputError: It cannot be written.
    """
    partial = directory.with_name(f".{directory.name}.partial")
    old = directory.with_name(f".{directory.name}.old")
    try:
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if directory.exists() and any(directory.iterdir()):
            directory.rename(old)
        partial.rename(directory)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"cannot write {directory}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
