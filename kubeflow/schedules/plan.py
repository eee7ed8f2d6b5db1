"""From what the server has to what the file says: the next steps, decided without doing any.

A recurring run cannot be changed, only created anew, and KFP has no conditional request: whoever
applies a file may be killed between any two requests, and another may apply one at the same time.
So a new recurring run is created paused, the server is listed again, and the plan follows from that
list alone. It agrees with the plan of everybody else who sees the same list:

- Of several with the content of the file the oldest stays (`RecurringRun.order`). No client deletes
  it, since it would have to see an older one.
- Of two contents, both applied at the same time, the one created last stays.

A paused one counts the ticks since its creation as missed, and KFP fires it for them when it is
enabled. If another one fired for such a tick, the paused one is stale, and is created anew.
"""

import dataclasses
import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from kubeflow.schedules.recurring_run import RecurringRun, compare
from kubeflow.schedules.target import Target

Kind = Literal["same", "create", "replace", "resume", "pause", "delete", "unlisted", "overtaken"]


@dataclasses.dataclass(frozen=True)
class Create:
    """Create a recurring run, paused; what follows depends on what the server has then.

    Attributes:
      target: What it is made from.
      replaced: The firing one that it takes over from, if there is one.
    """

    target: Target
    replaced: RecurringRun | None = None


@dataclasses.dataclass(frozen=True)
class Pause:
    """Keep a recurring run from firing."""

    run: RecurringRun


@dataclasses.dataclass(frozen=True)
class Enable:
    """Let a recurring run fire."""

    run: RecurringRun


@dataclasses.dataclass(frozen=True)
class Delete:
    """Delete a paused recurring run unless it still has active runs."""

    run: RecurringRun


Step = Create | Pause | Enable | Delete


@dataclasses.dataclass(frozen=True)
class Change:
    """The next steps for one name.

    Attributes:
      name: The schedule's name.
      kind: What they amount to.
      steps: The steps, in order.
      differences: What a replacement changes: the old and the new value by field.
      replaced: The firing recurring run that another one takes over from.
      kept: The recurring run that stays.
    """

    name: str
    kind: Kind
    steps: Sequence[Step] = ()
    differences: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    replaced: RecurringRun | None = None
    kept: RecurringRun | None = None


@dataclasses.dataclass
class History:
    """What one `apply` has seen and done.

    Attributes:
      known: IDs of the recurring runs that it began with; None before that.
      created: When it created recurring runs, by this machine's clock, by ID.
      switched: IDs of those that stay which it enabled or paused.
      paused: IDs of those that it paused to replace them.
      kept: IDs that it left, paused, because they have active runs.
    """

    known: frozenset[str] | None = None
    created: dict[str, datetime.datetime] = dataclasses.field(default_factory=dict)
    switched: set[str] = dataclasses.field(default_factory=set)
    paused: set[str] = dataclasses.field(default_factory=set)
    kept: set[str] = dataclasses.field(default_factory=set)


def compute_changes(
    targets: Iterable[Target],
    found: Sequence[RecurringRun],
    now: datetime.datetime,
    history: History | None = None,
) -> list[Change]:
    """The changes for the schedules of the file, in its order.

    Args:
      targets: What the file says.
      found: What the server has for this pipeline.
      now: The current time.
      history: What this `apply` did before.
    """
    by_name = _from_files(found)
    history = history or History()
    return [_change(target, by_name.get(target.name, []), now, history) for target in targets]


def compute_removals(
    targets: Iterable[Target], found: Sequence[RecurringRun], prune: bool
) -> list[Change]:
    """The changes for what was made from a file and is not in it any more.

    Args:
      targets: What the file says.
      found: What the server has for this pipeline.
      prune: Whether to delete.
    """
    names = {target.name for target in targets}
    return [
        Change(name, "delete", _removals(gone, History())) if prune else Change(name, "unlisted")
        for name, gone in _from_files(found).items()
        if name not in names
    ]


def find_unsettled(
    targets: Iterable[Target],
    found: Sequence[RecurringRun],
    now: datetime.datetime,
    history: History | None = None,
) -> list[RecurringRun]:
    """The recurring runs whose last ticks decide something or are shown."""
    by_name = _from_files(found)
    history = history or History()
    unsettled = []
    for target in targets:
        group = by_name.get(target.name, [])
        is_new = all(run.recurring_run_id in history.created for run in group)
        if not is_new and _change(target, group, now, history).steps:
            unsettled += group
    return unsettled


def find_made_by_hand(targets: Iterable[Target], found: Iterable[RecurringRun]) -> list[str]:
    """Names of the file that the server has from elsewhere: both would fire."""
    names = {target.name for target in targets}
    return [run.name for run in found if not run.digest and run.name in names]


def _from_files(found: Iterable[RecurringRun]) -> dict[str, list[RecurringRun]]:
    """The recurring runs that were made from a file, by name, oldest first."""
    by_name: dict[str, list[RecurringRun]] = {}
    for run in sorted(found, key=lambda run: run.order):
        if run.digest:
            by_name.setdefault(run.name, []).append(run)
    return by_name


def _change(
    target: Target, found: Sequence[RecurringRun], now: datetime.datetime, history: History
) -> Change:
    name, is_enabled = target.name, target.schedule.enabled
    differences = {run.recurring_run_id: compare(run, target, now) for run in found}
    current = [run for run in found if not differences[run.recurring_run_id]]
    old = [run for run in found if differences[run.recurring_run_id]]
    if winner := _find_winner(current, old, history):
        own = [run for run in current if run.recurring_run_id in history.created]
        is_ours = not winner.enabled and winner.recurring_run_id in history.paused
        undo: list[Step] = [Enable(winner)] if is_ours else []
        return Change(name, "overtaken", [*_removals(own, history), *undo])
    shown = differences[old[-1].recurring_run_id] if old else {}
    firing = next((run for run in old if run.enabled), None)
    kept = _find_kept(target, current, found, now, history)
    if kept is None:
        kind: Kind = "replace" if found else "create"
        steps: list[Step] = [*_removals(current, history), Create(target, firing)]
        return Change(name, kind, steps, shown, firing)
    surplus = [run for run in current if run is not kept]
    pauses = _pauses([*surplus, *old])
    switch: list[Step] = []
    if kept.enabled != is_enabled:
        if kept.recurring_run_id in history.switched:
            return Change(name, "overtaken")
        switch = [Enable(kept) if is_enabled else Pause(kept)]
    # Another apply may be about to enable the surplus, which it cannot once that is deleted.
    steps = [*pauses, *_deletes(surplus, history), *switch, *_deletes(old, history)]
    if not steps:
        return Change(name, "same")
    kind = "replace" if surplus or old else "resume" if is_enabled else "pause"
    return Change(name, kind, steps, shown, firing if is_enabled else None, kept)


def _find_winner(
    current: Sequence[RecurringRun], old: Sequence[RecurringRun], history: History
) -> RecurringRun | None:
    """Another content that another `apply` created since this one began, and later than ours."""
    known = history.known
    rivals = [] if known is None else [run for run in old if run.recurring_run_id not in known]
    if rivals and (not current or rivals[-1].order > current[-1].order):
        return rivals[-1]
    return None


def _find_kept(
    target: Target,
    current: Sequence[RecurringRun],
    found: Sequence[RecurringRun],
    now: datetime.datetime,
    history: History,
) -> RecurringRun | None:
    """The oldest with the content of the file that is enabled or not stale."""
    zone = target.schedule.zone

    def is_stale(run: RecurringRun) -> bool:
        others = [other for other in found if other is not run]
        # Both times are of one clock: the server's may be another one than this machine's.
        created = history.created.get(run.recurring_run_id, run.created)
        return any(
            other.fired_since(run.created) or other.fires_between(created, now, zone)
            for other in others
        )

    return next((run for run in current if run.enabled or not is_stale(run)), None)


def _removals(found: Sequence[RecurringRun], history: History) -> list[Step]:
    return [*_pauses(found), *_deletes(found, history)]


def _pauses(found: Iterable[RecurringRun]) -> list[Step]:
    return [Pause(run) for run in found if run.enabled]


def _deletes(found: Iterable[RecurringRun], history: History) -> list[Step]:
    return [Delete(run) for run in found if run.recurring_run_id not in history.kept]
