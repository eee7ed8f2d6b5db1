"""A run that is ended anywhere goes on from the last finished component."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys

import psutil
import pytest

from tests.pipeline.conftest import COMMAND, run, steps
from tests.pipeline.test_bad_input import write_records

pytestmark = pytest.mark.e2e

QUICK = ["--data", "digits", "--set", "training.steps=20"]


def start(output, *arguments):
    command = [*COMMAND, "--output", str(output), *QUICK, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process, step):
    """Reads progress lines until a step is finished, and returns all of them."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(f"{step} "):
            return "".join(lines)
    raise AssertionError(f"{step} never finished: {''.join(lines)}{process.stderr.read()}")


def end(process, how):
    """Ends the command, or its worker, and returns the exit code and what it said."""
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    if how == "worker":
        children[0].send_signal(signal.SIGKILL)
    else:
        process.send_signal(how)
    _, stderr = process.communicate(timeout=30)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive, "a process outlived the command"
    return process.returncode, stderr


def fill(file):
    """Writes until the disk is full."""
    with contextlib.suppress(OSError), file.open("wb") as stream:
        while True:
            stream.write(b"\0" * 2**20)
    assert psutil.disk_usage(str(file.parent)).free < 2**20


def test_every_way_of_ending(tmp_path):
    output = tmp_path / "run"
    for after, how, code, sentence in [
        ("compose", signal.SIGKILL, -signal.SIGKILL, ""),
        ("example-gen", signal.SIGINT, 1, "interrupted"),
        ("transform", "worker", 1, "SIGKILL"),
        ("trainer-keras", signal.SIGTERM, 1, "interrupted"),
        ("evaluator-keras", signal.SIGKILL, -signal.SIGKILL, ""),
    ]:
        process = start(output)
        done = steps(wait_for(process, after))
        returncode, stderr = end(process, how)
        assert returncode == code, stderr
        assert sentence in stderr
        assert "Traceback" not in stderr
        assert len(stderr.strip().splitlines()) == bool(sentence)
        assert not (output / "report.json").exists()
        finished = set(done) - {"data", "compose"}

    last = run(output, *QUICK)
    assert last.completed.returncode == 0, last.completed.stderr
    notes = steps(last.completed.stdout)
    assert {name for name in finished if notes[name] != "cached"} == set()
    assert "trainer-keras" in finished
    assert notes["comparison"] == ""
    assert last.report["branches"]["lite"]["pushed_uri"]
    # Nothing that a killed run left is taken for a model.
    for branch in ("keras", "lite"):
        shown = [path.name for path in (output / "serving" / branch).glob("[!.]*")]
        assert [name.isdigit() for name in shown] == [True]


def test_two_runs_in_one_directory(tmp_path):
    process = start(tmp_path / "run")
    try:
        wait_for(process, "data")
        second = run(tmp_path / "run", *QUICK)
        assert second.completed.returncode == 2
        assert "another run is using" in second.completed.stderr
    finally:
        end(process, signal.SIGTERM)


@pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="mounting a small disk takes root on Linux"
)
def test_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=180m", "tmpfs", str(disk)], check=True)
    try:
        process = start(disk / "run")
        wait_for(process, "example-gen")
        ballast = disk / "ballast"
        fill(ballast)
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 2
        assert "is full: free some space and run again" in stderr
        assert len(stderr.strip().splitlines()) == 1

        before_any_work = run(disk / "other", *QUICK)
        assert before_any_work.completed.returncode == 2
        assert "free" in before_any_work.completed.stderr

        ballast.unlink()
        again = run(disk / "run", *QUICK)
        assert again.completed.returncode == 0, again.completed.stderr
        assert steps(again.completed.stdout)["example-gen"] == "cached"
    finally:
        subprocess.run(["umount", str(disk)], check=True)
        shutil.rmtree(disk)


def test_an_output_below_the_data_is_no_part_of_it(tmp_path):
    """The second run reads the same source, though the first one wrote into its folder."""
    write_records(tmp_path / "data.tfrecord")
    notes = []
    for _ in range(2):
        process = start(tmp_path / "out", "--data", str(tmp_path))
        notes.append(steps(wait_for(process, "data"))["data"])
        end(process, signal.SIGINT)
    assert list((tmp_path / "out").rglob("*.tfrecord.gz"))
    read = f"{tmp_path} (task mnist: 10 classes, 28x28 grey)"
    counts = "48 for training, 12 for evaluation"
    assert notes == [f"{read}: {counts}", f"{read}, unchanged: {counts}"]
