"""From what the server has to what the file says: the steps, decided without doing any.

A recurring run cannot be changed, only made anew. Making it, pausing the old one, letting the new
one fire and deleting the old one are four requests, and whoever sends them may be ended between
any two. What is left then is told apart here:

    old fires,  new paused    ended after making the new one. It counts the times since it was made
                              as missed, and the old one had them: it is made once more. So it is
                              where the old one was paused later, by a person.
    old paused, new paused    ended after pausing the old one. What the new one counts as missed
                              nobody had, and KFP fires once for it when it is let go.
    old paused, new fires     ended before deleting the old one.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from kubeflow.schedules.server import Existing, Wanted

Kind = Literal["same", "create", "replace", "resume", "pause", "delete", "unlisted"]


@dataclasses.dataclass(frozen=True)
class Create:
    """Makes a recurring run.

    Attributes:
      wanted: What it is made from.
      enabled: Whether it fires from then on.
      after: The firing one that it replaces, if there is one.
    """

    wanted: Wanted
    enabled: bool
    after: Existing | None = None


@dataclasses.dataclass(frozen=True)
class Pause:
    """Keeps one from firing."""

    one: Existing


@dataclasses.dataclass(frozen=True)
class Enable:
    """Lets one fire; None is the one that was just made."""

    one: Existing | None


@dataclasses.dataclass(frozen=True)
class Delete:
    """Deletes one that is paused, unless runs of it go on."""

    one: Existing


Step = Create | Pause | Enable | Delete


@dataclasses.dataclass(frozen=True)
class Change:
    """What is to be done for one name.

    Attributes:
      name: Of the schedule.
      kind: What it amounts to.
      steps: In order.
      differences: What a replacement changes: old and new value by field.
    """

    name: str
    kind: Kind
    steps: Sequence[Step] = ()
    differences: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)


def plan(wanted: Iterable[Wanted], existing: Sequence[Existing], prune: bool) -> list[Change]:
    """The changes, in the order of the file.

    Args:
      wanted: What the file says.
      existing: What the server has for this pipeline, oldest first.
      prune: Whether to delete what was made from a file and is in it no longer.
    """
    changes = []
    names = set()
    for one in wanted:
        names.add(one.name)
        changes.append(_change(one, [e for e in existing if e.digest and e.name == one.name]))
    for name in dict.fromkeys(e.name for e in existing if e.digest and e.name not in names):
        gone = [e for e in existing if e.digest and e.name == name]
        steps = [step for e in gone for step in _away(e)] if prune else []
        changes.append(Change(name, "delete" if prune else "unlisted", steps))
    return changes


def made_by_hand(wanted: Iterable[Wanted], existing: Iterable[Existing]) -> list[str]:
    """Names of the file that the server has from elsewhere: both would fire."""
    names = {one.name for one in wanted}
    return [e.name for e in existing if not e.digest and e.name in names]


def _change(wanted: Wanted, found: Sequence[Existing]) -> Change:
    enabled = wanted.schedule.enabled
    current = [e for e in found if e.digest == wanted.digest]
    old = [e for e in found if e.digest != wanted.digest]
    away = [step for e in old for step in _away(e)]
    if not old and not current:
        return Change(wanted.name, "create", [Create(wanted, enabled)])
    differences = _differences(old[-1], wanted) if old else {}
    firing = next((e for e in old if e.enabled), None)
    kept = next((e for e in current if e.enabled), None) or next(iter(current), None)
    if kept and not kept.enabled and (firing or any(e.fired_after(kept) for e in old)):
        kept = None
    surplus = [step for e in current if e is not kept for step in _away(e)]
    if kept is None:
        steps: list[Step] = [*surplus, Create(wanted, False, firing), *_only(Pause, away)]
        steps += [Enable(None)] if enabled else []
        return Change(wanted.name, "replace", [*steps, *_only(Delete, away)], differences)
    steps = [*surplus, *_only(Pause, away)]
    if kept.enabled != enabled:
        steps.append(Enable(kept) if enabled else Pause(kept))
    steps += _only(Delete, away)
    if not steps:
        return Change(wanted.name, "same")
    kind: Kind = "replace" if old or surplus else "resume" if enabled else "pause"
    return Change(wanted.name, kind, steps, differences)


def _away(one: Existing) -> list[Step]:
    return [Pause(one), Delete(one)] if one.enabled else [Delete(one)]


def _only(kind: type[Pause] | type[Delete], steps: Iterable[Step]) -> list[Step]:
    return [step for step in steps if isinstance(step, kind)]


def _differences(old: Existing, new: Wanted) -> dict[str, tuple[str, str]]:
    unset = {"service account"} if not new.service_account else set()
    return {
        field: (old.fields[field], value)
        for field, value in new.fields.items()
        if field not in unset and old.fields[field] != value
    }
