"""What the worker tells its supervisor, one JSON line each."""

import dataclasses
import json
from typing import Any, TextIO


@dataclasses.dataclass(frozen=True)
class Planned:
    """The steps to come, in order."""

    steps: list[str]


@dataclasses.dataclass(frozen=True)
class Started:
    """A step began."""

    step: str


@dataclasses.dataclass(frozen=True)
class Finished:
    """A step ended well; `note` says more, such as "cached"."""

    step: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Failed:
    """The run ended; `message` is one sentence for the person, `trace` for a developer."""

    message: str
    exit_code: int
    trace: str = ""


Event = Planned | Started | Finished | Failed
_TYPES: dict[str, type[Any]] = {cls.__name__: cls for cls in (Planned, Started, Finished, Failed)}


def send(event: Event, stream: TextIO) -> None:
    """Writes one event."""
    stream.write(json.dumps([type(event).__name__, dataclasses.asdict(event)]) + "\n")
    stream.flush()


def parse(line: str) -> Event:
    """Reads one event back."""
    name, values = json.loads(line)
    event: Event = _TYPES[name](**values)
    return event
