"""Several writers of one directory, and writers that are killed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipelines import settings
from pipelines.data import dataset, prepare
from tests.unit.idx_files import write_idx

ROOT = Path(__file__).resolve().parents[2]


def write_source(directory: Path, count: int) -> str:
    """IDX files, which no TensorFlow is needed to read."""
    labels = np.arange(count).astype(np.uint8) % 10
    images = np.full((count, 28, 28), count % 256)
    images[:, 0, 0] = np.arange(count) % 256  # a source of equal images is refused
    write_idx(directory / "train-images-idx3-ubyte", images)
    write_idx(directory / "train-labels-idx1-ubyte", labels)
    return str(directory)


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    return [write_source(tmp_path / f"source-{count}", count) for count in (60, 200)]


def start(*arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.unit.writers", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        text=True,
    )


def steps_of(directory: Path, source: str) -> Iterator[tuple[bool, bool, str]]:
    """For each step: whether the writer was killed there, the old layout, the current source."""
    with start("killed", directory, source) as process:
        for line in process.stdout or ():
            was_killed, flat, state = line.rstrip("\n").split(" ", 2)
            yield was_killed == "True", flat == "True", state
    assert process.returncode == 0


def test_killed_at_any_step_it_leaves_the_old_dataset_or_the_new_one(
    tmp_path: Path, sources: list[str]
) -> None:
    prepare.prepare(settings.Data(source=sources[0]), settings.Task(), tmp_path / "set")
    states = [state for _, _, state in steps_of(tmp_path / "set", sources[1])]
    assert set(states) == {sources[0], sources[1]}
    assert states == sorted(states, key=sources.index), "first the old one, then the new one"
    assert len(states) > 8


def test_killed_at_any_step_while_it_mends_a_dataset(tmp_path: Path, sources: list[str]) -> None:
    """What is damaged stays so until it is whole."""
    made, _ = prepare.prepare(settings.Data(source=sources[0]), settings.Task(), tmp_path / "set")
    (made.directory / "train" / "data.tfrecord.gz").write_bytes(b"damaged")
    states = [state for _, _, state in steps_of(tmp_path / "set", sources[0])]
    assert set(states[:-1]) - {sources[0]}
    assert all(s == sources[0] or "data.tfrecord.gz has " in s for s in states)


def test_killed_at_any_step_it_leaves_the_flat_layout_or_the_new_dataset(
    tmp_path: Path, sources: list[str]
) -> None:
    for split in ("train", "eval"):
        (tmp_path / "set" / split).mkdir(parents=True)
        (tmp_path / "set" / split / "data.tfrecord.gz").write_text("old")
    (tmp_path / "set" / "manifest.json").write_text('{"format": 1}')
    seen = list(steps_of(tmp_path / "set", sources[0]))
    assert all(flat or state == sources[0] for _, flat, state in seen)
    assert not seen[-1][1]


@pytest.mark.timeout(180)
def test_writers_killed_at_random_and_a_reader(tmp_path: Path, sources: list[str]) -> None:
    """Whenever the reader looks, the pointer names one whole dataset, not a mixture."""
    directory = tmp_path / "set"
    prepare.prepare(settings.Data(source=sources[0]), settings.Task(), directory)
    expected = {}
    for source in sources:
        made, _ = prepare.prepare(
            settings.Data(source=source), settings.Task(), tmp_path / Path(source).name / ".made"
        )
        expected[made.manifest.name] = source
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    writers = [start("loop", directory, *sources[:: (-1) ** i]) for i in range(3)]
    found = []
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()  # it has written
    for writer in writers:
        end = time.monotonic() + chance.uniform(0.2, 1.0)
        while time.monotonic() < end or set(found) != set(expected):
            current = dataset.load(directory)
            assert current.find_fault() == ""
            found.append(current.manifest.name)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        assert writer.returncode == -signal.SIGKILL
    prepare.prepare(settings.Data(source=sources[1]), settings.Task(), directory)
    names = {p.name for p in (directory / "datasets").iterdir() if not p.name.startswith(".")}
    assert names == set(expected)
