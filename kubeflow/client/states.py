"""The states of runs and tasks, and the times that KFP's API gives for what has not happened."""

import datetime
import enum


class State(enum.Enum):
    """State of a run or a task, named as KFP's API does but for the last two."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELING = "canceling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    CACHED = "cached"
    NOT_RUN = "not run"

    @property
    def is_final(self) -> bool:
        """Whether no other state follows."""
        return self not in (State.PENDING, State.RUNNING, State.PAUSED, State.CANCELING)


def state_named(name: str | None) -> State:
    """The state that KFP's API calls so; a run has none until its workflow has one."""
    return State.__members__.get(name or "", State.PENDING)


def happened(moment: datetime.datetime | None) -> datetime.datetime | None:
    """The moment, or None where KFP gives a year up to 1970 for what has not happened."""
    return moment if moment and moment.year > 1970 else None


def now() -> datetime.datetime:
    """The current time, in UTC."""
    return datetime.datetime.now(datetime.timezone.utc)
