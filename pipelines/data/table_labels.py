"""The labels of a table, and whether they are classes or numbers."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyarrow import compute

from modules.task import Classification, Head, Regression
from pipelines.data import table_cells
from pipelines.data.table_files import NumberError, TableFile
from pipelines.errors import DataError

_MOST_NUMBERED_CLASSES = 20
"""Whole numbers of more different values than this are to be predicted as numbers."""
_MOST_CLASSES = 1000
_MISSING = -1
_LARGEST = float(np.finfo(np.float32).max)


@dataclasses.dataclass(frozen=True)
class Labels:
    """A label column.

    Attributes:
      column: Its name.
      codes: `[n]` by file: places among `values`.
      values: What the column holds, each once: float64 `[m]`, or texts.
    """

    column: str
    codes: Mapping[TableFile, NDArray[np.int64]]
    values: NDArray[np.float64] | Sequence[str]

    @property
    def names(self) -> list[str]:
        """What a class of each value is called."""
        return [v if isinstance(v, str) else _name_number(float(v)) for v in self.values]

    def find(self, code: int) -> tuple[TableFile, int]:
        """The first place of a value: the file, and the index of the row."""
        found = ((file, np.flatnonzero(codes == code)) for file, codes in self.codes.items())
        return next((file, int(rows[0])) for file, rows in found if rows.size)


def read(files: Sequence[TableFile], column: str) -> Labels:
    """Read the label column of every file: numbers if all labels are numbers, else texts.

    Raises:
      DataError: Fewer than two rows, a missing or infinite label, too many different texts, or the
        same label in every row.
    """
    labels = _read_numbers(files, column) or _read_texts(files, column)
    count = sum(len(codes) for codes in labels.codes.values())
    if count < 2:
        raise DataError(
            f"{files[0].path} has {'one row' if count else 'no rows'} below the columns' names: a "
            "table of at least two is needed"
        )
    if len(labels.values) == 1:
        raise DataError(
            f"{files[0].path}, column {column!r}, is {labels.names[0]} in all {count:,} rows, so "
            "there is nothing to learn: set task.table.label to another column, or add rows"
        )
    return labels


def choose_head(labels: Labels, kind: str) -> Head:
    """What is predicted, as the labels tell it.

    Args:
      labels: Of all parts.
      kind: As `settings.Table.head`.

    Raises:
      DataError: Texts where numbers are wanted, or too many classes.
    """
    names = labels.names
    if isinstance(labels.values, np.ndarray):
        is_classes = kind == "classification" or (kind == "auto" and _are_classes(labels.values))
        if is_classes and len(names) > _MOST_CLASSES:
            raise DataError(
                f"the column {labels.column!r} holds {len(names):,} different numbers, too many "
                "for classes: set task.table.head to regression"
            )
        return Classification(tuple(names)) if is_classes else Regression()
    numbers = [table_cells.to_number(name) for name in names]
    known = [number for number in numbers if number is not None]
    if kind == "regression" or (kind == "auto" and not _are_classes(np.asarray(known))):
        raise _describe_text(labels, numbers)
    for code, name in enumerate(names):
        if not name.isprintable():  # a class is a line of the file beside a pushed model
            place = table_cells.describe_place(*labels.find(code), labels.column)
            raise DataError(
                f"{place} is {name!r}, which cannot be the name of a class: replace line breaks "
                "and other characters that cannot be seen"
            )
    return Classification(tuple(sorted(names, key=_sort_key)))


def to_arrays(labels: Labels, head: Head) -> dict[TableFile, NDArray[Any]]:
    """The labels `[n]` by file, as a head wants them: int64 indexes of classes, or float32.

    Raises:
      DataError: A label that is none of the classes, or no number that float32 holds.
    """
    if isinstance(head, Classification):
        lookup: NDArray[Any] = _to_indexes(labels, head)
    elif isinstance(labels.values, np.ndarray):
        bad = np.flatnonzero(np.abs(labels.values) > _LARGEST)
        if bad.size:
            file, row = labels.find(int(bad[0]))
            value = float(labels.values[bad[0]])
            raise DataError(table_cells.describe_too_large(file, row, labels.column, value))
        lookup = labels.values.astype(np.float32)
    else:
        raise _describe_text(labels, [table_cells.to_number(name) for name in labels.names])
    return {file: lookup[codes] for file, codes in labels.codes.items()}


def _to_indexes(labels: Labels, head: Classification) -> NDArray[np.int64]:
    """The class of each value: the one of its name, or else, of whole numbers, of this index."""
    names, values = labels.names, labels.values
    places = {name: place for place, name in enumerate(head.classes)}
    if isinstance(values, np.ndarray) and places.keys().isdisjoint(names) and _are_whole(values):
        places = {str(place): place for place in range(len(head.classes))}
    for code, name in enumerate(names):
        if name not in places:
            file, row = labels.find(code)
            raise DataError(
                f"{table_cells.describe_place(file, row, labels.column)} is {name!r}, which is no "
                f"class of the task: correct it, or add it to the classes"
            )
    return np.asarray([places[name] for name in names], np.int64)


def _read_numbers(files: Sequence[TableFile], column: str) -> Labels | None:
    """The labels of all files as numbers; None if some are texts or truth values."""
    if any(column in file.truths for file in files):
        return None
    numbers: dict[TableFile, NDArray[np.float64]] = {}
    try:
        for file in files:
            batches = [table_cells.to_numpy(b.column(0)) for b in file.read_numbers([column])]
            numbers[file] = np.concatenate([np.empty(0), *batches])
            _check(file, column, np.isnan(numbers[file]))
            infinite = np.flatnonzero(np.isinf(numbers[file]))
            if infinite.size:
                row = int(infinite[0])
                raise DataError(table_cells.describe_too_large(file, row, column, np.inf))
    except NumberError:
        return None
    values, places = np.unique(np.concatenate(list(numbers.values())), return_inverse=True)
    ends = np.cumsum([len(own) for own in numbers.values()])[:-1]
    codes = dict(zip(numbers, np.split(places.reshape(-1).astype(np.int64), ends), strict=True))
    return Labels(column, codes, values)


def _read_texts(files: Sequence[TableFile], column: str) -> Labels:
    known: dict[str, int] = {}
    codes = {}
    for file in files:
        batches = [np.empty(0, np.int64)]
        for batch in file.read_texts([column]):
            encoded = compute.dictionary_encode(batch.column(0))
            own = [known.setdefault(text, len(known)) for text in encoded.dictionary.to_pylist()]
            if len(known) > _MOST_CLASSES:
                raise DataError(
                    f"{file.path}, column {column!r}, holds more than {_MOST_CLASSES:,} different "
                    f"texts, such as {list(known)[-1]!r}, too many for classes: set "
                    "task.table.label to another column, or correct the texts that should be "
                    "numbers"
                )
            places = table_cells.to_numpy(compute.fill_null(encoded.indices, len(own)))
            batches.append(np.asarray([*own, _MISSING], np.int64)[places])
        codes[file] = np.concatenate(batches)
        _check(file, column, codes[file] == _MISSING)
    return Labels(column, codes, list(known))


def _check(file: TableFile, column: str, is_missing: NDArray[np.bool_]) -> None:
    rows = np.flatnonzero(is_missing)
    if rows.size:
        sentence = table_cells.describe_missing(file, column, len(rows), int(rows[0]))
        raise DataError(sentence)


def _are_classes(values: NDArray[np.float64]) -> bool:
    return len(values) <= _MOST_NUMBERED_CLASSES and _are_whole(values)


def _are_whole(values: NDArray[np.float64]) -> bool:
    return bool(np.all(values == np.floor(values)))


def _name_number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _sort_key(name: str) -> tuple[bool, float, str]:
    """Numbers in their order, then texts in theirs."""
    number = table_cells.to_number(name)
    return number is None, number or 0, name


def _describe_text(labels: Labels, numbers: Sequence[float | None]) -> DataError:
    """The sentence on the first text among labels that are to be numbers."""
    code = numbers.index(None)
    file, row = labels.find(code)
    return DataError(
        f"{table_cells.describe_place(file, row, labels.column)} is {labels.names[code]!r}, and "
        "the label is to be a number: correct it, or predict classes with task.table.head set to "
        "classification"
    )
