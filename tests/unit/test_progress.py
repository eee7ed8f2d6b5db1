"""What a person sees of a run."""

import io

import pytest
from rich.console import Console

from cli.progress import Steps
from pipelines.local import events

RUN = [
    events.Planned(["data", "compose"]),
    events.Started("data"),
    events.Finished("data", "[dim]digits: [1,438] for training"),
    events.Started("compose"),
    events.Finished("compose"),
    events.Planned(["trainer-keras", "report"]),
    events.Started("trainer-keras"),
    events.Finished("trainer-keras", "cached"),
]


def shown(terminal: bool, width: int = 100) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=width, color_system=None)
    with Steps(console) as steps:
        for event in RUN:
            steps.on_event(event)
    return stream.getvalue()


def test_a_plain_line_per_finished_step_where_there_is_no_terminal() -> None:
    lines = shown(terminal=False).splitlines()
    assert [line.split()[0] for line in lines] == ["data", "compose", "trainer-keras"]
    assert lines[0].endswith("0.0 s  [dim]digits: [1,438] for training")
    assert lines[1].endswith("s")
    assert lines[2].endswith("cached")


def test_a_long_line_is_not_broken_where_there_is_no_terminal() -> None:
    assert len(shown(terminal=False, width=20).splitlines()) == 3


def test_a_line_per_step_on_a_terminal() -> None:
    last = shown(terminal=True).split("data")[-1]
    for words in (
        "[dim]digits: [1,438] for training",
        "compose",
        "trainer-keras",
        "cached",
        "report",
    ):
        assert words in last


@pytest.mark.parametrize("terminal", [True, False])
def test_an_error_within_the_run_passes_through(terminal: bool) -> None:
    steps = Steps(Console(file=io.StringIO(), force_terminal=terminal))

    def interrupted() -> None:
        with steps:
            steps.on_event(RUN[0])
            steps.on_event(RUN[1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
