"""Examples as the bytes of `tf.Example`s, one `tf.train.Example` being slow to build.

The bytes are those of `tf.train.Example.SerializeToString(deterministic=True)`: map entries sorted
by key, lists packed. https://protobuf.dev/programming-guides/encoding has the wire format; the
messages are in tensorflow/core/example/{example,feature}.proto.
"""

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modules.task import Task
from pipelines.data.source import Batch

_FLOATS, _INTEGERS = 2, 3
"""Field numbers of `Feature.float_list` and `Feature.int64_list`. All other fields used are 1 or 2:
`Example.features`, `Features.feature`, key and value of a map's entry, `value` of a list."""


def encode(task: Task, batch: Batch) -> list[bytes]:
    """Serialize each example: all features of the task and the label, and nothing else."""
    columns = {
        feature.name: _encode_entries(feature.name, batch.features[feature.name], feature.dtype)
        for feature in task.features
    }
    labels = batch.labels[:, np.newaxis]
    columns[task.label] = _encode_entries(task.label, labels, task.head.label_dtype)
    entries = (b"".join(entry) for entry in zip(*map(columns.get, sorted(columns)), strict=True))
    return [_field(1, entry) for entry in entries]


def _encode_entries(name: str, values: NDArray[Any], dtype: str) -> Iterable[bytes]:
    """The entry of a feature in the map `Features.feature`, of each example."""
    if dtype == "int64":
        return [_encode_integers(name, tuple(row)) for row in values.tolist()]
    width = 4 * values.shape[1]
    # All entries have the same length, hence the same head.
    head = _encode_entry(name, _FLOATS, bytes(width))[:-width]
    content = np.ascontiguousarray(values, "<f4").tobytes()
    return [head + content[start : start + width] for start in range(0, len(content), width)]


@functools.lru_cache(maxsize=256)  # labels are the same few
def _encode_integers(name: str, values: tuple[int, ...]) -> bytes:
    return _encode_entry(name, _INTEGERS, b"".join(map(_varint, values)))


def _encode_entry(name: str, kind: int, packed: bytes) -> bytes:
    feature = _field(kind, _field(1, packed))
    return _field(1, _field(1, name.encode()) + _field(2, feature))


def _field(number: int, content: bytes) -> bytes:
    """A field of wire type 2: its tag, its length and its content."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


@functools.lru_cache(maxsize=4096)
def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; a negative number as its two's complement of 64 bits."""
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
