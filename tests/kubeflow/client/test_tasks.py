"""What is said of a run whose tasks fail, wait or are cancelled, on the oldest and the newest KFP.

The two differ: KFP 2.17 gives every node of Argo's workflow attempts, KFP 2.5 none.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeflow.client import runs
from tests.kubeflow.client import api_life
from tests.kubeflow.client.api_life import (
    CACHED,
    DRIVER_FAILED,
    DRIVER_PENDING,
    FAILED,
    PENDING,
    RETRIED,
    RUNNING,
    SKIPPED,
    SUCCEEDED,
)
from tests.kubeflow.client.api_server import ApiServer
from tests.kubeflow.client.api_store import NEW, OLD
from tests.kubeflow.client.conftest import Person

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=[OLD, NEW])
def server(request: pytest.FixtureRequest) -> Iterator[ApiServer]:
    with ApiServer(release=request.param) as running:
        yield running


@pytest.fixture
def run_id(person: Person, server: ApiServer, uploaded: Path) -> str:
    person.says("submit")
    return next(iter(server.store.runs))


def pass_seconds(server: ApiServer) -> None:
    server.now += server.store.step * 10


def shown(person: Person, run_id: str) -> dict[str, str]:
    """What `runs show` says of each task, without its time."""
    table = person.says(f"runs show {run_id}").stdout.partition("\n\n")[2]
    rows = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()[1:]]
    return {row[0]: row[1] for row in rows if len(row) > 1}


def test_the_nodes_of_pods_are_named_as_argo_does(server: ApiServer, run_id: str) -> None:
    """The first name was seen on a real KFP 2.17, but for the workflow's own."""
    server.advance(run_id, {"example-gen": RUNNING})
    workflow = server.store.workflows[run_id]

    nodes = list(api_life.pods(server.store, run_id))

    if server.release == NEW:
        assert f"{workflow}(0).root(0).data-fingerprint(0).executor(0)" in nodes
        assert f"{workflow}(0).root(0).data(0)" in nodes
    else:
        assert f"{workflow}.root.data-fingerprint.executor" in nodes
        assert f"{workflow}.root.data" in nodes


def test_a_driver_that_fails(person: Person, server: ApiServer, run_id: str) -> None:
    server.advance(run_id, {"data-fingerprint": DRIVER_FAILED})

    states = shown(person, run_id)

    assert server.store.runs[run_id].state == FAILED
    assert states["data-fingerprint"] == "failed: its driver failed"
    assert states["example-gen"] == states["comparison"] == "not run"


def test_the_driver_of_the_run_fails(person: Person, server: ApiServer, run_id: str) -> None:
    server.advance(run_id, {}, FAILED)

    states = shown(person, run_id)

    assert states["root-driver"] == "failed: so no task could start"
    assert states["data-fingerprint"] == "not run"


def test_a_run_that_failed_without_a_node_that_did(
    person: Person, server: ApiServer, run_id: str
) -> None:
    """Argo refused the workflow: only the workflow itself says why."""
    run = server.store.runs[run_id]
    run.state = FAILED

    said = person.says(f"runs logs-hint {run_id}").stdout

    assert "failed and KFP names no task" in said
    assert f"kubectl -n kubeflow get workflows -l pipeline/runid={run_id} -o custom-co" in said


def test_a_pod_that_cannot_start(person: Person, server: ApiServer, run_id: str) -> None:
    server.advance(run_id, {"transform": PENDING})

    assert shown(person, run_id)["transform"] == "pending: its pod has not started"
    assert "why its pod has not started" in person.says(f"runs logs-hint {run_id}").stdout

    pass_seconds(server)
    server.advance(run_id, {"transform": RUNNING})
    assert shown(person, run_id)["transform"] == "running"


def test_a_driver_that_cannot_start(person: Person, server: ApiServer, run_id: str) -> None:
    server.advance(run_id, {"transform": DRIVER_PENDING})

    assert shown(person, run_id)["transform"] == "pending: its driver's pod has not started"


def test_an_importer_that_cannot_start(person: Person, server: ApiServer, run_id: str) -> None:
    server.advance(run_id, {"data": PENDING})

    assert shown(person, run_id)["data"] == "pending: its pod has not started"


def test_the_pod_that_waits_is_told_by_its_start(
    person: Person, server: ApiServer, run_id: str
) -> None:
    server.advance(run_id, {"trainer-keras": RUNNING})
    pass_seconds(server)
    server.advance(run_id, {"trainer-lite": PENDING})

    states = shown(person, run_id)

    assert states["trainer-keras"] == "running"
    assert states["trainer-lite"] == "pending: its pod has not started"


def test_pods_of_one_second_cannot_be_told_apart(
    person: Person, server: ApiServer, run_id: str
) -> None:
    server.advance(run_id, {"trainer-keras": RUNNING, "trainer-lite": PENDING})

    states = shown(person, run_id)

    note = "1 of the pods of trainer-keras, trainer-lite has not started"
    assert states["trainer-keras"] == states["trainer-lite"] == f"running: {note}"


@pytest.mark.parametrize("server", [NEW], indirect=True)
def test_a_second_attempt_waits(person: Person, server: ApiServer, run_id: str) -> None:
    """The first was lost; another task has started in between. KFP 2.5 does not retry."""
    server.advance(run_id, {"trainer-keras": RUNNING})
    pass_seconds(server)
    server.advance(run_id, {"trainer-lite": RUNNING})
    pass_seconds(server)
    server.advance(run_id, {"trainer-keras": RETRIED})

    states = shown(person, run_id)

    assert states["trainer-keras"] == "pending: its pod has not started"
    assert states["trainer-lite"] == "running"


def test_tasks_of_a_cancelled_run(person: Person, server: ApiServer, run_id: str) -> None:
    server.advance(run_id, {"trainer-keras": RUNNING, "statistics-gen": RUNNING})
    pass_seconds(server)
    server.advance(run_id, {"trainer-lite": PENDING, "statistics-gen": FAILED})
    pass_seconds(server)
    person.says(f"runs cancel {run_id}")
    server.advance(run_id, {})
    assert shown(person, run_id)["trainer-keras"] == "running"
    pass_seconds(server)
    server.advance(run_id, {}, FAILED)

    states = shown(person, run_id)

    assert states["transform"] == "succeeded"
    assert states["trainer-keras"] == "canceled"
    assert states["trainer-lite"] == "not run"  # its pod never ran
    assert states["statistics-gen"] == "failed"  # before
    assert states["evaluator-keras"] == states["comparison"] == "not run"


def test_a_run_cancelled_while_a_driver_and_an_importer_wait(
    person: Person, server: ApiServer, run_id: str
) -> None:
    server.advance(run_id, {"data-fingerprint": DRIVER_PENDING, "data": PENDING})
    person.says(f"runs cancel {run_id}")
    server.advance(run_id, {})
    pass_seconds(server)
    server.advance(run_id, {}, FAILED)

    assert set(shown(person, run_id).values()) == {"not run"}
    assert "no task of mnist" in person.says(f"runs logs-hint {run_id}").stdout


def test_a_task_whose_condition_does_not_hold(
    person: Person, server: ApiServer, run_id: str
) -> None:
    server.advance(run_id, {"statistics-gen": SKIPPED, "transform": RUNNING}, RUNNING)

    assert shown(person, run_id)["statistics-gen"] == "not run"


def test_tasks_of_a_deleted_version(person: Person, server: ApiServer, run_id: str) -> None:
    """Only the nodes tell then which tasks there are."""
    server.advance(run_id, {"statistics-gen": SUCCEEDED})
    pass_seconds(server)
    server.advance(run_id, {"schema-gen": CACHED})
    pass_seconds(server)
    server.advance(run_id, {"transform": DRIVER_FAILED})
    server.store.versions.clear()

    states = shown(person, run_id)

    assert states["transform"] == "failed: its driver failed"
    assert states["example-gen"] == "succeeded"
    assert states["schema-gen"] == "cached"
    assert not {"executor", "root", "root-driver", "transform-driver"} & set(states)
    assert not [name for name in states if "(" in name or name.startswith("mnist")]


@pytest.mark.parametrize("command", ["show", "logs-hint"])
def test_the_end_of_a_run_comes_before_that_of_its_tasks(
    person: Person, server: ApiServer, run_id: str, command: str
) -> None:
    server.advance(run_id, {"trainer-lite": RUNNING})
    api_life.report_run(server.store, run_id, {"trainer-lite": FAILED})
    before = len(server.asked("get_run"))
    original = server._get_run

    def get_run(asked, request, key):
        if len(server.asked("get_run")) == before + 3:
            api_life.report_tasks(server.store, run_id)
        return original(asked, request, key)

    server._get_run = get_run

    said = person.says(f"runs {command} {run_id}").stdout

    assert re.search(r"^(trainer-lite .*failed|# trainer-lite: )", said, re.MULTILINE)
    assert len(server.asked("get_run")) == before + 3


def test_tasks_that_never_end_are_not_waited_for_without_end(
    person: Person, server: ApiServer, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Argo leaves nodes running where it cannot go on with a workflow."""
    monkeypatch.setattr(runs, "_SETTLE_SECONDS", 0.5)
    server.advance(run_id, {"trainer-lite": RUNNING})
    api_life.report_run(server.store, run_id, {"trainer-lite": FAILED})

    assert shown(person, run_id)["trainer-lite"] == "running"
    assert "KFP names no task" in person.says(f"runs logs-hint {run_id}").stdout
