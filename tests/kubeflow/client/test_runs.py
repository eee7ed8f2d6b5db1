"""`tfx-mobile submit`, `runs` and `report RUN_ID`."""

import datetime
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import kfp
import pytest

from kubeflow.client import api
from tests.kubeflow.client import api_life
from tests.kubeflow.client.api_faults import dropped, unavailable
from tests.kubeflow.client.api_life import CACHED, FAILED, RUNNING, SUCCEEDED
from tests.kubeflow.client.api_models import made
from tests.kubeflow.client.api_runs import Runs as ServerRuns
from tests.kubeflow.client.api_server import ApiServer
from tests.kubeflow.client.conftest import Person, at, change
from tests.kubeflow.test_results import Runs

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.timeout(120)  # a run that does not end is waited for forever
CONNECTING = 2
"""Requests of every command, before its own."""
BEFORE_COMPARISON = (
    "data",
    "data-fingerprint",
    "example-gen",
    "statistics-gen",
    "schema-gen",
    "example-validator",
    "trainer-keras",
    "trainer-lite",
    "validator-lite",
    "evaluator-keras",
    "evaluator-lite",
)


def submitted(person: Person, options: str = "") -> str:
    """The id of a new run."""
    said = person.says(f"submit {options}").stdout
    return re.fullmatch(r"run (\S+), version .*", said.splitlines()[0])[1]


def up_to_transform(server: ApiServer, run_id: str, transform: str) -> None:
    """In seconds of their own: KFP tells a cached task by its times."""
    server.advance(run_id, {"example-validator": SUCCEEDED})
    server.now += datetime.timedelta(seconds=10)
    server.advance(run_id, {"transform": transform})
    server.now += datetime.timedelta(seconds=10)


def end_cancelled(server: ApiServer, run_id: str) -> None:
    """KFP ends a run that was cancelled as a failed one."""
    server.advance(run_id, {})
    server.advance(run_id, {}, FAILED)


def run_of(server: ApiServer, run_id: str):
    return server.store.runs[run_id]


def test_submit(person: Person, server: ApiServer, uploaded: Path) -> None:
    run_id = submitted(person, "--param train_steps=300 --param min_accuracy=0.5")

    run = run_of(server, run_id)
    assert run.runtime_config.parameters == {"train_steps": 300, "min_accuracy": 0.5}
    assert re.fullmatch(r"mnist \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [0-9a-f]{4}", run.display_name)
    experiment = server.store.experiments[run.experiment_id]
    assert experiment.display_name == "mnist"
    (version,) = server.store.versions.values()
    assert run.pipeline_version_reference.pipeline_version_id == version.pipeline_version_id


def test_submit_says_where_to_look(person: Person, server: ApiServer, uploaded: Path) -> None:
    said = person.says("submit --set cluster.ui=https://ui.example/pipeline/").stdout

    (run_id,) = server.store.runs
    assert said.splitlines()[1] == f"https://ui.example/pipeline/#/runs/details/{run_id}"


def test_submit_by_settings(person: Person, server: ApiServer, uploaded: Path) -> None:
    run_id = submitted(
        person,
        "--name trial --set cluster.experiment=trials --set cluster.service_account=runner",
    )

    run = run_of(server, run_id)
    assert run.display_name.startswith("trial 2")
    assert run.service_account == "runner"
    assert server.store.experiments[run.experiment_id].display_name == "trials"


def test_submit_an_older_version(person: Person, server: ApiServer, uploaded: Path) -> None:
    (first,) = server.store.versions
    uploaded.write_text(uploaded.read_text().replace("Training steps of", "Steps of"))
    person.says(f"upload {uploaded}")
    name = server.store.versions[first].display_name

    newest = run_of(server, submitted(person))
    older = run_of(server, submitted(person, f"--version {name[:6]}"))

    assert older.pipeline_version_reference.pipeline_version_id == first
    assert newest.pipeline_version_reference.pipeline_version_id != first


@pytest.fixture
def regression(person: Person, compiled: Path) -> Path:
    """A version whose run form is that of a regression."""

    def with_max_error(spec: dict) -> None:
        form = spec["root"]["inputDefinitions"]["parameters"]
        form["max_error"] = {**form.pop("min_accuracy"), "defaultValue": 0.0}

    changed = change(compiled, compiled, with_max_error)
    person.says(f"upload {changed}")
    return changed


def test_submit_with_the_parameters_of_a_regression(
    person: Person, server: ApiServer, regression: Path
) -> None:
    run = run_of(server, submitted(person, "--param max_error=50"))
    assert run.runtime_config.parameters == {"max_error": 50}
    for option, problem in (
        ("max_error=-1", "max_error cannot be -1"),
        ("max_error=little", "max_error takes a number, not 'little'"),
        ("min_accuracy=0.9", "has no parameter 'min_accuracy', only batch_size, data_uri"),
    ):
        assert problem in person.says(f"submit --param {option}", code=2).stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("--param train_steps", "--param takes KEY=VALUE, got 'train_steps'"),
        ("--param =3", "--param takes KEY=VALUE"),
        ("--param steps=3", "has no parameter 'steps', only batch_size, data_uri"),
        ("--param train_steps=many", "train_steps takes a whole number, not 'many'"),
        ("--param train_steps=1.5", "train_steps takes a whole number, not '1.5'"),
        ("--param min_accuracy=high", "min_accuracy takes a number, not 'high'"),
        ("--param train_steps=0", "train_steps cannot be 0"),
        ("--param min_accuracy=1.5", "min_accuracy cannot be 1.5"),
        ("--version nothing", "the pipeline mnist has no version nothing"),
        ("--set name=other", "has no pipeline other: upload it"),
    ],
)
def test_submit_what_cannot_run(
    person: Person, server: ApiServer, uploaded: Path, options: str, problem: str
) -> None:
    assert problem in person.says(f"submit {options}", code=2).stderr
    assert not server.store.runs


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("fault", [unavailable, dropped])
@pytest.mark.parametrize("route", ["create_run", "create_experiment", "list_versions"])
def test_a_lost_answer_makes_no_second_run(
    server: ApiServer, uploaded: Path, fault: Callable, is_done: bool, route: str
) -> None:
    server.faults.append(fault(route, len(server.asked(route)) + 1, is_done=is_done))

    Person(("--host", server.url)).says("submit")

    assert len(server.store.runs) == 1
    assert len([e for e in server.store.experiments.values() if e.display_name == "mnist"]) == 1


def test_what_fails_for_good_is_said(server: ApiServer, uploaded: Path) -> None:
    server.faults.append(unavailable("create_run", times=1000))

    patient = at(server, "--set", "cluster.retry_seconds=1")
    said = patient.says("submit", code=1).stderr

    assert "fails, try again later: upstream connect error" in said
    assert "the run may have started all the same: before another one, see whether" in said
    assert len(server.asked("create_run")) > 1


class Life(threading.Thread):
    """Moves the only run on, while a command follows it."""

    def __init__(self, server: ApiServer, *steps: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._server, self._steps = server, steps

    def run(self) -> None:
        while not self._server.store.runs:
            time.sleep(0.01)
        (run_id,) = self._server.store.runs
        for step in self._steps:
            asked = len(self._server.asked("get_run"))
            self._server.now += datetime.timedelta(seconds=10)
            self._server.advance(run_id, step)
            while len(self._server.asked("get_run")) < asked + 2:  # so that it is seen
                time.sleep(0.01)


def leave_results(server: ApiServer, root: Path, refused: bool = False) -> None:
    """What the only run leaves in its store."""
    (run_id,) = server.store.runs
    Runs(root / "mnist").add(run_id, 0.75)
    if refused:
        (document,) = root.glob("mnist/*/comparison/*/comparison/comparison.json")
        content = json.loads(document.read_text())
        content["branches"]["lite"]["refusals"] = ["accuracy is 0.7500, 0.0500 below 0.8"]
        document.write_text(json.dumps(content))


class Finishing(Life):
    """As well, with results at the end."""

    def __init__(self, server: ApiServer, root: Path, refused: bool = False) -> None:
        super().__init__(
            server,
            {"data-fingerprint": RUNNING},
            {"example-validator": SUCCEEDED, "data-fingerprint": SUCCEEDED},
            {"transform": CACHED},
            {"trainer-lite": RUNNING, "trainer-keras": SUCCEEDED},
            dict.fromkeys(BEFORE_COMPARISON, SUCCEEDED),
        )
        self._root, self._refused = root, refused

    def run(self) -> None:
        super().run()
        (run_id,) = self._server.store.runs
        leave_results(self._server, self._root, self._refused)
        ends = ("comparison", "pusher-keras", "pusher-lite")
        self._server.advance(run_id, dict.fromkeys(ends, SUCCEEDED))


def test_follow(person: Person, server: ApiServer, uploaded: Path, tmp_path: Path) -> None:
    life = Finishing(server, tmp_path / "root")
    life.start()

    said = person.says("submit --follow --every 0.1").stdout

    life.join()
    lines = [line.split() for line in said.splitlines()]
    states = {line[0]: line[-1] for line in lines if len(line) in (2, 4)}
    assert states["transform"] == "cached"
    assert states["trainer-lite"] == states["pusher-keras"] == "succeeded"
    assert list(states).index("data-fingerprint") < list(states).index("comparison")
    assert ["lite", "0.7500"] in [line[:2] for line in lines]


def test_wait_shows_the_comparison_alone(
    person: Person, server: ApiServer, uploaded: Path, tmp_path: Path
) -> None:
    Finishing(server, tmp_path / "root").start()

    said = person.says("submit --wait --every 0.1").stdout

    assert "transform" not in said
    assert re.search(r"^lite +0\.7500", said, re.MULTILINE)


def test_a_refused_model_ends_with_4(
    person: Person, server: ApiServer, uploaded: Path, tmp_path: Path
) -> None:
    Finishing(server, tmp_path / "root", refused=True).start()

    said = person.says("submit --wait --every 0.1", code=4)

    assert "lite was not pushed: accuracy is 0.7500" in said.stderr
    assert re.search(r"^lite +0\.7500", said.stdout, re.MULTILINE)


def test_the_comparison_is_the_runs_own(
    person: Person, server: ApiServer, uploaded: Path, tmp_path: Path
) -> None:
    """As it was seen: a run whose tasks were cached ended as the newest run of another schedule."""
    root = tmp_path / "root"

    class Beside(Life):
        def run(self) -> None:
            super().run()
            (run_id,) = self._server.store.runs
            leave_results(self._server, root)
            Runs(root / "mnist").add("of-another-schedule", 0.31)
            self._server.advance(run_id, dict.fromkeys(("comparison", "pusher-lite"), SUCCEEDED))

    ends = dict.fromkeys(BEFORE_COMPARISON, CACHED) | {"pusher-keras": CACHED}
    Beside(server, {"data-fingerprint": SUCCEEDED}, ends).start()

    said = person.says("submit --wait --every 0.1").stdout

    assert re.search(r"^lite +0\.7500 .* yes$", said, re.MULTILINE)
    assert re.search(r"^keras +0\.7500 .* by an earlier run$", said, re.MULTILINE)
    assert "0.31" not in said


def test_a_failed_run(person: Person, server: ApiServer, uploaded: Path) -> None:
    Life(server, {"transform": SUCCEEDED}, {"trainer-lite": FAILED}).start()

    said = person.says("submit --follow --every 0.1", code=1)

    (run_id,) = server.store.runs
    assert f"the run {run_id} failed at trainer-lite: " in said.stderr
    assert f"tfx-mobile runs logs-hint {run_id}" in said.stderr
    assert re.search(r"^comparison +not run$", said.stdout, re.MULTILINE)


def test_a_run_cancelled_by_somebody_else_ends_the_waiting(
    person: Person, server: ApiServer, uploaded: Path
) -> None:
    class Cancelled(Life):
        def run(self) -> None:
            super().run()
            (run_id,) = self._server.store.runs
            kfp.Client(host=self._server.url).terminate_run(run_id)
            end_cancelled(self._server, run_id)

    Cancelled(server, {"transform": RUNNING}).start()

    assert "canceled" in person.says("submit --wait --every 0.1", code=1).stderr


def test_results_that_cannot_be_read(person: Person, server: ApiServer, uploaded: Path) -> None:
    def finish() -> None:
        while not server.store.runs:
            time.sleep(0.01)
        (run_id,) = server.store.runs
        server.advance(run_id, {}, "SUCCEEDED")

    threading.Thread(target=finish, daemon=True).start()

    said = person.says("submit --wait --every 0.1", code=2).stderr

    assert "succeeded, but its report cannot be read: no run of the pipeline is at" in said


def test_the_tasks_of_a_run_that_succeeded_are_waited_for(
    person: Person, server: ApiServer, uploaded: Path, tmp_path: Path
) -> None:
    """KFP stores the end of the run first, and that of its tasks up to .2 s later."""

    class Late(Life):
        def run(self) -> None:
            super().run()
            (run_id,) = self._server.store.runs
            leave_results(self._server, tmp_path / "root")
            self._server.now += datetime.timedelta(seconds=10)
            asked = len(self._server.asked("get_run"))
            pushers = dict.fromkeys(("pusher-keras", "pusher-lite"), CACHED)
            api_life.report_run(self._server.store, run_id, pushers, SUCCEEDED)
            while len(self._server.asked("get_run")) < asked + 2:
                time.sleep(0.01)
            api_life.report_tasks(self._server.store, run_id)

    life = Late(server, dict.fromkeys(("example-validator", "comparison"), SUCCEEDED))
    life.start()

    said = person.says("submit --follow --every 0.1").stdout

    life.join()
    assert "not run" not in said
    assert re.search(r"^pusher-lite +cached$", said, re.MULTILINE)


def started(server: ApiServer, *options: str) -> subprocess.Popen[str]:
    """A process that submits a run and waits for it."""
    command = [sys.executable, "-c", "from cli.main import main; main()", "submit", "--wait"]
    return subprocess.Popen(
        [*command, "--every", "0.2", "--host", server.url, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def following(server: ApiServer, *options: str) -> subprocess.Popen[str]:
    """A process that waits for a run, of which it has seen something."""
    process = started(server, *options)
    while len(server.asked("get_run")) < 2 and process.poll() is None:
        time.sleep(0.05)
    return process


def test_a_signal_while_the_run_is_created(server: ApiServer, uploaded: Path) -> None:
    """The run is there, and its answer did not come."""
    server.faults.append(unavailable("create_run", times=1000, is_done=True))
    server.faults.append(unavailable("list_runs", times=1000))
    process = started(server)
    while not server.store.runs and process.poll() is None:
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "the run may have started: tfx-mobile runs list shows it" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_run(server: ApiServer, uploaded: Path, number: int) -> None:
    process = following(server)

    process.send_signal(number)
    _, said = process.communicate(timeout=60)

    (run_id,) = server.store.runs
    assert process.returncode == 128 + number
    assert f"the run goes on: tfx-mobile runs show {run_id}" in said
    assert "Traceback" not in said
    assert not server.asked("terminate_run")


@pytest.mark.parametrize("fault", [unavailable, dropped])
def test_a_server_that_is_gone_leaves_the_run(
    server: ApiServer, uploaded: Path, fault: Callable
) -> None:
    process = following(server, "--set", "cluster.retry_seconds=1")

    server.faults.append(fault("get_run", times=1000))
    _, said = process.communicate(timeout=60)

    (run_id,) = server.store.runs
    assert process.returncode == 1
    assert len(said.splitlines()) == 1
    assert said.endswith(f"; the run goes on: tfx-mobile runs show {run_id} shows it\n")
    assert " object at 0x" not in said


def test_a_port_forward_that_has_ended_leaves_the_run(compiled: Path) -> None:
    with ApiServer() as server:
        at(server).says(f"upload {compiled}")
        process = following(server, "--set", "cluster.retry_seconds=1")
        (run_id,) = server.store.runs
    _, said = process.communicate(timeout=60)

    assert process.returncode == 1
    assert said == (
        f"tfx-mobile: no server answers at {server.url} (Connection refused): check the address, "
        f"and whether kubectl port-forward still runs; the run goes on: tfx-mobile runs show "
        f"{run_id} shows it\n"
    )


def test_a_store_that_is_gone_leaves_a_run_that_succeeded(
    server: ApiServer, person: Person, compiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = change(
        compiled,
        compiled.with_name("remote.yaml"),
        lambda spec: spec.update(defaultPipelineRoot="s3://mobile/root"),
    )
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    person.says(f"upload {remote}")
    ends = ("example-validator", "comparison", "pusher-keras", "pusher-lite")
    Life(server, dict.fromkeys(ends, SUCCEEDED)).start()

    said = person.says(
        f"submit --wait --every 0.1 --endpoint http://127.0.0.1:{port}", code=1
    ).stderr

    (run_id,) = server.store.runs
    assert f"the run {run_id} succeeded, but its report cannot be read: " in said
    assert f"then tfx-mobile report {run_id} shows it" in said
    assert "same command" not in said


def test_list(person: Person, server: ApiServer, uploaded: Path) -> None:
    first, second = submitted(person), submitted(person, "--name other")
    server.advance(first, {"trainer-lite": FAILED})

    rows = [line.split() for line in person.says("runs list").stdout.splitlines()[1:]]

    assert [row[0] for row in rows] == [second, first]
    assert [row[1] for row in rows] == ["other", "mnist"]
    assert "failed" in rows[1]
    assert "pending" in rows[0]


def test_list_of_this_pipeline_or_all(person: Person, server: ApiServer, uploaded: Path) -> None:
    run_id = submitted(person)
    other = uploaded.with_name("other.yaml")
    other.write_text(uploaded.read_text().replace("name: mnist\n", "name: other\n"))
    person.says(f"upload {other}")
    submitted(person, "--set name=other")

    mine = person.says("runs list").stdout.splitlines()[1:]
    everything = person.says("runs list --all").stdout.splitlines()[1:]

    assert [line.split()[0] for line in mine] == [run_id]
    assert len(everything) == 2


def test_list_turns_pages_and_stops(
    person: Person, server: ApiServer, uploaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_PAGE_SIZE", 2)
    ids = [submitted(person) for _ in range(5)]

    def listed(limit: int) -> list[str]:
        lines = person.says(f"runs list --limit {limit}").stdout.splitlines()[1:]
        return [line.split()[0] for line in lines]

    assert listed(20) == ids[::-1]
    before = len(server.asked("list_runs"))
    assert listed(3) == ids[:1:-1]
    assert len(server.asked("list_runs")) == before + 2


def test_a_list_of_many_runs_takes_few_requests(
    person: Person, server: ApiServer, uploaded: Path
) -> None:
    """1,000 runs take turns among six versions of two pipelines; half belong to the listed one."""
    for name in ("mnist", "other"):
        for number in range(2 + (name == "other")):
            file = change(
                uploaded,
                uploaded.with_name("more.yaml"),
                lambda spec, name=name, number=number: (
                    spec["pipelineInfo"].update(name=name),
                    spec["root"]["inputDefinitions"]["parameters"]["train_steps"].update(
                        defaultValue=number + 1
                    ),
                ),
            )
            person.says(f"upload {file}")
    versions = list(server.store.versions.values())
    assert len(versions) == 6
    runs = ServerRuns(server.store)
    for number in range(1000):
        version = versions[number % 6]
        reference = made(
            "V2beta1PipelineVersionReference",
            pipeline_id=version.pipeline_id,
            pipeline_version_id=version.pipeline_version_id,
        )
        spec = server.store.specs[version.pipeline_version_id]
        runs.add(spec, reference, display_name=f"run {number}", experiment_id="e")

    def listed(options: str) -> tuple[list[list[str]], int]:
        before = len(server.requests)
        said = person.says(f"runs list {options}").stdout.splitlines()[1:]
        return [line.split() for line in said], len(server.requests) - before - CONNECTING

    rows, requests = listed("--limit 1000")
    assert [row[2] for row in rows[:3]] == ["998", "997", "996"]
    assert len(rows) == 501
    assert requests == 1 + 10 + 1  # the pipeline, the pages of all runs, the versions

    rows, requests = listed("--all --limit 1000")
    assert len(rows) == 1000
    assert {row[-1] for row in rows} == {version.display_name for version in versions}
    assert requests == 10 + 2

    rows, requests = listed("--all")
    assert len(rows) == 20
    assert requests == 1 + 2
    assert server.asked("list_runs")[-1].query["page_size"] == "20"


def test_no_runs(person: Person, uploaded: Path) -> None:
    assert person.says("runs list").stdout == "no runs\n"


def test_show(person: Person, server: ApiServer, uploaded: Path, tmp_path: Path) -> None:
    run_id = submitted(person, "--param train_steps=300")
    up_to_transform(server, run_id, CACHED)
    server.advance(run_id, {"trainer-keras": RUNNING, "trainer-lite": FAILED}, "RUNNING")

    said = person.says(f"runs show {run_id}").stdout

    shown = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.strip()}
    assert shown["parameters"] == ["train_steps=300"]
    assert shown["artifacts"] == [f"{tmp_path}/root/mnist/{run_id}"]
    assert shown["transform"] == ["cached"]
    assert shown["trainer-keras"][0] == "running"
    assert shown["trainer-lite"][0] == "failed"
    assert shown["comparison"] == ["pending"]
    assert "executor" not in shown
    assert "root-driver" not in shown


def test_show_a_run_whose_version_was_deleted(
    person: Person, server: ApiServer, uploaded: Path
) -> None:
    run_id = submitted(person)
    server.advance(run_id, {"transform": SUCCEEDED})
    server.store.versions.clear()

    said = person.says(f"runs show {run_id}").stdout

    assert "never uploaded, or deleted" in said
    assert re.search(r"^transform +succeeded", said, re.MULTILINE)


def test_cancel(person: Person, server: ApiServer, uploaded: Path) -> None:
    run_id = submitted(person)
    server.advance(run_id, {"transform": RUNNING})

    assert "is being cancelled" in person.says(f"runs cancel {run_id}").stdout

    assert run_of(server, run_id).state == "CANCELING"
    assert "is being cancelled" in person.says(f"runs cancel {run_id}").stdout
    end_cancelled(server, run_id)
    assert "had ended already: canceled" in person.says(f"runs cancel {run_id}").stdout
    assert len(server.asked("terminate_run")) == 1


@pytest.mark.parametrize("command", ["show", "cancel", "logs-hint"])
def test_an_unknown_run(person: Person, uploaded: Path, command: str) -> None:
    said = person.says(f"runs {command} 00000000-0000-0000-0000-000000000000", code=2)

    assert "has no run 00000000-0000-0000-0000-000000000000" in said.stderr


def test_logs_hint(person: Person, server: ApiServer, uploaded: Path, tmp_path: Path) -> None:
    run_id = submitted(person)
    server.advance(run_id, {"trainer-lite": FAILED, "trainer-keras": SUCCEEDED})

    said = person.says(f"runs logs-hint {run_id}").stdout.splitlines()

    assert said[0].startswith("# trainer-lite")
    assert f"-l pipeline/runid={run_id}" in said[1]
    assert said[1].startswith("kubectl -n kubeflow logs -c main ")
    assert said[2] == f"tfx-mobile data ls {tmp_path}/root/mnist/{run_id}/trainer-lite"
    assert len(said) == 3


def test_logs_hint_where_nothing_failed(person: Person, server: ApiServer, uploaded: Path) -> None:
    run_id = submitted(person)

    assert "no task of mnist" in person.says(f"runs logs-hint {run_id}").stdout
    said = person.says(f"runs logs-hint {run_id} trainer", code=2).stderr
    assert "the run has no task 'trainer', only data, data-fingerprint" in said


def test_report_of_a_run(person: Person, server: ApiServer, uploaded: Path, tmp_path: Path) -> None:
    run_id = submitted(person)
    up_to_transform(server, run_id, CACHED)
    server.advance(run_id, {"trainer-keras": RUNNING})
    server.now += datetime.timedelta(seconds=30)
    server.advance(run_id, {}, "SUCCEEDED")
    leave_results(server, tmp_path / "root")

    said = person.says(f"report {run_id} -o {tmp_path / 'out'}").stdout

    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["branches"]["lite"]["accuracy"] == 0.75
    assert report["cached"] == ["transform"]
    assert report["seconds"]["trainer-keras"] == 30
    assert "transform" not in report["seconds"]
    assert "<html" in (tmp_path / "out/report.html").read_text()
    assert re.search(r"^lite +0\.7500", said, re.MULTILINE)


def test_report_of_a_run_that_has_not_come_to_it(
    person: Person, server: ApiServer, uploaded: Path, tmp_path: Path
) -> None:
    run_id = submitted(person)
    (tmp_path / "root").mkdir()

    said = person.says(f"report {run_id} -o {tmp_path / 'out'}", code=2).stderr

    assert "no run of the pipeline is at" in said
    assert not (tmp_path / "out").exists()
