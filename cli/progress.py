"""A live line per step on a terminal, a plain line per finished step elsewhere."""

import time
from types import TracebackType

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from pipelines.local import events


def console() -> Console:
    """Where results go: standard output."""
    return Console(highlight=False)


class _State(SpinnerColumn):
    """A dot for a step to come, a spinner for the running one, a tick for a finished one.

    A terminal that lacks these characters shows them in ASCII.
    """

    def __init__(self, console: Console) -> None:
        is_ascii = console.options.ascii_only
        spinner, finished = ("line", "v") if is_ascii else ("dots", "✓")
        self._waiting = "." if is_ascii else "·"
        super().__init__(spinner, finished_text=f"[green]{finished}[/]")

    def render(self, task: Task) -> RenderableType:
        return super().render(task) if task.started else Text(self._waiting, style="dim")


class Steps:
    """Shows the events of a run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}
        self._progress = Progress(
            _State(console),
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=7)),
            TextColumn(
                "[dim]{task.fields[note]}[/]",
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            expand=True,
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "Steps":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            for task_id in self._tasks.values():
                self._progress.stop_task(task_id)
        self._progress.stop()

    def on_event(self, event: events.Event) -> None:
        """Takes one event of the run."""
        match event:
            case events.Planned(steps):
                for step in steps:
                    self._tasks[step] = self._progress.add_task(step, total=1, start=False, note="")
            case events.Started(step):
                self._started[step] = time.monotonic()
                self._progress.start_task(self._tasks[step])
            case events.Finished(step, note):
                self._progress.update(self._tasks[step], completed=1, note=escape(note))
                if not self._console.is_terminal:
                    seconds = time.monotonic() - self._started[step]
                    self._console.print(
                        f"{step:<20} {seconds:6.1f} s  {escape(note)}".rstrip(), soft_wrap=True
                    )
            case events.Failed():
                pass
