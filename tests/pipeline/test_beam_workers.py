"""Several Beam workers, in a folder and a shell that are in their way."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from modules.precedence import PACKAGES
from pipelines import environment

pytestmark = pytest.mark.e2e

PIPELINE = """
import apache_beam as beam
import mine
from pipelines import beam as arguments, settings

options = arguments.pipeline_args(settings.Beam(workers=2))
with beam.Pipeline(argv=options) as pipeline:
    found = pipeline | beam.Create([1, 2, 3, 4]) | beam.Map(mine.describe)
    found | beam.io.WriteToText("found", num_shards=1, shard_name_template="")
"""
MINE = """
def describe(number):
    import os, queue, kubeflow.names
    return number * 2, os.getpid(), queue.__file__, kubeflow.names.__file__
"""


def test_workers_connect_to_their_run_and_find_its_modules(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    for name in ("queue", "runpy", "random", *PACKAGES):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not the right one')")
    # A closed port. The conftest excludes this machine from any proxy.
    shell = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    shell |= dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy"), "http://127.0.0.1:9")

    process = subprocess.Popen(
        [sys.executable, "-c", PIPELINE],
        env=environment.of_our_process(shell),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said = process.communicate(timeout=120)[1]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    assert process.returncode == 0, said
    numbers, processes, queues, ours = zip(
        *map(eval, (tmp_path / "found").read_text().splitlines()), strict=True
    )
    assert sorted(numbers) == [2, 4, 6, 8]
    assert os.getpid() not in processes
    assert not any(str(tmp_path) in file for file in (*queues, *ours))
