"""Examples as bytes, against those that protobuf writes; and the order of a scratch file."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from modules.task import Classification, Feature, Regression, Task
from pipelines.data.encoding import encode
from pipelines.data.reorder import reorder
from pipelines.data.source import Batch

INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(width=32)
NAMES = ("a", "Zebra", "x_", "aa", "image_floats")


def expected(task: Task, batch: Batch) -> list[bytes]:
    import tensorflow as tf

    serialized = []
    for row in range(len(batch)):
        example = tf.train.Example()
        values = {name: value[row].tolist() for name, value in batch.features.items()}
        for name, value in {**values, task.label: [batch.labels[row].item()]}.items():
            feature = example.features.feature[name]
            is_float = isinstance(value[0], float)
            (feature.float_list if is_float else feature.int64_list).value.extend(value)
        serialized.append(example.SerializeToString(deterministic=True))
    return serialized


@limits(max_examples=150, deadline=None)
@given(st.data())
def test_bytes_are_those_of_protobuf(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True))
    count = data.draw(st.integers(0, 3))
    features, values = [], {}
    for name in names[1:]:
        size, kind = data.draw(st.integers(1, 70)), data.draw(st.sampled_from(["float32", "int64"]))
        features.append(Feature(name, (size,), kind))
        numbers = FLOATS if kind == "float32" else INTEGERS
        rows = data.draw(
            st.lists(
                st.lists(numbers, min_size=size, max_size=size), min_size=count, max_size=count
            )
        )
        values[name] = np.array(rows, kind).reshape(count, size)
    if data.draw(st.booleans()):
        head, labels = (
            Regression(),
            np.array(data.draw(st.lists(FLOATS, min_size=count, max_size=count)), np.float32),
        )
    else:
        head = Classification(tuple(map(str, range(1000))))
        labels = np.array(data.draw(st.lists(INTEGERS, min_size=count, max_size=count)), np.int64)
    task = Task("any", tuple(features), names[0], head)
    batch = Batch(values, labels)
    assert encode(task, batch) == expected(task, batch)


@pytest.mark.parametrize("count", [1, 5, 3000])
def test_examples_are_put_in_order(tmp_path: Path, count: int) -> None:
    task = Task("t", (Feature("x", (3,)), Feature("n", (1,), "int64")), "y", Regression())
    rng = np.random.default_rng(0)
    order = rng.permutation(count * 2)[:count]
    arriving = np.sort(order)
    batches = [
        Batch(
            {"x": np.stack([chunk] * 3, 1).astype(np.float32), "n": chunk[:, np.newaxis]},
            chunk.astype(np.float32),
        )
        for chunk in np.array_split(arriving, 3)
    ]
    found = list(reorder(task, batches, np.argsort(order), tmp_path))
    assert np.concatenate([b.labels for b in found]).tolist() == order.tolist()
    assert np.concatenate([b.features["n"][:, 0] for b in found]).tolist() == order.tolist()
    assert np.concatenate([b.features["x"] for b in found])[:, 2].tolist() == order.tolist()
    assert found[0].features["x"].dtype == np.float32
    assert list(tmp_path.iterdir()) == []
