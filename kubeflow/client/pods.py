"""The kubectl commands that show what KFP's API does not have: logs, events and messages.

KFP labels its pods and workflows with the run. Which task a pod is of, only Argo's annotation
tells: `WORKFLOW.root.TASK.executor`, with an attempt such as `(0)` after each name where Argo
retries (KFP 2.17 by default).
"""

import shlex

from kubeflow.client.tasks import Pod, Task

_ATTEMPT = r"(\([0-9]+\))?"
_NODE_NAME = r"'.metadata.annotations.workflows\.argoproj\.io/node-name'"


def logs(run_id: str, task: Task, namespace: str) -> str:
    """The command that prints the logs of a task's newest pod."""
    return f"{_kubectl(namespace)} logs -c main {_newest_pod(run_id, task, namespace)}"


def events(run_id: str, task: Task, namespace: str) -> str:
    """The command that tells why a task's pod has not started."""
    return f"{_kubectl(namespace)} describe pod {_newest_pod(run_id, task, namespace)}"


def message(run_id: str, namespace: str) -> str:
    """The command that prints what Argo says of the whole run."""
    return (
        f"{_kubectl(namespace)} get workflows -l pipeline/runid={run_id} "
        "-o custom-columns=WORKFLOW:.metadata.name,PHASE:.status.phase,MESSAGE:.status.message"
    )


def _newest_pod(run_id: str, task: Task, namespace: str) -> str:
    return (
        f"$({_kubectl(namespace)} get pods -l pipeline/runid={run_id} "
        "--sort-by=.metadata.creationTimestamp --no-headers "
        f"-o custom-columns=POD:.metadata.name,NODE:{_NODE_NAME} "
        f"| awk '$2 ~ /{_pattern(task)}/ {{pod = $1}} END {{print pod}}')"
    )


def _pattern(task: Task) -> str:
    """The end of the name of the node that is the pod."""
    ending = {
        Pod.DRIVER: rf"-driver{_ATTEMPT}",
        Pod.EXECUTOR: rf"{_ATTEMPT}\.executor{_ATTEMPT}",
        Pod.OWN: _ATTEMPT,
    }
    return rf"\.{task.name}{ending[task.pod]}$"


def _kubectl(namespace: str) -> str:
    return f"kubectl -n {shlex.quote(namespace or 'kubeflow')}"
