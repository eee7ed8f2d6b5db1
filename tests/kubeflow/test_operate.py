"""What a person does all day on a cluster, command by command, as a new user would.

The server speaks KFP's API, the store is a real one, and every command is a process of its own.
"""

import os
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.kubeflow.client import api_life
from tests.kubeflow.client.api_life import CACHED, SUCCEEDED
from tests.kubeflow.client.api_server import ApiServer
from tests.kubeflow.client.api_store import NEW
from tests.kubeflow.conftest import COMMAND, Bucket
from tests.kubeflow.test_results import Runs

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
IMAGE = "registry.example/tfx-mobile:1.0.0"
SCHEDULES = "schedules: [{name: nightly, cron: 0 0 3 * * *, parameters: {train_steps: 300}}]\n"


def test_a_day(bucket: Bucket, tmp_path: Path) -> None:
    root = bucket.uri("root")
    (tmp_path / "settings.yaml").write_text(
        f"kubeflow: {{image: '{IMAGE}', pipeline_root: '{root}', data: '{root}/data'}}\n"
    )
    (tmp_path / "schedules.yaml").write_text(SCHEDULES)
    environment = {**os.environ, **bucket.server.environment(), "COLUMNS": "120"}

    def says(*command: str) -> str:
        done = subprocess.run(
            [COMMAND, *command, "--settings", "settings.yaml"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with ApiServer(release=NEW) as server:
        environment["KF_PIPELINES_ENDPOINT"] = server.url
        assert "15 tasks" in says("compile")
        assert ": uploaded" in says("upload")
        assert "unchanged, nothing uploaded" in says("upload")

        run = threading.Thread(target=let_it_run, args=(server, bucket, tmp_path))
        run.start()
        followed = says("submit", "--follow", "--every", "0.2", "--param", "train_steps=200")
        run.join()
        run_id = re.match(r"run (\S+), version ", followed)[1]
        assert re.search(r"^transform +cached$", followed, re.MULTILINE)
        assert re.search(r"^comparison +\S+ s +succeeded$", followed, re.MULTILINE)
        assert re.search(r"^lite +0\.7500", followed, re.MULTILINE)
        assert f"{server.url}/#/runs/details/{run_id}" in followed

        assert "+ nightly: create" in says("schedule", "diff")
        assert says("schedule", "apply").endswith("done\n")
        assert says("schedule", "apply") == "  nightly: unchanged\n"
        assert says("schedule", "pause", "nightly") == "nightly is paused\n"
        assert says("schedule", "resume", "nightly").startswith("nightly is enabled")
        assert "0 0 3 * * *" in says("schedule", "list")

        assert run_id in says("runs", "list")
        assert "0.7500" in says("report", run_id, "-o", "out")
        assert (tmp_path / "out/report.html").is_file()


def let_it_run(server: ApiServer, bucket: Bucket, tmp_path: Path) -> None:
    """The run that somebody submits, until its results are in the store."""
    while not server.store.runs:
        time.sleep(0.05)
    (run_id,) = server.store.runs
    for step in ({"example-validator": SUCCEEDED}, {"transform": CACHED}):
        server.now += server.store.step * 10
        server.advance(run_id, step)
    Runs(tmp_path / "left").add(run_id, 0.75)
    bucket.put_directory(tmp_path / "left", "root/mnist")
    server.now += server.store.step * 10
    # As on a real cluster: the run's end is stored first, that of its tasks after some looks at it.
    api_life.report_run(server.store, run_id, {}, SUCCEEDED)
    asked = len(server.asked("get_run"))
    while len(server.asked("get_run")) < asked + 2:
        time.sleep(0.05)
    api_life.report_tasks(server.store, run_id)
