"""As much of Kubernetes' API as kubectl needs to list Jobs, and to show pods of KFP."""

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
_READ = ["get", "list"]
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
        "resources": [
            {
                "name": "pods",
                "singularName": "pod",
                "namespaced": True,
                "kind": "Pod",
                "verbs": _READ,
            }
        ],
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
                "verbs": _READ,
            }
        ],
    },
}
_PODS = "/api/v1/namespaces/kubeflow/pods"


@dataclasses.dataclass(frozen=True)
class Pod:
    """A pod of a task, as Argo makes it for KFP."""

    name: str
    run_id: str
    node: str
    """Name of the node in Argo's workflow."""
    created: str
    """Moment in RFC 3339."""
    has_started: bool = True

    def document(self) -> dict[str, Any]:
        waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
        state = {"running": {}} if self.has_started else {"waiting": waiting}
        return {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {
                "name": self.name,
                "namespace": "kubeflow",
                "creationTimestamp": self.created,
                "labels": {"pipeline/runid": self.run_id},
                "annotations": {"workflows.argoproj.io/node-name": self.node},
            },
            "spec": {"containers": [{"name": name} for name in ("main", "wait")]},
            "status": {
                "phase": "Running" if self.has_started else "Pending",
                "containerStatuses": [
                    {"name": name, "state": state, "ready": self.has_started, "restartCount": 0}
                    for name in ("main", "wait")
                ],
            },
        }


@dataclasses.dataclass
class KubernetesApi:
    """A running server.

    Attributes:
      answers: The conditions of each Job by name; an answer for each time that somebody lists the
        Jobs of the namespace `kubeflow`, the last one for ever.
      selectors: What was asked for each time.
      pods: The pods of the namespace `kubeflow`, in any order.
      port: Of the loopback interface.
    """

    answers: list[dict[str, list[str]]]
    selectors: list[str] = dataclasses.field(default_factory=list)
    pods: list[Pod] = dataclasses.field(default_factory=list)
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

    def answer(self, path: str, query: dict[str, list[str]]) -> dict[str, Any] | str | None:
        """The answer to a request; None where there is nothing."""
        selector = query.get("labelSelector", [""])[0]
        if path == "/apis/batch/v1/namespaces/kubeflow/jobs":
            return self.jobs(selector)
        if path == _PODS:
            items = [
                pod.document() for pod in self.pods if selector == f"pipeline/runid={pod.run_id}"
            ]
            return {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}
        if path == "/api/v1/namespaces/kubeflow/events":
            return {"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": []}
        for pod in self.pods:
            if path == f"{_PODS}/{pod.name}":
                return pod.document()
            if path == f"{_PODS}/{pod.name}/log":
                return f"{query['container'][0]} of {pod.node}\n"
        return _DISCOVERY.get(path)


@contextlib.contextmanager
def serving(*answers: dict[str, list[str]]) -> Iterator[KubernetesApi]:
    """Serves Jobs with these conditions."""
    api = KubernetesApi(list(answers))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            answer = api.answer(url.path, parse_qs(url.query))
            is_text = isinstance(answer, str)
            body = answer if is_text else json.dumps(answer or {"kind": "Status"})
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Type", "text/plain" if is_text else "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

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
