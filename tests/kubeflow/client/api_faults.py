"""What can go wrong between a client and KFP's API server, on purpose.

A fault is asked before a request is handled and after; what it returns happens instead of an
answer. Before, nothing was done yet; after, it was, and the client does not know.
"""

import dataclasses
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True)
class Moment:
    """When a fault is asked."""

    route: str
    """What the request is for, such as `create_run`."""
    is_change: bool
    """Whether it changes something."""
    is_done: bool
    """Whether it was handled."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """Answer this, as a proxy in front of the server does."""

    status: int = 503
    body: str = "upstream connect error or disconnect/reset before headers. reset reason: overflow"


@dataclasses.dataclass(frozen=True)
class Drop:
    """Close the connection without an answer."""


Fault = Callable[[Moment], "Answer | Drop | None"]


@dataclasses.dataclass
class On:
    """A fault of some requests of a route, counted from when the fault was made."""

    route: str
    action: Answer | Drop
    first: int = 1
    """The first of these requests that it meets."""
    times: int = 1
    """How many it meets."""
    is_done: bool = False
    """Whether they are handled nevertheless."""
    seen: int = 0

    def __call__(self, moment: Moment) -> Answer | Drop | None:
        """Meets the requests it is for."""
        if moment.route != self.route:
            return None
        self.seen += not moment.is_done
        is_one = self.first <= self.seen < self.first + self.times
        return self.action if is_one and moment.is_done == self.is_done else None


def unavailable(route: str, first: int = 1, times: int = 1, *, is_done: bool = False) -> Fault:
    """Answers 503 to some requests of a route."""
    return On(route, Answer(), first, times, is_done)


def dropped(route: str, first: int = 1, times: int = 1, *, is_done: bool = False) -> Fault:
    """Drops the connection of some requests of a route."""
    return On(route, Drop(), first, times, is_done)


@dataclasses.dataclass
class KillAt:
    """Ends the client at a request that changes something; nothing of it comes through any more."""

    change: int
    """At the how manieth such request, counted from when this fault was made."""
    kill: Callable[[], Any] = lambda: None
    """What ends it, such as `process.kill`; by default only the connections end."""
    is_done: bool = True
    """Whether this request is still handled."""
    seen: int = 0
    was_reached: bool = False

    def __call__(self, moment: Moment) -> Drop | None:
        """Kills once and drops everything from then on."""
        self.seen += moment.is_change and not moment.is_done
        is_here = (moment.is_change, moment.is_done) == (True, self.is_done)
        if not self.was_reached and is_here and self.seen == self.change:
            self.was_reached = True
            self.kill()
        return Drop() if self.was_reached else None
