"""Tables of numbers, CSV and Parquet: a column is the label, the others are features."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modules.task import Classification, Feature, Task
from pipelines import messages, settings
from pipelines.data import naming, table_cells, table_columns, table_files, table_labels
from pipelines.data.source import Batch, Source
from pipelines.data.table_files import TableFile
from pipelines.errors import DataError
from pipelines.walk import Entry


@dataclasses.dataclass(frozen=True)
class Table:
    """The rows of a part; see `pipelines.data.source.Part`.

    Attributes:
      where: A file or directory, for messages.
      files: In the order of their rows.
      counts: How many rows each file has.
      columns: What each feature is made of.
      labels: `[n]`; int64 indexes of classes, or float32.
    """

    follows_order = False

    where: str
    files: Sequence[TableFile]
    counts: Sequence[int]
    columns: Mapping[Feature, Sequence[str]]
    labels: NDArray[Any]

    def read(self, indices: NDArray[Any]) -> Iterator[Batch]:
        """Read rows, in the order of the files.

        Raises:
          DataError: A cell is no value of its feature, or a file was changed.
        """
        rows = np.sort(indices)
        start = 0
        for file, count in zip(self.files, self.counts, strict=True):
            low, high = np.searchsorted(rows, [start, start + count])
            if low < high:
                yield from self._read_file(file, start, count, rows[low:high])
            start += count

    def _read_file(
        self, file: TableFile, start: int, count: int, rows: NDArray[Any]
    ) -> Iterator[Batch]:
        end = start + count
        for features in table_cells.read(file, self.columns):
            size = len(next(iter(features.values())))
            low, high = np.searchsorted(rows, [start, start + size])
            chosen = rows[low:high]
            if chosen.size:
                yield Batch(
                    {name: values[chosen - start] for name, values in features.items()},
                    self.labels[chosen],
                )
            start += size
        if start != end:
            raise DataError(f"{file.path} was changed while it was read: run again")


def open_source(
    name: str,
    parts: Mapping[str, Sequence[Entry]],
    places: Mapping[str, str],
    choice: settings.Task,
    wanted: Task | None,
) -> Source:
    """Find the task of a table and read its labels.

    Args:
      name: What to call the source: a path.
      parts: The files of each part.
      places: What to call each part in messages.
      choice: What the settings say of the task.
      wanted: The task that the user named.

    Raises:
      DataError: The files are no table that a model can learn.
    """
    files = {
        part: [table_files.open_file(entry.path) for entry in entries]
        for part, entries in parts.items()
    }
    every = [file for own in files.values() for file in own]
    columns = table_columns.find_common(every)
    names = table_columns.to_names(every[0])
    label = table_columns.find_label(every[0], names, choice.table.label, wanted)
    labels = table_labels.read(every, label)
    head = wanted.head if wanted else table_labels.choose_head(labels, choice.table.head)
    arrays = table_labels.to_arrays(labels, head)
    if wanted:
        task = wanted.data
        inputs = table_columns.find_inputs(every[0], names, label, wanted)
    else:
        inputs = {Feature(names[column]): [column] for column in columns if column != label}
        task = Task(naming.name_task(name, "table"), tuple(inputs), names[label], head)
    for file in every:
        next(table_cells.read(file, inputs), None)  # most faults are at the start already
    return Source(
        name,
        task,
        {
            part: _to_table(places[part], own, inputs, [arrays[file] for file in own])
            for part, own in files.items()
        },
        _describe(task, label, inputs, names, list(arrays.values())),
    )


def _to_table(
    where: str,
    files: Sequence[TableFile],
    columns: Mapping[Feature, Sequence[str]],
    arrays: Sequence[NDArray[Any]],
) -> Table:
    labels = np.concatenate(arrays)
    if not labels.size:
        raise DataError(f"{where} has no rows below the columns' names: add some")
    return Table(where, files, [len(array) for array in arrays], columns, labels)


def _describe(
    task: Task,
    label: str,
    inputs: Mapping[Feature, Sequence[str]],
    names: Mapping[str, str],
    labels: Sequence[NDArray[Any]],
) -> list[str]:
    """What the user should know: the label, columns with other names, and columns left out."""
    if isinstance(task.head, Classification):
        what = f"one of {task.head.outputs} classes"
    else:
        lowest, highest = (f(np.concatenate(labels)) for f in (np.min, np.max))
        what = f"a number from {lowest:g} to {highest:g}"
    notes = [f"predicts {label}, {what}"]
    used = {label: task.label}
    for feature, own in inputs.items():
        used |= {column: feature.name if len(own) == 1 else column for column in own}
    renamed = [f"{column} to {name}" for column, name in used.items() if column != name]
    ignored = [column for column in names if column not in used]
    if renamed:
        notes.append(f"columns renamed: {messages.list_first(renamed)}")
    if ignored:
        notes.append(f"columns left out: {messages.list_first(ignored)}")
    return notes
