"""`tfx-mobile schedule`: recurring runs on the server, as a file says."""

import datetime
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.cluster_options import cluster_options, connect
from cli.parameter_types import UserPath

if TYPE_CHECKING:
    from rich.console import Console

    from kubeflow.client.api import Api
    from kubeflow.schedules.apply import Event, Plan
    from kubeflow.schedules.plan import Change
    from kubeflow.schedules.recurring_run import RecurringRun
    from pipelines.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

_SHOWN_TIMES = 3
_SIGNS = {
    "create": "[green]+[/]",
    "replace": "[yellow]~[/]",
    "resume": "[yellow]~[/]",
    "pause": "[yellow]~[/]",
    "delete": "[red]-[/]",
    "same": " ",
    "unlisted": "[dim]?[/]",
}
_AT_ONCE = "and fires at once for the time that it missed"
_SAYS = {
    "same": "unchanged",
    "unlisted": "is in the file no longer and goes on: --prune deletes it",
}


def _file_options(command: Command) -> Command:
    command = click.option(
        "--prune", is_flag=True, help="Delete what was made from a file and is in it no longer."
    )(command)
    return click.option(
        "--file",
        type=UserPath(),
        default=Path("schedules.yaml"),
        show_default=True,
        help="The schedules.",
    )(command)


@click.group()
def schedule() -> None:
    """Keep the recurring runs of the pipeline (the setting name) as a file says.

    \b
    tfx-mobile schedule diff --host http://localhost:8080
    tfx-mobile schedule apply --host http://localhost:8080
    """


@schedule.command()
@_file_options
@cluster_options
def diff(file: Path, prune: bool, settings: "Settings") -> None:
    """Show what `apply` would do, and when each schedule fires next. Nothing is changed.

    \b
    tfx-mobile schedule diff --file nightly.yaml --host http://localhost:8080
    """
    _, planned = _plan(file, prune, settings)
    _show(planned.changes)


@schedule.command()
@_file_options
@cluster_options
def apply(file: Path, prune: bool, settings: "Settings") -> None:
    """Bring the recurring runs on the server to what the file says.

    KFP cannot change a recurring run, so a new one is created, paused, and takes over from the old
    one. If the command is killed, the same command continues.

    \b
    tfx-mobile schedule apply --host http://localhost:8080
    tfx-mobile schedule apply --file nightly.yaml --prune --host http://localhost:8080
    """
    from kubeflow.schedules import apply as schedules

    api, planned = _plan(file, prune, settings)
    _show(planned.changes)
    if any(change.steps for change in planned.changes):
        schedules.execute(api, planned, _tell)
        click.echo("done")


@schedule.command(name="list")
@click.option(
    "--time-zone",
    default="UTC",
    show_default=True,
    help="The zone of KFP's server, such as Europe/Berlin; the times are shown in it.",
)
@cluster_options
def list_(time_zone: str, settings: "Settings") -> None:
    """List the recurring runs of the pipeline, with the last and the next time of each.

    \b
    tfx-mobile schedule list --host http://localhost:8080
    """
    from cli import tables
    from kubeflow.client import pipelines
    from kubeflow.package import LATEST
    from kubeflow.schedules import file, server

    zone = file.read_zone(time_zone)
    api = connect(settings)
    pipeline_id = pipelines.find_id(api, settings.name)
    now = datetime.datetime.now(datetime.timezone.utc)
    recurring_runs = server.load_last(api, server.list_all(api, pipeline_id))
    tables.show(
        ("name", "state", "when", f"last ({time_zone})", f"next ({time_zone})", "version", "made"),
        (
            (
                run.name,
                "enabled" if run.enabled else "paused",
                run.when,
                _time(run.last, zone),
                _time(next(run.times(now, zone), None) if run.enabled else None, zone),
                run.version_id or LATEST,
                "from a file" if run.digest else "by hand",
            )
            for run in recurring_runs
        ),
        "no schedules",
    )


@schedule.command()
@click.argument("name")
@cluster_options
def pause(name: str, settings: "Settings") -> None:
    """Keep a schedule from firing; the next `apply` of a file that enables it resumes it.

    \b
    tfx-mobile schedule pause nightly --host http://localhost:8080
    """
    from kubeflow.schedules import server

    api = connect(settings)
    for run in _find(api, name, settings):
        server.pause(api, run.recurring_run_id)
    click.echo(f"{name} is paused")


@schedule.command()
@click.argument("name")
@cluster_options
def resume(name: str, settings: "Settings") -> None:
    """Let a paused schedule fire again.

    For times that it missed it fires once, at once, or for each of them if it catches up.

    \b
    tfx-mobile schedule resume nightly --host http://localhost:8080
    """
    from kubeflow.schedules import server
    from pipelines.errors import ClusterMissingError, ClusterRefusedError

    api = connect(settings)
    found = _find(api, name, settings)
    if len(found) > 1:
        raise ClusterRefusedError(
            f"there are {len(found)} recurring runs named {name}, of which two would fire: "
            "tfx-mobile schedule apply deletes the old one"
        )
    (run,) = server.load_last(api, found)
    missed = run.missed(datetime.datetime.now(datetime.timezone.utc))
    if not server.enable(api, run.recurring_run_id):
        raise ClusterMissingError(f"{name} was deleted just now: tfx-mobile schedule apply")
    click.echo(f"{name} is enabled" + (f", {_AT_ONCE}" if missed else ""))


@schedule.command()
@click.argument("name")
@cluster_options
def delete(name: str, settings: "Settings") -> None:
    """Delete a schedule, unless this would end runs of it. Runs that have ended stay.

    \b
    tfx-mobile schedule delete nightly --host http://localhost:8080
    """
    from kubeflow.schedules import server
    from pipelines.errors import ClusterRefusedError

    api = connect(settings)
    found = _find(api, name, settings)
    active = [active for run in found for active in server.list_active(api, run)]
    if active:
        raise ClusterRefusedError(
            f"deleting {name} would end {', '.join(active)}: pause it, then wait or cancel them"
        )
    for run in found:
        server.delete(api, run.recurring_run_id)
    click.echo(f"{name} is deleted")


@schedule.command()
@click.argument("name")
@cluster_options
def trigger(name: str, settings: "Settings") -> None:
    """Run now what a schedule runs: its version, its parameters.

    \b
    tfx-mobile schedule trigger nightly --host http://localhost:8080
    """
    from kubeflow.client import pipelines, runs

    api = connect(settings)
    recurring_run = _find(api, name, settings)[-1]
    version = (
        pipelines.get(api, recurring_run.pipeline_id, recurring_run.version_id)
        if recurring_run.version_id
        else pipelines.find_version(api, recurring_run.pipeline_id, settings.name)
    )
    run_id = runs.submit(
        api,
        version,
        recurring_run.arguments,
        settings.experiment,
        name,
        settings.cluster.service_account,
    )
    click.echo(f"run {run_id}, version {version.name}")
    if link := api.link(runs.path(run_id)):
        click.echo(link)


def _plan(file: Path, prune: bool, settings: "Settings") -> "tuple[Api, Plan]":
    from kubeflow.client import pipelines
    from kubeflow.schedules import apply as schedules
    from kubeflow.schedules import server, target
    from kubeflow.schedules.file import load

    listed = load(file)
    api = connect(settings)
    pipeline_id = pipelines.find_id(api, settings.name)
    versions = {
        name: pipelines.find_version(api, pipeline_id, settings.name, name)
        for name in dict.fromkeys(schedule.version for schedule in listed)
    }
    experiment_id = server.find_experiment(api, settings.experiment)
    targets = [
        target.resolve(schedule, versions[schedule.version], settings, experiment_id)
        for schedule in listed
    ]
    return api, schedules.make_plan(api, pipeline_id, targets, prune)


def _show(changes: "Sequence[Change]") -> None:
    from rich.markup import escape

    from cli import progress
    from kubeflow.schedules.plan import Create, Enable

    console = progress.console()
    now = datetime.datetime.now(datetime.timezone.utc)
    for change in changes:
        says = _SAYS.get(change.kind, change.kind)
        console.print(f"{_SIGNS[change.kind]} {escape(change.name)}: {says}", soft_wrap=True)
        for field, (old, new) in change.differences.items():
            console.print(f"    {field}: {escape(old)} -> {escape(new)}", soft_wrap=True)
        for step in change.steps:
            if isinstance(step, Create):
                _show_times(step.target.schedule, console)
            if isinstance(step, Enable) and step.run.missed(now):
                console.print(f"    {_AT_ONCE}")
    if not changes:
        console.print("no schedules")


def _show_times(schedule: Any, console: "Console") -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    times = [
        f"{moment:%a %Y-%m-%d %H:%M:%S}"
        for moment in itertools.islice(schedule.times(now), _SHOWN_TIMES)
    ]
    zone = schedule.time_zone
    if not schedule.enabled:
        console.print("    paused: does not fire")
    elif times:
        console.print(
            f"    next: {', '.join(times)} ({zone}, if that is the server's zone)", soft_wrap=True
        )
    else:
        console.print("    never fires")


def _tell(event: "Event") -> None:
    from kubeflow.schedules.apply import StillRunning, Waiting

    match event:
        case Waiting(name, seconds):
            click.echo(f"{name} fires about now: it is replaced in {seconds:.0f} s")
        case StillRunning(name, names):
            click.echo(
                f"{name}: the old one stays, paused, until {', '.join(names)} has ended; apply "
                "again to delete it"
            )


def _find(api: "Api", name: str, settings: "Settings") -> "list[RecurringRun]":
    from kubeflow.client import pipelines
    from kubeflow.schedules import server
    from pipelines.errors import ClusterMissingError

    pipeline_id = pipelines.find_id(api, settings.name)
    found = server.list_all(api, pipeline_id, [name])
    if not found:
        every = server.list_all(api, pipeline_id)
        names = ", ".join(dict.fromkeys(run.name for run in every)) or "none"
        raise ClusterMissingError(f"there is no schedule {name}; there are: {names}")
    return found


def _time(moment: datetime.datetime | None, zone: datetime.tzinfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}" if moment else ""
