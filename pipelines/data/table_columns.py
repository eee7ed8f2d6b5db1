"""The columns of a table: which is the label, and which features the others are."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from modules.task import Feature, Task
from pipelines import messages
from pipelines.data.table_files import TableFile
from pipelines.errors import DataError

_LABELS = ("label", "target", "class", "y")
_INDEX = re.compile(r"\s*|Unnamed: \d+|__index_level_\d+__")
"""What pandas calls an index that it writes as a column."""
_NUMBER = re.compile(r"[-+\d.eE\s]*\d[-+\d.eE\s]*")


def find_common(files: Sequence[TableFile]) -> Sequence[str]:
    """The columns of a table, the same in each of its files.

    Raises:
      DataError: Columns without a name or with the same one, no header, or files that differ.
    """
    first = files[0]
    for file in files:
        _check_names(file)
        lacking = [column for column in first.columns if column not in file.columns]
        added = [column for column in file.columns if column not in first.columns]
        if lacking or added:
            difference = f"lacks {lacking[0]!r}" if lacking else f"also has {added[0]!r}"
            raise DataError(
                f"{file.path} has other columns than {first.path}, it {difference}: give all files "
                "of a table the same columns"
            )
    if len(first.columns) < 2:
        raise DataError(
            f"{first.path} has one column, {first.columns[0]!r}, and a label and at least one "
            "column to predict it from are needed: add columns"
        )
    return first.columns


def to_names(file: TableFile) -> dict[str, str]:
    """The name of the feature that each column is.

    Raises:
      DataError: Two columns would have the same name.
    """
    names = {column: _to_identifier(column, at) for at, column in enumerate(file.columns, 1)}
    columns: dict[str, str] = {}
    for column, name in names.items():
        # TensorFlow numbers tensors whose names differ in case alone, and inputs are found by name.
        other = columns.setdefault(name.lower(), column)
        if other != column:
            raise DataError(
                f"{file.path} has the columns {other!r} and {column!r}, which would both be the "
                f"feature {name!r}: rename one of them"
            )
    return names


def find_label(file: TableFile, names: Mapping[str, str], chosen: str, wanted: Task | None) -> str:
    """The column that is to be predicted.

    Args:
      file: Any file of the table.
      names: As `to_names` gives them.
      chosen: As `settings.Table.label`.
      wanted: The task that the user named.

    Raises:
      DataError: There is no such column, or none or several that look like it.
    """
    known = f"the columns of {file.path} are {messages.list_first(names)}"
    if chosen:
        column = _find(chosen, names)
        if column is None:
            raise DataError(f"task.table.label is {chosen!r}, and {known}: choose one of them")
        return column
    if wanted:
        column = _find(wanted.label, names)
        if column is None:
            raise DataError(
                f"the label of the task {wanted.name} is {wanted.label!r}, and {known}: set "
                "task.table.label to the column that it is"
            )
        return column
    found = [column for column in names if column.strip().lower() in _LABELS]
    if len(found) != 1:
        what = (
            f"{messages.list_first(found)} may each be the label"
            if found
            else "none of them is called label"
        )
        raise DataError(f"{known}, and {what}: set task.table.label to the column to predict")
    return found[0]


def find_inputs(
    file: TableFile, names: Mapping[str, str], label: str, task: Task
) -> dict[Feature, list[str]]:
    """The columns that make each feature of a user's task.

    A feature `f` of one value is the column `f`; of n values, the columns `f_0` to `f_{n-1}`.

    Raises:
      DataError: A column is missing.
    """
    candidates = {column: name for column, name in names.items() if column != label}
    inputs: dict[Feature, list[str]] = {}
    for feature in task.features:
        several = [f"{feature.name}_{place}" for place in range(feature.size)]
        needed = several if feature.size > 1 else [feature.name]
        columns = [_find(name, candidates) for name in needed]
        if None in columns:
            raise DataError(
                f"{file.path} has no column {needed[columns.index(None)]!r}, which the feature "
                f"{feature.name!r} of the task {task.name} needs: its columns are "
                f"{messages.list_first(candidates)}"
            )
        inputs[feature] = [column for column in columns if column is not None]
    return inputs


def _check_names(file: TableFile) -> None:
    columns = list(file.columns)
    if all(_NUMBER.fullmatch(column) for column in columns):
        raise DataError(
            f"{file.path} has no header, its first row holds nothing but numbers: write the "
            "columns' names as the first row"
        )
    if any(_INDEX.fullmatch(column) for column in columns):
        raise DataError(
            f"{file.path} has a column without a name, as pandas writes its index: write the table "
            "with index=False, or name the column"
        )
    for column in columns:
        if columns.count(column) > 1:
            raise DataError(
                f"{file.path} has two columns called {column!r}: rename or drop one of them"
            )


def _find(name: str, names: Mapping[str, str]) -> str | None:
    """The column of a name, which is that of the column or of the feature that it is."""
    if name in names:
        return name
    return next((column for column, feature in names.items() if feature == name), None)


def _to_identifier(column: str, place: int) -> str:
    ascii_text = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode("ascii")
    # No operation of TensorFlow may have an underscore in front.
    name = re.sub(r"\W+", "_", ascii_text).strip("_")
    if not name:
        return f"column_{place}"
    return f"x_{name}" if name[0].isdigit() else name
