"""Execute a plan. Safe to interrupt at any step; the next apply continues."""

import dataclasses
import datetime
import time
from collections.abc import Callable, Iterator, Sequence

from kubeflow.client import runs
from kubeflow.client.api import Api
from kubeflow.schedules import plan, server
from kubeflow.schedules.plan import Change, Create, Delete, Enable, History, Pause
from kubeflow.schedules.recurring_run import RecurringRun
from kubeflow.schedules.target import Target
from pipelines.errors import ClusterError, ClusterRefusedError

QUIET = datetime.timedelta(seconds=40)
"""A schedule is not replaced this long before and after a tick: KFP's controller was seen to be 15
seconds late, and its clock is another one."""

_TOGETHER = 64
"""How many schedules are created before the server is listed again; their names fit a filter."""
_ROUNDS = 10
"""How often the steps for a name are planned; another apply at the same time takes two or three."""


@dataclasses.dataclass(frozen=True)
class Waiting:
    """A schedule is about to fire, or just did, and is replaced after that."""

    name: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class StillRunning:
    """A replaced schedule stays, paused, since deleting it would end its active runs."""

    name: str
    runs: Sequence[str]


Event = Waiting | StillRunning


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
      pipeline_id: The pipeline's ID.
      targets: What the file says.
      found: What the server has for the pipeline.
      changes: The first steps, for each schedule of the file and for what left it.
    """

    pipeline_id: str
    targets: Sequence[Target]
    found: Sequence[RecurringRun]
    changes: Sequence[Change]


def make_plan(api: Api, pipeline_id: str, targets: Sequence[Target], prune: bool) -> Plan:
    """Compare the file with the server.

    Args:
      api: The connection.
      pipeline_id: The pipeline's ID.
      targets: What the file says.
      prune: Whether to delete what was made from a file and is not in it any more.

    Raises:
      ClusterRefusedError: A name of the file is that of a recurring run made by hand.
      ClusterError: The server cannot be reached, or fails.
    """
    now = _now()
    found = _look(api, pipeline_id, targets, now, History())
    if by_hand := plan.find_made_by_hand(targets, found):
        raise ClusterRefusedError(
            f"{by_hand[0]} is the name of a recurring run that was not made from a file: delete "
            f"that one with tfx-mobile schedule delete {by_hand[0]}, or take another name"
        )
    changes = plan.compute_changes(targets, found, now)
    removals = plan.compute_removals(targets, found, prune)
    return Plan(pipeline_id, targets, found, [*changes, *removals])


def execute(
    api: Api,
    planned: Plan,
    on_event: Callable[[Event], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Bring the server to what the file says.

    Args:
      api: The connection.
      planned: The plan.
      on_event: Called with each event worth showing to the user.
      sleep: Sleeps for the given number of seconds.

    Raises:
      ClusterError: The server cannot be reached, fails, or refuses, or another apply changed the
        same schedules; the next apply continues.
    """
    known = frozenset(run.recurring_run_id for run in planned.found)
    work = _Work(api, planned.pipeline_id, on_event, sleep, History(known))
    targets = {target.name: target for target in planned.targets}
    overtaken: list[str] = []
    for batch in _batches(planned.changes):
        if batch[0].name in targets:
            overtaken += work.settle(batch, [targets[change.name] for change in batch])
        else:
            work.take(batch[0])
    if overtaken:
        raise ClusterError(
            f"another schedule apply changed {', '.join(overtaken)} at the same time, and what it "
            "says stays: apply this file again to replace that"
        )


@dataclasses.dataclass(frozen=True)
class _Work:
    """One `execute`: the connection, whom to tell, and what was done so far."""

    api: Api
    pipeline_id: str
    on_event: Callable[[Event], None]
    sleep: Callable[[float], None]
    history: History
    experiments: dict[str, str] = dataclasses.field(default_factory=dict)

    def settle(self, changes: Sequence[Change], targets: Sequence[Target]) -> list[str]:
        """Take steps and list the server again until nothing is left to do.

        Args:
          changes: The first steps.
          targets: The schedules of the file that they are for.

        Returns:
          Names that another apply has overtaken.
        """
        if any(change.kind != "create" for change in changes):
            changes = self._plan(targets)  # earlier batches may have waited for minutes
        for _ in range(_ROUNDS):
            if not any(change.steps for change in changes):
                return [change.name for change in changes if change.kind == "overtaken"]
            for target, change in zip(targets, changes, strict=True):
                if not self._wait_for_quiet(target, change.replaced):
                    self.take(change)
            changes = self._plan(targets)
        names = ", ".join(change.name for change in changes if change.steps)
        raise ClusterError(
            f"something keeps changing the recurring runs of {names}: apply again when no other "
            "schedule apply runs"
        )

    def take(self, change: Change) -> None:
        """Take the steps of one change, unless another client deletes what they enable."""
        history = self.history
        for step in change.steps:
            match step:
                case Create(target, replaced):
                    self._create(target, replaced)
                case Pause(run):
                    server.pause(self.api, run.recurring_run_id)
                    ids = history.switched if run is change.kept else history.paused
                    ids.add(run.recurring_run_id)
                case Enable(run):
                    if not server.enable(self.api, run.recurring_run_id):
                        return
                    history.switched.add(run.recurring_run_id)
                    history.paused.discard(run.recurring_run_id)
                case Delete(run):
                    self._delete(change.name, run)

    def _create(self, target: Target, replaced: RecurringRun | None) -> None:
        history = self.history
        experiment_id = target.experiment_id or self._find_experiment(target.experiment)
        now = _now()
        known = (history.known or frozenset()) | set(history.created)
        recurring_run_id = server.create(self.api, target, experiment_id, replaced, known)
        history.created[recurring_run_id] = now

    def _find_experiment(self, name: str) -> str:
        if name not in self.experiments:
            self.experiments[name] = runs.experiment_named(self.api, name)
        return self.experiments[name]

    def _delete(self, name: str, run: RecurringRun) -> None:
        active = server.list_active(self.api, run)
        if active:
            self.history.kept.add(run.recurring_run_id)
            self.on_event(StillRunning(name, active))
        else:
            server.delete(self.api, run.recurring_run_id)

    def _plan(self, targets: Sequence[Target]) -> list[Change]:
        now = _now()
        names = [target.name for target in targets]
        found = _look(self.api, self.pipeline_id, targets, now, self.history, names)
        return plan.compute_changes(targets, found, now, self.history)

    def _wait_for_quiet(self, target: Target, replaced: RecurringRun | None) -> bool:
        """Sleep until the schedule to be replaced does not fire around now; false if it does not.

        If a tick falls between creating the new recurring run and pausing the old one, both would
        fire for it. One that ticks too often has no such time.
        """
        if replaced is None:
            return False
        now = _now()
        near, following = _two(replaced.times(now - QUIET, target.schedule.zone))
        if near is None or near > now + QUIET or (following and following - near <= 2 * QUIET):
            return False
        seconds = (near + QUIET - now).total_seconds()
        self.on_event(Waiting(target.name, seconds))
        self.sleep(seconds)
        return True


def _batches(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """What is done together: many creations, and everything else one by one.

    A schedule that is replaced does not fire for some requests, which are to be few.
    """
    creations: list[Change] = []
    for change in changes:
        if change.kind == "create":
            creations.append(change)
        if creations and (change.kind != "create" or len(creations) == _TOGETHER):
            yield creations
            creations = []
        if change.kind != "create" and change.steps:
            yield [change]
    if creations:
        yield creations


def _look(
    api: Api,
    pipeline_id: str,
    targets: Sequence[Target],
    now: datetime.datetime,
    history: History,
    names: Sequence[str] = (),
) -> list[RecurringRun]:
    """What the server has, with the last ticks of those that something is to be done about."""
    found = server.list_all(api, pipeline_id, names)
    unsettled = plan.find_unsettled(targets, found, now, history)
    loaded = {run.recurring_run_id: run for run in server.load_last(api, unsettled)}
    return [loaded.get(run.recurring_run_id, run) for run in found]


def _two(
    times: Iterator[datetime.datetime],
) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    return next(times, None), next(times, None)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)
