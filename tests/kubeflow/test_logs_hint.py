"""The commands of `tfx-mobile runs logs-hint`, by the real kubectl, with the pods of a run."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubeflow import kubernetes_api
from tests.kubeflow.client import api_life
from tests.kubeflow.client.api_life import (
    DRIVER_FAILED,
    DRIVER_PENDING,
    FAILED,
    PENDING,
    RETRIED,
    SUCCEEDED,
)
from tests.kubeflow.client.api_models import timestamp
from tests.kubeflow.client.api_server import ApiServer
from tests.kubeflow.client.api_store import NEW, OLD
from tests.kubeflow.client.conftest import (
    Person,
    _nothing_from_outside,
    compiled,
    person,
    uploaded,
)

__all__ = ["_nothing_from_outside", "compiled", "person", "uploaded"]

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(params=[OLD, NEW])
def server(request: pytest.FixtureRequest) -> Iterator[ApiServer]:
    with ApiServer(release=request.param) as running:
        yield running


@pytest.fixture
def run_id(person: Person, server: ApiServer, uploaded: Path) -> str:
    person.says("submit")
    return next(iter(server.store.runs))


def hinted(person: Person, server: ApiServer, tmp_path: Path, command: str) -> list[str]:
    """What kubectl prints for each command of a hint, on a cluster with the pods of the run."""
    if not shutil.which("kubectl"):
        assert os.environ.get("CI") != "true"
        pytest.skip("there is no kubectl on PATH")
    hints = person.says(command).stdout.splitlines()
    (run_id,) = server.store.runs
    pods = [
        kubernetes_api.Pod(
            f"mnist-{number}",
            run_id,
            node,
            timestamp(server.now + number * server.store.step),
            has_started=state != PENDING,
        )
        for number, (node, state) in enumerate(api_life.pods(server.store, run_id).items())
    ]
    another = kubernetes_api.Pod("mnist-x", "another-run", pods[-1].node, timestamp(server.now))
    with kubernetes_api.serving({}) as api:
        api.pods = [*pods[::-1], another]
        environment = {
            **os.environ,
            "KUBECONFIG": str(api.configuration(tmp_path / "kubectl.json")),
            "PATH": f"{context_of(tmp_path)}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
        }
        return [
            subprocess.run(
                ["sh", "-c", hint], env=environment, capture_output=True, text=True, check=True
            ).stdout
            for hint in hints
            if hint.startswith("kubectl")
        ]


def context_of(tmp_path: Path) -> Path:
    """A directory with a kubectl that has the tests' context, as a user chose one."""
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir(exist_ok=True)
    script = bin_directory / "kubectl"
    kubectl = shutil.which("kubectl")
    script.write_text(f'#!/bin/sh\nexec {kubectl} --context {kubernetes_api.CONTEXT} "$@"\n')
    script.chmod(0o755)
    return bin_directory


def ending_of(node: str) -> str:
    """The last names of a node, without attempts."""
    return re.sub(r"\(\d+\)", "", node.strip()).partition(".root.")[2]


def test_logs_of_a_failed_task(
    person: Person, server: ApiServer, run_id: str, tmp_path: Path
) -> None:
    server.advance(run_id, {"trainer-lite": FAILED, "trainer-keras": SUCCEEDED})

    (printed,) = hinted(person, server, tmp_path, f"runs logs-hint {run_id}")

    assert printed.startswith("main of ")
    assert ending_of(printed) == "trainer-lite.executor"


def test_logs_of_an_importer(person: Person, server: ApiServer, run_id: str, tmp_path) -> None:
    server.advance(run_id, {"data": FAILED})

    (printed,) = hinted(person, server, tmp_path, f"runs logs-hint {run_id}")

    assert ending_of(printed) == "data"
    assert "tfx-mobile data ls" not in person.says(f"runs logs-hint {run_id}").stdout


def test_logs_of_a_driver(person: Person, server: ApiServer, run_id: str, tmp_path: Path) -> None:
    server.advance(run_id, {"data-fingerprint": DRIVER_FAILED})

    (printed,) = hinted(person, server, tmp_path, f"runs logs-hint {run_id}")

    assert ending_of(printed) == "data-fingerprint-driver"


def test_logs_of_the_driver_of_the_run(
    person: Person, server: ApiServer, run_id: str, tmp_path: Path
) -> None:
    server.advance(run_id, {}, FAILED)

    (printed,) = hinted(person, server, tmp_path, f"runs logs-hint {run_id}")

    assert printed.replace("(0)", "").strip().endswith(".root-driver")


@pytest.mark.parametrize("state", [PENDING, DRIVER_PENDING])
def test_why_a_pod_does_not_start(
    person: Person, server: ApiServer, run_id: str, tmp_path: Path, state: str
) -> None:
    server.advance(run_id, {"transform": state})

    (printed,) = hinted(person, server, tmp_path, f"runs logs-hint {run_id}")

    assert "ImagePullBackOff" in printed
    node = re.search(r"node-name: *(\S+)", printed)[1]
    assert ending_of(node) == ("transform.executor" if state == PENDING else "transform-driver")


@pytest.mark.parametrize("server", [NEW], indirect=True)
def test_the_newest_attempt(person: Person, server: ApiServer, run_id: str, tmp_path: Path) -> None:
    server.advance(run_id, {"transform": RETRIED})

    (printed,) = hinted(person, server, tmp_path, f"runs logs-hint {run_id}")

    assert re.search(r"node-name: *(\S+)", printed)[1].endswith(".transform(0).executor(1)")
