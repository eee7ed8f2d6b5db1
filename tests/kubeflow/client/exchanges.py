"""The recorder of exchanges with KFP's real API server.

    python -m tests.kubeflow.client.exchanges http://HOST:PORT DIRECTORY

records each scenario of `scenarios` that fits the server in `DIRECTORY/SCENARIO.json`. The server
must be empty, and is emptied afterwards. `test_recorded` sends the same to the tests' own server.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from tests.kubeflow.client.exchange import API, Recorder, Request, send, write
from tests.kubeflow.client.scenarios import NAMESPACE, SCENARIOS, USER


def main(url: str, directory: Path) -> None:
    """Record the scenarios for a server of one user or of many, whichever this one is."""
    is_multi_user = send(url, Request("GET", f"{API}/healthz")).body.get("multi_user", False)
    user = USER if is_multi_user else ""
    if found := next(_content(url, user), None):
        _stop(f"{url} is not empty, and its content would be deleted: {found}")
    directory.mkdir(parents=True, exist_ok=True)
    for scenario in SCENARIOS[is_multi_user]:
        recorder = Recorder(url, _next_second)
        scenario(recorder)
        file = directory / f"{scenario.__name__}.json"
        write(file, recorder.exchanges)
        for path in list(_content(url, user)):
            send(url, Request("DELETE", path, user=user))
        print(f"{file}: {len(recorder.exchanges)} exchanges")


def _content(url: str, user: str) -> Iterator[str]:
    """Paths of everything but the default experiment, in an order in which it can be deleted."""

    def listed(path: str, field: str, namespace: str) -> list[Any]:
        query = {"page_size": "200", "namespace": namespace}
        body = send(url, Request("GET", f"{API}/{path}", query, user=user)).body
        return list(body.get(field) or [])

    namespace = NAMESPACE if user else ""
    for run in listed("recurringruns", "recurringRuns", namespace):
        yield f"{API}/recurringruns/{run['recurring_run_id']}"
    for run in listed("runs", "runs", namespace):
        yield f"{API}/runs/{run['run_id']}"
    for experiment in listed("experiments", "experiments", namespace):
        if experiment["display_name"] != "Default":
            yield f"{API}/experiments/{experiment['experiment_id']}"
    for owner in {"", namespace}:
        for pipeline in listed("pipelines", "pipelines", owner):
            path = f"pipelines/{pipeline['pipeline_id']}"
            for version in listed(f"{path}/versions", "pipeline_versions", ""):
                yield f"{API}/{path}/versions/{version['pipeline_version_id']}"
            yield f"{API}/{path}"


def _next_second() -> None:
    """Sleep until a second begins, because the server's times have no fractions."""
    time.sleep(1.05 - time.time() % 1)


def _stop(message: str) -> NoReturn:
    sys.exit(f"exchanges: {message}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        _stop("give the address of a server and a directory")
    main(sys.argv[1].rstrip("/"), Path(sys.argv[2]))
