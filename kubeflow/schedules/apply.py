"""The steps of a plan, done; safe to be ended anywhere and begun again."""

import dataclasses
import datetime
import time
from collections.abc import Callable, Iterator, Sequence

from kubeflow.client.api import Api
from kubeflow.schedules import server
from kubeflow.schedules.plan import Change, Create, Delete, Enable, Pause
from kubeflow.schedules.server import Existing, Wanted

QUIET = datetime.timedelta(seconds=40)
"""Before and after a time at which a schedule fires, it is not replaced: KFP's controller was seen
to be 15 seconds late, and its clock is another one."""


@dataclasses.dataclass(frozen=True)
class Waiting:
    """A schedule is about to fire, or just did, and is replaced after that."""

    name: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class StillRunning:
    """A replaced schedule stays, paused, since deleting it would end its runs."""

    name: str
    runs: Sequence[str]


Event = Waiting | StillRunning


def apply(
    api: Api,
    changes: Sequence[Change],
    on_event: Callable[[Event], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Does the steps of all changes in order.

    Args:
      api: The connection.
      changes: Of `plan`.
      on_event: Is told what a person should know.
      sleep: Waits for so many seconds.

    Raises:
      ClusterError: The server cannot be reached, fails, or refuses; what was done stays, and
        the next plan begins there.
    """
    for change in changes:
        made = ""
        for step in change.steps:
            match step:
                case Create(wanted, enabled, after):
                    if after:
                        _wait_for_quiet(wanted, after, on_event, sleep)
                    made = server.create(api, wanted, enabled, after)
                case Pause(one):
                    server.pause(api, one.recurring_run_id)
                case Enable(one):
                    server.enable(api, one.recurring_run_id if one else made)
                case Delete(one):
                    names = server.running(api, one)
                    if names:
                        on_event(StillRunning(change.name, names))
                    else:
                        server.delete(api, one.recurring_run_id)


def _wait_for_quiet(
    wanted: Wanted,
    old: Existing,
    on_event: Callable[[Event], None],
    sleep: Callable[[float], None],
) -> None:
    """Waits until the old one does not fire around now, where there is such a moment.

    A time between making the new one and pausing the old one would be had by both.
    """
    while True:
        now = datetime.datetime.now(datetime.timezone.utc)
        near, following = _two(old.times(now - QUIET, wanted.schedule.zone))
        if near is None or near > now + QUIET:
            return
        if following and following - near <= 2 * QUIET:
            return
        seconds = (near + QUIET - now).total_seconds()
        on_event(Waiting(wanted.name, seconds))
        sleep(seconds)


def _two(
    times: Iterator[datetime.datetime],
) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    return next(times, None), next(times, None)
