"""CSV and Parquet files as streams of columns; `pipelines.data.tables` makes examples of them."""

import codecs
import contextlib
import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pyarrow import compute

from pipelines import messages
from pipelines.errors import DataError

_BLOCK = 4 << 20
"""Bytes of a CSV file, or of a Parquet file's values, that are in memory at a time."""
_HEAD = 1 << 20
_SNIFFED_ROWS = 10
_DELIMITERS = (",", ";", "\t")
_TAB_SUFFIXES = {".tsv", ".tab"}
_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_ROW = re.compile(r"Row #(\d+)")
_RAGGED = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
"""Arrow's words, the same in 10 and in 18."""


class NumberError(ValueError):
    """A cell of a column that was read as numbers holds something else."""


class TableFile(Protocol):
    """One file of a table."""

    @property
    def path(self) -> Path:
        """For messages."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns' names, as the file has them."""

    @property
    def truths(self) -> frozenset[str]:
        """The columns of truth values."""

    @property
    def first_row(self) -> int:
        """How users call the first row: 2 where the header is row 1, as in a spreadsheet."""

    def read_numbers(self, columns: Sequence[str]) -> Iterator[Any]:
        """Record batches of float64 columns; a missing value is null or NaN, a truth value 0 or 1.

        Raises:
          NumberError: A cell is no number.
          DataError: The file cannot be read.
        """

    def read_texts(self, columns: Sequence[str]) -> Iterator[Any]:
        """Record batches of string columns without spaces at the ends; a missing value is null.

        Raises:
          DataError: The file cannot be read, or a column has a type that is neither.
        """


def open_file(path: Path) -> TableFile:
    """Open a table, told by its content.

    Raises:
      DataError: It cannot be read, or has no header.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(len(_PARQUET))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    return ParquetFile(path) if head == _PARQUET else CsvFile(path, head.startswith(_GZIP))


class CsvFile:
    """Comma-separated values, or separated by semicolons or tabs."""

    first_row = 2

    def __init__(self, path: Path, is_compressed: bool = False) -> None:
        self.path = path
        self._is_compressed = is_compressed
        self._delimiter = self._sniff()
        with self._errors(), self._stream() as stream:
            schema = self._open(stream, {}, []).schema
        self.columns: Sequence[str] = schema.names
        self.truths = frozenset(field.name for field in schema if pa.types.is_boolean(field.type))

    def read_numbers(self, columns: Sequence[str]) -> Iterator[Any]:
        """See `TableFile`."""
        # Truth values convert to numbers only once they are read as what they are.
        types = {name: pa.bool_() if name in self.truths else pa.float64() for name in columns}
        for batch in self._read(types):
            yield _cast(batch, pa.float64()) if self.truths else batch

    def read_texts(self, columns: Sequence[str]) -> Iterator[Any]:
        """See `TableFile`."""
        try:
            for batch in self._read({name: pa.string() for name in columns}):
                yield _trim(batch)
        except NumberError as error:
            row = _ROW.search(str(error))
            where = f"{self.path}, row {row[1]}," if row else f"{self.path}"
            if "UTF8" in str(error):
                raise self._not_utf8(where) from None
            raise DataError(f"{where} cannot be read: {error}") from None

    def _read(self, types: dict[str, Any]) -> Iterator[Any]:
        with self._errors(), self._stream() as stream:
            yield from self._open(stream, types, list(types))

    def _open(self, stream: Any, types: dict[str, Any], columns: list[str]) -> Any:
        return pa.csv.open_csv(
            stream,
            # Only a reader without threads knows the numbers of rows.
            pa.csv.ReadOptions(use_threads=False, block_size=_BLOCK),
            # No invalid_row_handler: a thread of Arrow's may let go of it after Python has ended,
            # which aborts the process.
            pa.csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
            # Quotes tell a class called "NA" from a missing value.
            pa.csv.ConvertOptions(
                column_types=types,
                include_columns=columns,
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    def _stream(self) -> Any:
        stream = pa.OSFile(str(self.path))
        return pa.CompressedInputStream(stream, "gzip") if self._is_compressed else stream

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {messages.describe(error)}") from error
        except pa.ArrowException as error:
            if ragged := _RAGGED.search(str(error)):
                row, expected, found = ragged.groups()
                raise DataError(
                    f"{self.path}, row {row}, has {found} cells, and the header has {expected}: "
                    f"correct the row, and quote texts that hold {self._delimiter!r}"
                ) from None
            raise NumberError(str(error)) from error

    def _sniff(self) -> str:
        """The delimiter: the one that cuts the first rows into the most cells, equally many."""
        head = self._read_head()
        if not head.strip():
            raise DataError(f"{self.path} is empty: a row of columns' names and rows are needed")
        suffixes = {suffix.lower() for suffix in self.path.suffixes}
        candidates = _DELIMITERS if suffixes.isdisjoint(_TAB_SUFFIXES) else ("\t",)
        widths = {delimiter: _count_cells(head, delimiter) for delimiter in candidates}
        even = [d for d, own in widths.items() if len(set(own)) == 1 and own[0] > 1]
        most = max(even or candidates, key=lambda d: max(widths[d][:1], default=0))
        if max(widths[most][:1], default=0) < 2:
            raise DataError(
                f"{self.path} has one column, and a table of inputs and a label is needed: "
                "separate its columns by commas, semicolons or tabs"
            )
        return most

    def _read_head(self) -> str:
        try:
            with contextlib.closing(self._stream()) as stream:
                head = stream.read(_HEAD)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{self.path} cannot be read: {messages.describe(error)}") from error
        try:
            return codecs.getincrementaldecoder("utf-8-sig")().decode(head, final=False)
        except UnicodeDecodeError:
            raise self._not_utf8(f"{self.path}") from None

    def _not_utf8(self, where: str) -> DataError:
        return DataError(
            f"{where} is not UTF-8: save the table in this encoding, which spreadsheets call "
            "CSV UTF-8"
        )


class ParquetFile:
    """A Parquet file."""

    first_row = 1

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors():
            schema = pa.parquet.read_schema(path)
        self.columns: Sequence[str] = schema.names
        self._types = {field.name: field.type for field in schema}
        self.truths = frozenset(n for n, kind in self._types.items() if pa.types.is_boolean(kind))

    def read_numbers(self, columns: Sequence[str]) -> Iterator[Any]:
        """See `TableFile`."""
        for batch in self._read(columns):
            try:
                yield _cast(batch, pa.float64())
            except pa.ArrowInvalid as error:
                raise NumberError(str(error)) from None

    def read_texts(self, columns: Sequence[str]) -> Iterator[Any]:
        """See `TableFile`."""
        for batch in self._read(columns):
            texts = [_to_text(column) for column in batch.columns]
            yield _trim(pa.RecordBatch.from_arrays(texts, names=batch.schema.names))

    def _read(self, columns: Sequence[str]) -> Iterator[Any]:
        for name in columns:
            self._check_type(name)
        rows = max(1, _BLOCK // (8 * len(columns)))
        with self._errors(), contextlib.closing(pa.OSFile(str(self.path))) as stream:
            yield from pa.parquet.ParquetFile(stream).iter_batches(rows, columns=list(columns))

    def _check_type(self, name: str) -> None:
        kind = self._types[name]
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        types = pa.types
        if types.is_nested(kind):
            raise DataError(
                f"{self.path}, column {name!r}, holds nested values ({kind}): make a column of "
                "numbers for each of them"
            )
        if types.is_temporal(kind):
            raise DataError(describe_date(f"{self.path}, column {name!r},", str(kind)))
        is_number = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        is_text = types.is_string(kind) or types.is_large_string(kind)
        is_other = types.is_boolean(kind) or types.is_null(kind)
        if not (is_number or is_text or is_other) or types.is_float16(kind):
            raise DataError(
                f"{self.path}, column {name!r}, has the type {kind}: write it as numbers or texts"
            )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise DataError(
                f"{self.path} is no Parquet file that can be read: {messages.describe(error)}"
            ) from error


def describe_date(where: str, value: str) -> str:
    """The sentence on a date where a number is needed."""
    return (
        f"{where} holds a date or time ({value}), and the model takes numbers: make a number of it "
        "that matters, such as the month or the days since an event"
    )


def _cast(batch: Any, kind: Any) -> Any:
    # Not safe: an integer above 2**53 is rounded, as a CSV file's is.
    columns = [compute.cast(column, kind, safe=False) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _to_text(column: Any) -> Any:
    """Numbers and truth values as CSV files have them; NaN is null."""
    if pa.types.is_boolean(column.type):
        return compute.if_else(column, "True", "False")
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        numbers = compute.cast(column, pa.float64())
        column = compute.if_else(compute.is_nan(numbers), None, numbers)
    return compute.cast(column, pa.string())


def _trim(batch: Any) -> Any:
    columns = []
    for column in batch.columns:
        text = compute.utf8_trim_whitespace(column)
        columns.append(compute.if_else(compute.equal(text, ""), None, text))
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _count_cells(head: str, delimiter: str) -> list[int]:
    """How many cells each of the first rows has; none where it cannot be told."""
    counts: list[int] = []
    with contextlib.suppress(csv.Error):
        for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter):
            if row:
                counts.append(len(row))
            if len(counts) > _SNIFFED_ROWS:
                break
    is_cut = len(counts) > 1 and len(head) >= _HEAD // 4  # characters of up to four bytes
    return counts[:-1] if is_cut else counts
