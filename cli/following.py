"""A run on a server, shown until it ends."""

from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from cli import signals
from kubeflow import results
from kubeflow.client import runs
from kubeflow.client.api import Api
from kubeflow.client.runs import Run
from kubeflow.client.states import State
from kubeflow.client.tasks import Task
from pipelines.errors import (
    ClusterError,
    ClusterMissingError,
    GateRefusedError,
    RunFailedError,
    StorageError,
    UsageError,
)
from pipelines.report import build, table

if TYPE_CHECKING:
    from kubeflow.storage import Options

_STYLES = {
    State.RUNNING: "bold",
    State.SUCCEEDED: "green",
    State.CACHED: "green",
    State.FAILED: "red",
    State.CANCELED: "red",
}


def to_the_end(api: Api, run_id: str, every: float, console: Console, live: bool) -> Run:
    """Wait for a run's end. Ctrl-C and SIGTERM end the waiting and leave the run.

    Args:
      api: The connection.
      run_id: The run's ID.
      every: Seconds between two looks.
      console: Where to show it.
      live: Whether to show its tasks: all of them on a terminal, a line per finished one elsewhere.

    Raises:
      ClusterMissingError: The run was deleted.
      ClusterError: The server cannot be reached, or fails; the run goes on.
    """
    goes_on = f"the run goes on: tfx-mobile runs show {run_id} shows it"
    with signals.explained(f"{goes_on}, runs cancel ends it"):
        try:
            if not (live and console.is_terminal):
                return _in_lines(api, run_id, every, console if live else None)
            with Live(console=console, refresh_per_second=4) as display:
                for run in runs.watch(api, run_id, every):
                    display.update(tasks(run))
                return run
        except ClusterMissingError:
            raise
        except ClusterError as error:
            raise type(error)(f"{error}; {goes_on}") from error


def _in_lines(api: Api, run_id: str, every: float, console: Console | None) -> Run:
    told: set[str] = set()
    for run in runs.watch(api, run_id, every):
        for task in run.tasks:
            if console and task.state.is_final and task.name not in told:
                told.add(task.name)
                note = f": {task.note}" if task.note else ""
                line = f"{task.name:<20} {duration(task.seconds):>8}  {task.state.value}{note}"
                console.print(line, markup=False, soft_wrap=True)
    return run


def show_comparison(run: Run, options: "Options", console: Console) -> None:
    """Show the table of the report, if the run succeeded.

    Raises:
      RunFailedError: It did not.
      GateRefusedError: A quality gate refused a model.
      StorageError: The artifacts cannot be read.
      UsageError: The artifacts are not there.
    """
    if run.state is State.CANCELED:
        raise RunFailedError(
            f"the run {run.run_id} was canceled: tfx-mobile runs show {run.run_id} shows how far "
            "it came"
        )
    if run.state is not State.SUCCEEDED:
        failed = [task for task in run.tasks if task.state is State.FAILED]
        where = f" at {', '.join(task.name for task in failed)}" if failed else ""
        raise RunFailedError(
            f"the run {run.run_id} {run.state.value}{where}: tfx-mobile runs logs-hint "
            f"{run.run_id} tells how to see why"
        )
    again = f"tfx-mobile report {run.run_id}"
    with signals.explained(f"the run succeeded: {again} shows its comparison"):
        try:
            report = results.of_run(run, options)
        except (StorageError, UsageError) as error:
            raise type(error)(
                f"the run {run.run_id} succeeded, but its report cannot be read: {error}; "
                f"then {again} shows it"
            ) from error
    console.print()
    console.print(table.render(report))
    refused = build.refusals(report)
    if refused:
        raise GateRefusedError("; ".join(refused))


def tasks(run: Run) -> RenderableType:
    """A row for each task."""
    shown = Table(box=None, pad_edge=False, caption_justify="left")
    shown.add_column("task", no_wrap=True)
    shown.add_column("state")
    shown.add_column("time", justify="right", no_wrap=True)
    for task in run.tasks:
        shown.add_row(escape(task.name), _state(task), duration(task.seconds))
    shown.caption = f"{run.state.value}, {duration(run.seconds)}"
    return shown


def _state(task: Task) -> str:
    style = _STYLES.get(task.state, "dim")
    return f"[{style}]{task.state.value}[/]" + (f": {escape(task.note)}" if task.note else "")


def duration(seconds: float | None) -> str:
    """`12 s`, `3:05 min` or `1:02:03 h`."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"
