"""The tasks of a run, read from the nodes of Argo's workflow that KFP's API reports.

For a task `T` the API has the nodes `T-driver` and `T`, and for T's pod one that is always called
`executor`; an importer's pod is `T` itself. Where Argo retries (KFP 2.17 by default), each of them
is one node for all attempts, which runs as long as any attempt may, beside `NAME(0)`, `NAME(1)`,
... for the attempts. The API gives neither a node's own id nor its parent (`toModelTasks` and
`toApiPipelineTaskDetail` in KFP's API server), so an executor is assigned to its task by its times.
"""

import dataclasses
import datetime
import enum
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubeflow.client.states import State, happened, now, state_named
from kubeflow.package import Package

ROOT_DRIVER = "root-driver"
"""The node that starts a run: no task of the pipeline, but nothing starts without it."""

_ATTEMPT = re.compile(r"\(\d+\)$")
_EXECUTOR = "executor"


class Pod(enum.Enum):
    """The pod from which a task has its state."""

    DRIVER = "driver"
    EXECUTOR = "executor"
    OWN = "own"
    """The node of the task is its pod: an importer, or the driver of the run."""


@dataclasses.dataclass(frozen=True)
class Task:
    """One task of a run.

    Attributes:
      name: Name in the pipeline, or ROOT_DRIVER.
      state: State of the task.
      seconds: Duration so far, with its pod's start; None where it has not started.
      note: What else is known of the state; empty if nothing.
      pod: The pod to look at.
    """

    name: str
    state: State
    seconds: float | None = None
    note: str = ""
    pod: Pod = Pod.EXECUTOR

    @property
    def is_cached(self) -> bool:
        """Whether KFP's cache answered."""
        return self.state is State.CACHED

    @property
    def waits_for_its_pod(self) -> bool:
        """Whether its pod has not started, or may be one of those that have not."""
        return self.state in (State.PENDING, State.RUNNING) and bool(self.note)

    @property
    def is_in_trouble(self) -> bool:
        """Whether it failed, or its pod has not started."""
        return self.state is State.FAILED or self.waits_for_its_pod


def are_stale(details: Sequence[Any], state: State) -> bool:
    """Whether the nodes are older than the state of their run, which has ended.

    KFP stores the one after the other (`reportWorkflow` in its API server). Until then the nodes of
    the workflow itself go on.
    """
    if not details:
        return state is State.SUCCEEDED
    return any(detail.state in ("PENDING", "RUNNING") for detail in details)


def read(
    package: Package,
    details: Sequence[Any],
    is_over: bool,
    cancelled: datetime.datetime | None = None,
) -> list[Task]:
    """The tasks in an order in which they can run, each with its state.

    Args:
      package: The pipeline; one without tasks stands for a version that was deleted.
      details: The nodes.
      is_over: Whether the run has ended.
      cancelled: When KFP noticed that the run was cancelled, if it was.
    """
    nodes = _Nodes(details, cancelled)
    names = package.tasks or nodes.guess_names()
    tasks = [
        *nodes.root_driver(),
        *(nodes.task(name, is_over, package.is_importer(name)) for name in names),
    ]
    return nodes.mark_without_pod(nodes.mark_pending(nodes.mark_cached(tasks)))


_NOT_STARTED = "its pod has not started"


class _Nodes:
    """The nodes of a run."""

    def __init__(self, details: Sequence[Any], cancelled: datetime.datetime | None) -> None:
        self._details = details
        self._by_name: Mapping[str, Any] = {detail.display_name: detail for detail in details}
        self._cancelled = cancelled
        attempts = [d for d in details if _ATTEMPT.sub("", d.display_name) == _EXECUTOR]
        are_retried = any(_ATTEMPT.search(detail.display_name) for detail in attempts)
        self._executors = [
            detail
            for detail in attempts
            if bool(_ATTEMPT.search(detail.display_name)) == are_retried
        ]

    def guess_names(self) -> list[str]:
        """The names of the tasks where only the nodes tell."""
        # The name of the workflow begins the ids of its nodes.
        ids = {child.pod_name for detail in self._details for child in detail.child_tasks or []}
        plumbing = {"root", _EXECUTOR, *(node_id.rpartition("-")[0] for node_id in ids)}
        nodes = sorted(self._details, key=lambda detail: detail.start_time)
        names = [_ATTEMPT.sub("", n.display_name).removesuffix("-driver") for n in nodes]
        return list(dict.fromkeys(name for name in names if name not in plumbing))

    def root_driver(self) -> Iterable[Task]:
        """The driver of the run, only where it failed or waits: then no task says why."""
        node = self._by_name.get(ROOT_DRIVER)
        if node is None or self._was_cancelled(node):
            return
        if node.state == "FAILED":
            yield Task(ROOT_DRIVER, State.FAILED, _seconds(node), "so no task could start", Pod.OWN)
        elif self._waits(ROOT_DRIVER):
            yield Task(ROOT_DRIVER, State.PENDING, _seconds(node), _NOT_STARTED, Pod.OWN)

    def task(self, name: str, is_over: bool, is_importer: bool) -> Task:
        """A task as its own node and its driver's have it."""
        driver, node = self._by_name.get(f"{name}-driver"), self._by_name.get(name)
        if driver and driver.state == "FAILED":
            if self._was_cancelled(driver):
                return Task(name, State.NOT_RUN)
            return Task(name, State.FAILED, _seconds(driver), "its driver failed", Pod.DRIVER)
        if node is None:
            if is_over:
                return Task(name, State.NOT_RUN)
            if driver and self._waits(f"{name}-driver"):
                note = "its driver's pod has not started"
                return Task(name, State.PENDING, _seconds(driver), note, Pod.DRIVER)
            return Task(name, State.PENDING)
        # Argo omits a task if what it needs failed (no state in the API), and skips one whose
        # condition does not hold.
        if node.state in (None, "RUNTIME_STATE_UNSPECIFIED", "SKIPPED"):
            return Task(name, State.NOT_RUN)
        state = State.CANCELED if self._was_cancelled(node) else state_named(node.state)
        if is_over and state is State.PENDING:
            return Task(name, State.NOT_RUN)
        note = _NOT_STARTED if state is State.PENDING else _error(node)
        pod = Pod.OWN if is_importer else Pod.EXECUTOR
        return Task(name, state, _seconds(node), note, pod)

    def mark_cached(self, tasks: list[Task]) -> list[Task]:
        """The same tasks, cached where KFP's cache answered.

        KFP tells by skipping a task's executor, and by nothing else. That node is part of the
        shortest task around it: one that had a pod takes longer.
        """
        succeeded = [
            self._by_name[task.name]
            for task in tasks
            if task.state is State.SUCCEEDED and task.pod is not Pod.OWN
        ]
        cached: set[str] = set()
        for skipped in (node for node in self._details if _is_skipped_executor(node)):
            around = [
                node
                for node in succeeded
                if node.display_name not in cached
                and node.start_time <= skipped.start_time
                and skipped.end_time <= node.end_time
            ]
            if around:
                shortest = min(around, key=lambda node: node.end_time - node.start_time)
                cached.add(shortest.display_name)
        return [Task(task.name, State.CACHED) if task.name in cached else task for task in tasks]

    def mark_pending(self, tasks: list[Task]) -> list[Task]:
        """The same tasks, pending where a pod has not started: KFP has the task run meanwhile."""
        running = [task for task in tasks if task.state is State.RUNNING]
        marked = {
            task.name: _pending(task)
            for task in running
            if task.pod is Pod.OWN and self._waits(task.name)
        }
        executors = [pod for pod in self._executors if pod.state in ("PENDING", "RUNNING")]
        for group, pods in self._assign(running, executors):
            waiting = sum(pod.state == "PENDING" for pod in pods)
            if waiting == len(group):
                marked.update({task.name: _pending(task) for task in group})
            elif waiting:
                names = ", ".join(task.name for task in group)
                have = "has" if waiting == 1 else "have"
                note = f"{waiting} of the pods of {names} {have} not started"
                marked.update({t.name: dataclasses.replace(t, note=note) for t in group})
        return [marked.get(task.name, task) for task in tasks]

    def mark_without_pod(self, tasks: list[Task]) -> list[Task]:
        """The same tasks, not run where the run was cancelled before their pods started."""
        cancelled = [task for task in tasks if task.state is State.CANCELED]
        without = {
            task.name
            for task in cancelled
            if task.pod is Pod.OWN and not _ran(self._attempts_of(task.name))
        }
        executors = [pod for pod in self._executors if self._was_cancelled(pod)]
        for group, pods in self._assign(cancelled, executors):
            if not _ran(pods):
                without |= {task.name for task in group}
        return [Task(t.name, State.NOT_RUN) if t.name in without else t for t in tasks]

    def _assign(
        self, tasks: Sequence[Task], pods: Sequence[Any]
    ) -> Iterable[tuple[list[Task], list[Any]]]:
        """Tasks with executors, and the pods that may be theirs, at most one each.

        A pod starts with its task, in whole seconds, or later where it is a further attempt. Which
        pod is whose among tasks that started in one second, the API does not tell.
        """
        groups: dict[datetime.datetime, list[Task]] = defaultdict(list)
        for task in (task for task in tasks if task.pod is Pod.EXECUTOR):
            groups[self._by_name[task.name].start_time].append(task)
        assigned: dict[datetime.datetime, list[Any]] = {start: [] for start in groups}
        for pod in sorted(pods, key=lambda pod: pod.start_time):
            for start in sorted(groups, reverse=True):
                if start <= pod.start_time and len(assigned[start]) < len(groups[start]):
                    assigned[start].append(pod)
                    break
        return [(groups[start], assigned[start]) for start in groups]

    def _attempts_of(self, name: str) -> list[Any]:
        """The attempts of a node, or the node itself where nothing is retried."""
        attempts = [
            detail
            for detail in self._details
            if detail.display_name != name and _ATTEMPT.sub("", detail.display_name) == name
        ]
        return attempts or [self._by_name[name]]

    def _waits(self, name: str) -> bool:
        """Whether the node is a pod that has not started."""
        return any(attempt.state == "PENDING" for attempt in self._attempts_of(name))

    def _was_cancelled(self, node: Any) -> bool:
        """Whether the node failed because the run was cancelled.

        KFP stores the failure of such a node with or after its notice of the cancellation, in
        whole seconds of the same clock.
        """
        if self._cancelled is None or node.state != "FAILED":
            return False
        noticed = [past.update_time for past in node.state_history or [] if past.state == "FAILED"]
        return bool(noticed) and noticed[0] >= self._cancelled


def _pending(task: Task) -> Task:
    return dataclasses.replace(task, state=State.PENDING, note=_NOT_STARTED)


def _is_skipped_executor(node: Any) -> bool:
    return (node.display_name, node.state) == (_EXECUTOR, "SKIPPED")


def _ran(pods: Sequence[Any]) -> bool:
    """Whether KFP saw any of the pods run."""
    return any(past.state == "RUNNING" for pod in pods for past in pod.state_history or [])


def _seconds(node: Any) -> float | None:
    start = happened(node.start_time)
    if start is None:
        return None
    return ((happened(node.end_time) or now()) - start).total_seconds()


def _error(node: Any) -> str:
    return " ".join((node.error.message or "").split()) if node.error else ""
