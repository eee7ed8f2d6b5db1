"""The cells of a table as a feature's values, and the sentences on cells that are none."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from modules.task import Feature
from pipelines.data import table_files
from pipelines.data.table_files import NumberError, TableFile
from pipelines.errors import DataError

_LARGEST = float(np.finfo(np.float32).max)
_LARGEST_EXACT = 2**53
"""A table's numbers are read as float64, which holds all integers up to this one."""
_TRUTH = "(?i)^(true|false)$"
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([T ].*)?|\d{1,2}:\d{2}(:\d{2}.*)?")
_WITH_COMMAS = re.compile(r"[-+]?[\d.]*\d[\d.]*,[\d.,]*\d")
_LONGEST = 40  # characters of a cell that a sentence shows


def read(
    file: TableFile, columns: Mapping[Feature, Sequence[str]]
) -> Iterator[dict[str, NDArray[Any]]]:
    """Read the features of a file batch by batch: `[n, size]` by name.

    Args:
      file: A file of the table.
      columns: What each feature is made of.

    Raises:
      DataError: A value is missing, infinite, or none of the feature's type.
    """
    names = [name for own in columns.values() for name in own]
    start = 0
    try:
        for batch in file.read_numbers(names):
            # By name: a Parquet file gives columns in its own order.
            cells = dict(zip(batch.schema.names, map(to_numpy, batch.columns), strict=True))
            if any(np.isnan(values).any() for values in cells.values()):
                raise explain(file, names)
            yield {
                feature.name: np.column_stack(
                    [_to_type(file, name, start, feature.dtype, cells[name]) for name in own]
                )
                for feature, own in columns.items()
            }
            start += batch.num_rows
    except NumberError:
        raise explain(file, names) from None


def to_numpy(column: Any) -> NDArray[Any]:
    """A column of numbers; NaN for what is missing."""
    return np.asarray(column.to_numpy(zero_copy_only=False))


def to_number(text: str) -> float | None:
    """The number that a cell's text is; None for another text."""
    try:
        return float(compute.cast(pa.array([text]), pa.float64())[0].as_py())
    except pa.ArrowInvalid:
        return None


def describe_place(file: TableFile, row: int, column: str) -> str:
    """The beginning of a sentence on a cell; `row` counts from 0."""
    return f"{file.path}, row {file.first_row + row}, column {column!r},"


def describe_missing(file: TableFile, column: str, count: int, row: int) -> str:
    """The sentence on `count` missing values, of which `row` is the first."""
    rows = "1 row" if count == 1 else f"{count:,} rows"
    return (
        f"{file.path}, column {column!r}, has no value in {rows}, first in row "
        f"{file.first_row + row}: fill in the missing values, or drop these rows or the column"
    )


def describe_too_large(file: TableFile, row: int, column: str, value: float) -> str:
    """The sentence on a number that float32 cannot hold."""
    place = describe_place(file, row, column)
    if np.isinf(value):
        return f"{place} is infinite: correct the value, or drop the row"
    return f"{place} is {value:g}, and numbers are at most {_LARGEST:.2g}: scale the column"


def explain(file: TableFile, columns: Sequence[str]) -> DataError:
    """What is wrong with the cells of a file that cannot be used as numbers.

    The whole file is read again: a sentence on missing values says how many there are.

    Raises:
      DataError: The file cannot be read.
    """
    missing: dict[str, tuple[int, int]] = {}
    offset = 0
    for batch in file.read_texts(columns):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name in file.truths:
                column = compute.replace_substring_regex(column, _TRUTH, "1")
            try:
                values = to_numpy(compute.cast(column, pa.float64()))
            except pa.ArrowInvalid:
                row = _find_text(column)
                return DataError(_describe_text(file, offset + row, name, column[row].as_py()))
            found = np.flatnonzero(np.isnan(values))
            if found.size:
                count, first = missing.get(name, (0, offset + int(found[0])))
                missing[name] = (count + len(found), first)
        offset += batch.num_rows
    for name, (count, first) in missing.items():
        return DataError(describe_missing(file, name, count, first))
    return DataError(f"{file.path} was changed while it was read: run again")


def _to_type(
    file: TableFile, column: str, start: int, dtype: str, values: NDArray[np.float64]
) -> NDArray[Any]:
    """A column's values as a feature's type; `start` is the index of the first row."""
    if dtype == "int64":
        bad = ~((np.abs(values) <= _LARGEST_EXACT) & (values == np.floor(values)))
    else:
        bad = ~(np.abs(values) <= _LARGEST)
    if bad.any():
        row = int(np.argmax(bad))
        value = float(values[row])
        if dtype == "int64" and not np.isinf(value):
            raise DataError(
                f"{describe_place(file, start + row, column)} is {value:g}, and the feature takes "
                f"whole numbers of at most {_LARGEST_EXACT}: correct the value, or make the "
                "feature's dtype float32"
            )
        raise DataError(describe_too_large(file, start + row, column, value))
    return values.astype(dtype)


def _find_text(column: Any) -> int:
    """The first cell of a text column that is no number, where there is one."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            compute.cast(column[low:middle], pa.float64())
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


def _describe_text(file: TableFile, row: int, column: str, text: str) -> str:
    place = describe_place(file, row, column)
    shown = repr(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")
    if _DATE.fullmatch(text):
        return table_files.describe_date(place, shown)
    if _WITH_COMMAS.fullmatch(text):
        return (
            f"{place} is {shown}, which is no number: write decimals with a point, and nothing "
            "between thousands"
        )
    return (
        f"{place} is {shown}, and the model takes numbers: encode categories as columns of 0 and 1 "
        f"with pandas.get_dummies(frame, columns=[{column!r}], dtype=float), or as numbers where "
        "they have an order"
    )
