"""What happens to runs by itself: workflows go on and are reported, schedules fire.

KFP reports every node of Argo's workflow as a task: the workflow itself, `root-driver`, `root`, and
for a task `<name>-driver`, `<name>` and, under it, one that is always called `executor`.

KFP 2.17 gives every template a retryStrategy (`templateDefaults` in its manifests). Each of these
nodes but the skipped ones is then one for all attempts, and `<name>(0)` below it the first attempt
(`executeTemplate` in Argo's `operator.go`).
"""

import dataclasses
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tests.kubeflow.client.api_models import made, timestamp
from tests.kubeflow.client.api_refusal import Refusal
from tests.kubeflow.client.api_runs import Runs
from tests.kubeflow.client.api_spec import Task
from tests.kubeflow.client.api_store import NEVER, NEW, Store

PENDING, RUNNING, SUCCEEDED, FAILED = "PENDING", "RUNNING", "SUCCEEDED", "FAILED"
SKIPPED = "SKIPPED"
"""Its condition does not hold."""
CACHED = "CACHED"
"""It is taken from an earlier run: it has succeeded, and its executor is skipped."""
OMITTED = "OMITTED"
"""What it needs has failed; reported with no state."""
DRIVER_PENDING, DRIVER_FAILED = "DRIVER_PENDING", "DRIVER_FAILED"
"""The task's driver pod has not started, or has failed; the task has no pod."""
RETRIED = "RETRIED"
"""The task lost its first pod, and the second has not started. Only where Argo retries."""

UNFINISHED = "0001-01-01T00:00:00Z"
_ENDED = (SUCCEEDED, FAILED, SKIPPED, CACHED, OMITTED)
_ACTIVE = (PENDING, RUNNING, RETRIED)
_FINAL = (SUCCEEDED, FAILED)


@dataclasses.dataclass(frozen=True)
class _Node:
    """A node of a workflow."""

    path: tuple[str, ...]
    state: str
    children: tuple[tuple[str, ...], ...] = ()
    is_pod: bool = False

    @property
    def display_name(self) -> str:
        return self.path[-1]

    @property
    def key(self) -> str:
        return _key(self.path)


def advance(store: Store, run_id: str, tasks: Mapping[str, str], state: str | None = None) -> None:
    """Moves a run on, and reports it and its tasks, as `report_run` and `report_tasks` say."""
    report_run(store, run_id, tasks, state)
    report_tasks(store, run_id)


def report_run(
    store: Store, run_id: str, tasks: Mapping[str, str], state: str | None = None
) -> None:
    """Moves a run on, and reports its state but not yet its tasks.

    KFP stores first the one, then the others (`reportWorkflow` in its `report_server.go`).

    Args:
      store: Where it is.
      run_id: Which.
      tasks: The states of tasks, one of this module's; those not named stay as they are, and
        what a named one needs has succeeded.
      state: That of the run; by default what follows from its tasks. `RUNTIME_STATE_UNSPECIFIED`
        is what is reported before Argo has seen the workflow.

    Raises:
      ValueError: The pipeline has no such task.
    """
    run = store.runs[run_id]
    spec = store.specs[run_id].tasks()
    if unknown := set(tasks) - {task.name for task in spec}:
        raise ValueError(f"the pipeline has no task {sorted(unknown)}")
    states = store.tasks.setdefault(run_id, {})
    states.update(tasks)
    for task in reversed(spec):
        if task.name in states and states[task.name] != OMITTED:
            for need in task.needs:
                states.setdefault(need, SUCCEEDED)
    phase = state or _follows(spec, states)
    if phase in _FINAL:
        _end(spec, states, phase)
    elif run.state == "CANCELING":
        phase = "CANCELING"
    _report(run, phase, timestamp(store.now))


def report_tasks(store: Store, run_id: str) -> None:
    """Reports the tasks of a run."""
    run = store.runs[run_id]
    before = {one.task_id: one for one in _details(run)}
    now = timestamp(store.now)
    found = [_detail(run, node, before, now) for node in _nodes_of(store, run_id)]
    if found:
        # The server has them in no order, but always in the same.
        found.sort(key=lambda detail: detail.task_id)
        run.run_details = made("V2beta1RunDetails", task_details=found)


def pods(store: Store, run_id: str) -> dict[str, str]:
    """The pods of a run, oldest first: each one's node, as Argo annotates it, with its state."""
    return {".".join(node.path): node.state for node in _nodes_of(store, run_id) if node.is_pod}


def tick(store: Store, recurring_run_id: str, at: datetime) -> Any | None:
    """Starts the run that is due, as the controller of schedules does.

    Args:
      store: Where it is.
      recurring_run_id: Which.
      at: The time for which it is scheduled.

    Returns:
      The run; None if it is not enabled, as many run already as may, or the server refuses.
    """
    recurring = store.recurring_runs[recurring_run_id]
    active = [
        run
        for run in store.runs.values()
        if run.recurring_run_id == recurring_run_id and run.finished_at == NEVER
    ]
    if recurring.mode != "ENABLE" or len(active) >= int(recurring.max_concurrency):
        return None
    number = store.ticks[recurring_run_id] + 1
    stem = f"{store.workflows[recurring_run_id]}-{number}"
    name = f"{stem}-{_fnv(stem)}"
    reference = recurring.pipeline_version_reference
    if recurring_run_id in store.specs:
        run = Runs(store).add(
            store.specs[recurring_run_id],
            reference,
            workflow=name,
            scheduled_at=timestamp(at),
            state=RUNNING,
            display_name=name,
            experiment_id=recurring.experiment_id,
            runtime_config=recurring.runtime_config,
            recurring_run_id=recurring_run_id,
        )
    else:
        sent = made(
            "V2beta1Run",
            display_name=name,
            experiment_id=recurring.experiment_id,
            runtime_config=recurring.runtime_config,
            service_account=recurring.service_account,
            recurring_run_id=recurring_run_id,
            pipeline_version_reference=reference,
        )
        try:
            run = Runs(store).start(sent)
        except Refusal:
            return None
    store.ticks[recurring_run_id] = number
    return run


def _end(spec: list[Task], states: dict[str, str], phase: str) -> None:
    """Ends the tasks of a run that has ended."""
    for task in spec:
        if states.get(task.name) in _ACTIVE:
            states[task.name] = phase
        elif states.get(task.name) == DRIVER_PENDING:
            states[task.name] = DRIVER_FAILED if phase == FAILED else phase
        elif any(states.get(need) in (FAILED, DRIVER_FAILED, OMITTED) for need in task.needs):
            states.setdefault(task.name, OMITTED)
        elif phase == SUCCEEDED:
            states.setdefault(task.name, SUCCEEDED)


def _follows(spec: list[Task], states: Mapping[str, str]) -> str:
    """The state of a run whose tasks are so."""
    if any(state in (*_ACTIVE, DRIVER_PENDING) for state in states.values()):
        return RUNNING
    if {FAILED, DRIVER_FAILED} & set(states.values()):
        return FAILED
    return SUCCEEDED if all(task.name in states for task in spec) else RUNNING


def _report(run: Any, phase: str, now: str) -> None:
    """Writes down the state of a run as KFP's agent does."""
    run.state = None if phase == "RUNTIME_STATE_UNSPECIFIED" else phase
    if run.state_history[-1].state != run.state:
        status = made("V2beta1RuntimeStatus", update_time=now, state=run.state)
        run.state_history = [*run.state_history, status]
    if run.state in _FINAL and run.finished_at == NEVER:
        run.finished_at = now


def _nodes_of(store: Store, run_id: str) -> Iterator[_Node]:
    """The nodes of a run as its release of KFP has them."""
    are_retried = store.release == NEW
    for node in _nodes(
        store.workflows[run_id],
        store.specs[run_id].tasks(),
        store.tasks.get(run_id, {}),
        store.runs[run_id].state or PENDING,
        are_retried,
    ):
        yield from _attempts(node) if are_retried else [node]


def _nodes(
    workflow: str, spec: list[Task], states: Mapping[str, str], phase: str, are_retried: bool
) -> Iterator[_Node]:
    """The nodes that a workflow has so far, without attempts."""
    if phase == PENDING:
        return
    phase = RUNNING if phase == "CANCELING" else phase
    top, root = (workflow,), (workflow, "root")
    yield _Node(top, phase, ((workflow, "root-driver"),))
    driver = (workflow, "root-driver")
    if not states:
        # A run that ends without a task ended with its driver.
        yield _Node(driver, phase, is_pod=True)
        return
    yield _Node(driver, SUCCEEDED, (root,), is_pod=True)
    shown = [task for task in spec if task.name in states]
    first = {task.name: _first(root, task) for task in shown}
    after: dict[str, list[tuple[str, ...]]] = {task.name: [] for task in shown}
    for task in shown:
        for need in set(task.needs) & set(after):
            after[need].append(first[task.name])
    yield _Node(root, phase, tuple(first[task.name] for task in shown if not task.needs))
    for task in shown:
        followers = tuple(after[task.name])
        yield from _task_nodes(root, task, states[task.name], followers, are_retried)


def _task_nodes(
    root: tuple[str, ...],
    task: Task,
    state: str,
    after: tuple[tuple[str, ...], ...],
    are_retried: bool,
) -> Iterator[_Node]:
    """The nodes of a task, one of which leads to those after it.

    That is the last one, but the whole task where there are attempts (`getOutboundNodes` in Argo).
    """
    name = (*root, task.name)
    if task.is_importer:
        yield _Node(name, SUCCEEDED if state == CACHED else state, after, is_pod=True)
        return
    driver = {OMITTED: OMITTED, DRIVER_PENDING: PENDING, DRIVER_FAILED: FAILED}.get(state)
    if state == DRIVER_PENDING:
        yield _Node(_first(root, task), PENDING, is_pod=True)
        return
    yield _Node(_first(root, task), driver or SUCCEEDED, (name,), is_pod=driver != OMITTED)
    if state in (SKIPPED, OMITTED, DRIVER_FAILED):
        yield _Node(name, SKIPPED if state == SKIPPED else OMITTED, after)
        return
    executor = (*name, "executor")
    whole = {PENDING: RUNNING, RETRIED: RUNNING, CACHED: SUCCEEDED}.get(state, state)
    yield _Node(name, whole, (executor, *after) if are_retried else (executor,))
    end = SKIPPED if state == CACHED else state
    yield _Node(executor, end, () if are_retried else after, is_pod=state != CACHED)


def _attempts(node: _Node) -> Iterator[_Node]:
    """A node where everything is retried: one for all attempts, and its attempts."""
    above = tuple(f"{name}(0)" for name in node.path[:-1])
    path = (*above, node.display_name)
    children = tuple((*(f"{name}(0)" for name in child[:-1]), child[-1]) for child in node.children)
    if node.state in (SKIPPED, OMITTED):
        yield _Node(path, node.state, children)
        return
    first = (*above, f"{node.display_name}(0)")
    if node.state == RETRIED:
        second = (*above, f"{node.display_name}(1)")
        yield _Node(path, RUNNING, (first, second))
        yield _Node(first, FAILED, is_pod=True)
        yield _Node(second, PENDING, is_pod=True)
        return
    yield _Node(path, RUNNING if node.state == PENDING else node.state, (first,))
    yield _Node(first, node.state, children, node.is_pod)


def _first(root: tuple[str, ...], task: Task) -> tuple[str, ...]:
    return (*root, task.name if task.is_importer else f"{task.name}-driver")


def _detail(run: Any, node: _Node, before: Mapping[str, Any], now: str) -> Any:
    """A node as the API has it, with what was reported of it before."""
    task_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run.run_id} {node.key}"))
    old = before.get(task_id)
    state = None if node.state == OMITTED else node.state
    history = list(old.state_history) if old else []
    if not history or history[-1].state != state:
        history.append(made("V2beta1RuntimeStatus", update_time=now, state=state))
    ended = old.end_time if old else UNFINISHED
    if ended == UNFINISHED and node.state in _ENDED:
        ended = now
    return made(
        "V2beta1PipelineTaskDetail",
        run_id=run.run_id,
        task_id=task_id,
        display_name=node.display_name,
        create_time=run.created_at,
        start_time=old.start_time if old else now,
        end_time=ended,
        state=state,
        state_history=history,
        child_tasks=[
            made("PipelineTaskDetailChildTask", pod_name=_key(child)) for child in node.children
        ],
    )


def _details(run: Any) -> list[Any]:
    return list(run.run_details.task_details) if run.run_details else []


def _key(path: tuple[str, ...]) -> str:
    """The id of a node in Argo (`NodeID` of its workflow)."""
    workflow = path[0].removesuffix("(0)")
    return workflow if path == (workflow,) else f"{workflow}-{_fnv('.'.join(path))}"


def _fnv(text: str) -> int:
    """FNV-1a with 32 bits, as Argo and KFP make names of names."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = (value ^ byte) * 0x01000193 % (1 << 32)
    return value
