"""As much of Kubernetes' API as kubectl needs to list Jobs."""

import contextlib
import dataclasses
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

CONTEXT = "kind-tests"
_DISCOVERY: dict[str, Any] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {
                "name": "batch",
                "versions": [{"groupVersion": "batch/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "batch/v1", "version": "v1"},
            }
        ],
    },
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [{"name": "pods", "namespaced": True, "kind": "Pod", "verbs": ["list"]}],
    },
    "/apis/batch/v1": {
        "kind": "APIResourceList",
        "groupVersion": "batch/v1",
        "resources": [
            {
                "name": "jobs",
                "singularName": "job",
                "namespaced": True,
                "kind": "Job",
                "verbs": ["get", "list"],
            }
        ],
    },
    "/api/v1/namespaces/kubeflow/pods": {"kind": "PodList", "apiVersion": "v1", "items": []},
}


@dataclasses.dataclass
class KubernetesApi:
    """A running server.

    Attributes:
      answers: The conditions of each Job by name; an answer for each time that somebody lists the
        Jobs of the namespace `kubeflow`, the last one for ever.
      selectors: What was asked for each time.
      port: Of the loopback interface.
    """

    answers: list[dict[str, list[str]]]
    selectors: list[str] = dataclasses.field(default_factory=list)
    port: int = 0

    def configuration(self, file: Path) -> Path:
        """Writes a configuration of kubectl with this server as CONTEXT."""
        server = {"server": f"http://127.0.0.1:{self.port}"}
        document = {
            "kind": "Config",
            "apiVersion": "v1",
            "clusters": [{"name": "tests", "cluster": server}],
            "contexts": [{"name": CONTEXT, "context": {"cluster": "tests", "user": ""}}],
        }
        file.write_text(json.dumps(document))
        return file

    def jobs(self, selector: str) -> dict[str, Any]:
        """The answer to a listing."""
        self.selectors.append(selector)
        answer = self.answers[min(len(self.selectors), len(self.answers)) - 1]
        items = [
            {
                "kind": "Job",
                "apiVersion": "batch/v1",
                "metadata": {"name": name, "namespace": "kubeflow"},
                "status": {"conditions": [{"type": c, "status": "True"} for c in conditions]},
            }
            for name, conditions in answer.items()
        ]
        return {"kind": "JobList", "apiVersion": "batch/v1", "metadata": {}, "items": items}


@contextlib.contextmanager
def serving(*answers: dict[str, list[str]]) -> Iterator[KubernetesApi]:
    """Serves Jobs with these conditions."""
    api = KubernetesApi(list(answers))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path == "/apis/batch/v1/namespaces/kubeflow/jobs":
                document = api.jobs(parse_qs(url.query)["labelSelector"][0])
            else:
                document = _DISCOVERY.get(url.path)
            self.send_response(200 if document else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(document or {"kind": "Status"}).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
