"""Lanes: how many, which cores, and what is said when one dies."""

import multiprocessing
import os
from pathlib import Path

import psutil
import pytest

from pipelines.local import events, lanes


@pytest.mark.parametrize(
    ("wanted", "branches", "megabytes", "cores", "gigabytes", "expected"),
    [
        (0, 2, 0, 8, 64, 2),  # no more lanes than branches
        (0, 5, 0, 2, 64, 2),  # nor than cores
        (0, 5, 0, 8, 4, 3),  # nor than memory allows
        (0, 5, 512, 8, 4, 2),  # which is fewer where trainers hold examples
        (0, 5, 2_000, 8, 4, 1),
        (0, 5, 2_000, 8, 10, 3),
        (0, 5, 2_000, 8, 64, 5),
        (0, 5, 0, 8, 0.5, 1),  # one in any case
        (3, 5, 2_000, 2, 4, 3),  # what is asked for
        (1, 5, 0, 8, 64, 1),
    ],
)
def test_count(monkeypatch, wanted, branches, megabytes, cores, gigabytes, expected):
    processes = (psutil.Process(), *psutil.Process().children())
    own = sum(process.memory_info().rss for process in processes)
    memory = psutil.virtual_memory()._replace(available=int(gigabytes * 1e9) - own)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert lanes.count(wanted, branches, megabytes * 10**6) == expected


def test_a_trainer_holds_all_examples_or_what_the_settings_allow():
    mnist = 784 * 4 + 8
    assert lanes.trainer_bytes(mnist, 10_000, memory_mb=512) == 31_440_000
    assert lanes.trainer_bytes(mnist, 1_000_000, memory_mb=512) == 512_000_000
    assert lanes.trainer_bytes(mnist, 1_000_000, memory_mb=10_000) == 3_144_000_000
    assert lanes.trainer_bytes(52, 1_000_000, memory_mb=512) == 52_000_000


def test_lanes_share_the_cores(monkeypatch):
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    lanes.share_cores(1)
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ
    lanes.share_cores(3)
    assert os.environ["TF_NUM_INTRAOP_THREADS"] == "2"
    assert os.environ["TF_NUM_INTEROP_THREADS"] == "2"


def test_a_lane_that_is_not_needed_ends_at_once():
    lane = lanes.Lane()
    (process,) = multiprocessing.active_children()
    lane.cancel()
    assert not psutil.pid_exists(process.pid)


def test_a_lane_that_dies_is_one_sentence(tmp_path: Path):
    lane = lanes.Lane()
    (process,) = multiprocessing.active_children()
    process.kill()
    failed = lane.run(lanes.Job(b"", [], tmp_path, tmp_path / "run.log"), lambda event: None)
    assert isinstance(failed, events.Failed)
    assert failed.message == (
        "a process of the pipeline ended by signal SIGKILL, most likely for lack of memory: "
        "free some memory, or run fewer branches at once with --set local.lanes=1; "
        f"see {tmp_path / 'run.log'}"
    )
