"""TFRecord files of `tf.Example`s with the features of a task.

A record is its length, a checksum of that, its bytes and a checksum of them:
https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

import contextlib
import dataclasses
import functools
import itertools
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from modules import mnist
from modules.task import Task
from pipelines import files as files_module
from pipelines import messages
from pipelines.data import examples, formats
from pipelines.data.encoding import encode
from pipelines.data.examples import Tally
from pipelines.data.manifest import shard_names
from pipelines.data.source import Batch, Source
from pipelines.errors import DataError
from pipelines.walk import Entry

_BATCH = 1024
_BATCH_BYTES = 8 << 20
_BLOCK = 1 << 20
_HEAD_BYTES = 1024
"""Bytes that tell the compression."""
_HEAD = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_KINDS = {"bytes_list": "texts", "float_list": "floats", "int64_list": "integers"}
_MEND = "write the examples again, or name another task with `task: my_task.TASK`"


@dataclasses.dataclass(frozen=True)
class Records:
    """A `source.Part` of TFRecord files, read in a stream.

    Attributes:
      where: What messages call the part as a whole.
      task: Whose features and label each example has.
      files: Compressed or not. A file may be empty, as a shard of few examples is.
    """

    where: str
    task: Task
    files: tuple[Path, ...]

    @property
    def follows_order(self) -> bool:
        """A stream has its own order."""
        return False

    @functools.cached_property
    def labels(self) -> NDArray[Any]:
        """The labels of all examples `[n]`, by reading the files once.

        Raises:
          DataError: As `read`.
        """
        found = [self._parse_label(chunk) for file in self.files for chunk in _read_chunks(file)]
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def read(self, indices: NDArray[Any]) -> Iterator[Batch]:
        """Read the examples at these places, in the order of the files.

        Raises:
          DataError: Names the file, the example and what is wrong with it.
        """
        chosen = np.zeros(len(self.labels), bool)
        chosen[indices] = True
        first = 0
        for file in self.files:
            for chunk in _read_chunks(file):
                mask = chosen[first : first + len(chunk.records)]
                first += len(chunk.records)
                if len(mask) < len(chunk.records):
                    break
                if mask.any():
                    yield self._parse(chunk.choose(mask))
        if first != len(chosen):
            raise DataError(f"{self.where} changed while it was read: try again")

    def copy(self, directory: Path) -> Tally | None:
        """Copy the files as they are, if they can stay so.

        Each must be compressed with gzip and hold what the task needs alone, and the examples must
        not come class by class. What is checked is the copies.

        Args:
          directory: An empty one.

        Returns:
          What the files hold; None if they are to be written anew, nothing being copied then.

        Raises:
          DataError: As `read`.
          OSError: A copy cannot be written.
        """
        if not all(map(_is_gzip, self.files)):
            return None
        tally = Tally(self.task)
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            copies: list[Path] = []
            for file in self.files:
                copy = Path(scratch, str(len(copies)))
                before = len(tally)
                _copy(file, copy)
                if not self._add_copy(copy, file, tally):
                    return None
                if len(tally) > before:  # else it is overwritten, or removed
                    copies.append(copy)
            if not examples.are_mixed(self.task, tally.labels):
                return None
            for copy, name in zip(copies, shard_names(len(copies)), strict=True):
                copy.rename(directory / name)
        return tally

    def _add_copy(self, copy: Path, file: Path, tally: Tally) -> bool:
        """Add the examples of a file's copy; returns whether the copy can stay as it is."""
        if not _is_gzip(copy):  # the file was replaced just now
            return False
        for chunk in _read_chunks(copy, file):
            batch = self._parse(chunk)
            # An example that has what is wanted, and as many bytes, has nothing else.
            lengths = map(len, encode(self.task, batch))
            if list(map(len, chunk.records)) != list(lengths):
                return False
            tally.add(batch)
        return True

    def _parse(self, chunk: "_Chunk") -> Batch:
        types = {feature.name: (feature.size, feature.dtype) for feature in self.task.features}
        values = _parse(chunk, {**types, self.task.label: (1, self.task.head.label_dtype)})
        batch = Batch(values, values.pop(self.task.label)[:, 0])
        examples.check(self.task, batch, str(chunk.file), chunk.numbers)
        return batch

    def _parse_label(self, chunk: "_Chunk") -> NDArray[Any]:
        values = _parse(chunk, {self.task.label: (1, self.task.head.label_dtype)})
        labels = values[self.task.label][:, 0]
        examples.check_labels(self.task, labels, str(chunk.file), chunk.numbers)
        return labels


def open_source(
    name: str,
    parts: Mapping[str, Sequence[Entry]],
    places: Mapping[str, str],
    wanted: Task | None,
) -> Source:
    """Open TFRecord files.

    Args:
      name: What to call the source.
      parts: The files of each part.
      places: What messages call each part.
      wanted: The task that the user named; None for MNIST's.

    Raises:
      DataError: A file cannot be read, or holds the features of another task.
    """
    task = wanted or mnist.TASK
    opened = {
        part: Records(places[part], task, tuple(file.path for file in files))
        for part, files in parts.items()
    }
    if wanted is None:
        for part in opened.values():
            _check_features(part)
    return Source(name, task, opened)


@dataclasses.dataclass(frozen=True)
class _Chunk:
    """Some records of a file.

    Attributes:
      file: What messages call it.
      numbers: Of the records in the file.
      records: Serialized examples, if the file holds any.
    """

    file: Path
    numbers: NDArray[Any]
    records: Sequence[bytes]

    def choose(self, mask: NDArray[np.bool_]) -> "_Chunk":
        """The records where the mask is true."""
        if mask.all():
            return self
        records = [
            record for record, is_chosen in zip(self.records, mask, strict=True) if is_chosen
        ]
        return dataclasses.replace(self, numbers=self.numbers[mask], records=records)


def _read_chunks(path: Path, file: Path | None = None) -> Iterator[_Chunk]:
    """Read a file whose checksums are right, in bounded parts.

    Args:
      path: The file.
      file: What messages call it; by default so.

    Raises:
      DataError: It cannot be read, or is damaged.
    """
    file = file or path
    blocks = _read_blocks(path, file)
    head = next(blocks, b"")
    blocks = itertools.chain([head], blocks)
    compression = formats.compression(head[:_HEAD_BYTES])
    try:
        if compression:
            blocks = _inflate(blocks, formats.WINDOWS[compression])
        first = 0
        for records in _group(_split_records(blocks)):
            numbers = np.arange(first, first + len(records))
            yield _Chunk(file, numbers, records)
            first += len(records)
    except (EOFError, zlib.error):
        raise DataError(f"{file} is truncated or not a TFRecord file") from None


def _is_gzip(file: Path) -> bool:
    """Whether a file is compressed with gzip, or empty."""
    head = next(_read_blocks(file, file), b"")
    return not head or formats.compression(head[:_HEAD_BYTES]) == "GZIP"


def _inflate(blocks: Iterable[bytes], window: int) -> Iterator[bytes]:
    """Decompress; like TensorFlow and Beam, several streams one after the other too.

    Raises:
      EOFError, zlib.error: It is truncated or damaged.
    """
    stream = zlib.decompressobj(window)
    for block in blocks:
        rest = block
        while rest:
            if stream.eof:
                stream = zlib.decompressobj(window)
            yield stream.decompress(rest, _BLOCK)
            rest = stream.unused_data if stream.eof else stream.unconsumed_tail
    yield stream.flush()
    if not stream.eof:
        raise EOFError


def _split_records(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The records in the content of a TFRecord file.

    Raises:
      EOFError: It is truncated, or a checksum is wrong.
    """
    buffer = bytearray()
    for block in blocks:
        buffer += block
        start = 0
        while len(buffer) - start >= _HEAD.size:
            length, checksum = _HEAD.unpack_from(buffer, start)
            if checksum != formats.compute_checksum(bytes(buffer[start : start + 8])):
                raise EOFError
            content = start + _HEAD.size
            end = content + length
            if end + _CHECKSUM.size > len(buffer):
                break
            record = bytes(buffer[content:end])
            if _CHECKSUM.unpack_from(buffer, end) != (formats.compute_checksum(record),):
                raise EOFError
            yield record
            start = end + _CHECKSUM.size
        del buffer[:start]
    if buffer:
        raise EOFError


def _group(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The records in lists that are bounded in length and in bytes."""
    group: list[bytes] = []
    size = 0
    for record in records:
        group.append(record)
        size += len(record)
        if len(group) == _BATCH or size >= _BATCH_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _parse(chunk: _Chunk, types: Mapping[str, tuple[int, str]]) -> dict[str, NDArray[Any]]:
    """The values of examples `[n, size]`, by name.

    Args:
      chunk: Of the records.
      types: By name, how many values are wanted and of which type.

    Raises:
      DataError: Something else than an example, or one that lacks a feature or has another.
    """
    spec = {name: tf.io.RaggedFeature(tf.dtypes.as_dtype(t)) for name, (_, t) in types.items()}
    try:
        parsed = tf.io.parse_example(chunk.records, spec)
    except tf.errors.InvalidArgumentError as error:
        raise _explain(chunk, types, error.message.splitlines()[0]) from None
    return {name: _to_rows(parsed[name], size, chunk, name) for name, (size, _) in types.items()}


def _explain(chunk: _Chunk, types: Mapping[str, tuple[int, str]], reason: str) -> DataError:
    """The first of the examples that TensorFlow could not parse, and what is wrong with it."""
    needed = {"float32": "float_list", "int64": "int64_list"}
    for number, record in zip(chunk.numbers, chunk.records, strict=True):
        try:
            features = tf.train.Example.FromString(record).features.feature
        except DecodeError:
            return DataError(
                f"{chunk.file} does not hold tf.Examples: record {number} is something else"
            )
        for name, (_, dtype) in types.items():
            kind = features[name].WhichOneof("kind") if name in features else None
            if kind not in {None, needed[dtype]}:
                return DataError(
                    f"example {number} of {chunk.file} has {_KINDS[kind]} in {name}, and "
                    f"{_KINDS[needed[dtype]]} are needed: {_MEND}"
                )
    return DataError(f"{chunk.file} does not hold tf.Examples that TensorFlow reads: {reason}")


def _to_rows(ragged: tf.RaggedTensor, size: int, chunk: _Chunk, name: str) -> NDArray[Any]:
    """A dense `[n, size]`; an example with another number of values is named."""
    lengths = ragged.row_lengths().numpy()
    bad = np.flatnonzero(lengths != size)
    if bad.size:
        length = lengths[bad[0]]
        what = f"{length} values in {name}, and {size} are needed" if length else f"no {name}"
        raise DataError(f"example {chunk.numbers[bad[0]]} of {chunk.file} has {what}: {_MEND}")
    rows: NDArray[Any] = ragged.flat_values.numpy().reshape(-1, size)
    return rows


def _check_features(part: Records) -> None:
    """Refuse examples of another task than MNIST's, by the first of them.

    Raises:
      DataError: It names the features that were found.
    """
    wanted = {feature.name for feature in part.task.features} | {part.task.label}
    for file in part.files:
        for chunk in _read_chunks(file):
            with contextlib.suppress(DecodeError):  # the reader names it
                found = sorted(tf.train.Example.FromString(chunk.records[0]).features.feature)
                if found and wanted.isdisjoint(found):
                    raise DataError(
                        f"{file} holds tf.Examples with the features {messages.list_first(found)}, "
                        f"which are not those of the task {part.task.name}: describe them in a "
                        "module and name it with `task: my_task.TASK`"
                    )
            return


def _copy(file: Path, copy: Path) -> None:
    """Copy a file's content.

    Raises:
      DataError: It cannot be read.
      OSError: The copy cannot be written.
    """
    with copy.open("wb") as target:
        for block in _read_blocks(file, file):
            target.write(block)


def _read_blocks(path: Path, file: Path) -> Iterator[bytes]:
    """The blocks of a file that messages call `file`.

    Raises:
      DataError: It cannot be read.
    """
    try:
        yield from files_module.read_blocks(path)
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
