"""`tfx-mobile schedule`: recurring runs on the server, as a file says."""

import datetime
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.cluster_options import cluster_options, connect

if TYPE_CHECKING:
    from rich.console import Console

    from kubeflow.client.api import Api
    from kubeflow.schedules.apply import Event
    from kubeflow.schedules.plan import Change
    from kubeflow.schedules.server import Existing
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
        type=click.Path(path_type=Path),
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
    _, changes = _plan(file, prune, settings)
    _show(changes)


@schedule.command()
@_file_options
@cluster_options
def apply(file: Path, prune: bool, settings: "Settings") -> None:
    """Bring the recurring runs on the server to what the file says.

    A recurring run cannot be changed, so a new one is made, paused, and takes over from the old
    one. Where this is ended in the middle, the same command goes on from there.

    \b
    tfx-mobile schedule apply --host http://localhost:8080
    tfx-mobile schedule apply --file nightly.yaml --prune --host http://localhost:8080
    """
    from kubeflow.schedules import apply as schedules

    api, changes = _plan(file, prune, settings)
    _show(changes)
    if any(change.steps for change in changes):
        schedules.apply(api, changes, _tell)
        click.echo("done")


@schedule.command(name="list")
@cluster_options
def list_(settings: "Settings") -> None:
    """List the recurring runs of the pipeline, with the last and the next time of each.

    \b
    tfx-mobile schedule list --host http://localhost:8080
    """
    from cli import tables
    from kubeflow.client import pipelines
    from kubeflow.schedules import server

    api = connect(settings)
    pipeline_id = pipelines.find_id(api, settings.name)
    now = datetime.datetime.now(datetime.timezone.utc)
    tables.show(
        ("name", "state", "when", "last", "next (UTC)", "version", "made from"),
        (
            (
                one.name,
                "enabled" if one.enabled else "paused",
                one.fields["when"],
                _time(one.last),
                _time(next(one.times(now, datetime.timezone.utc), None)) if one.enabled else "",
                one.fields["version"],
                "a file" if one.digest else "hand",
            )
            for one in server.existing(api, pipeline_id)
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
    for one in _named(api, name, settings):
        server.pause(api, one.recurring_run_id)
    click.echo(f"{name} is paused")


@schedule.command()
@click.argument("name")
@cluster_options
def resume(name: str, settings: "Settings") -> None:
    """Let a paused schedule fire again.

    Times that it missed are made up for by one run at once, or by all where it catches up.

    \b
    tfx-mobile schedule resume nightly --host http://localhost:8080
    """
    from kubeflow.schedules import server
    from pipelines.errors import ClusterRefusedError

    api = connect(settings)
    found = _named(api, name, settings)
    if len(found) > 1:
        raise ClusterRefusedError(
            f"{name} was being replaced when that was ended: tfx-mobile schedule apply goes on"
        )
    missed = found[0].missed(datetime.datetime.now(datetime.timezone.utc))
    server.enable(api, found[0].recurring_run_id)
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
    found = _named(api, name, settings)
    going_on = [run for one in found for run in server.running(api, one)]
    if going_on:
        raise ClusterRefusedError(
            f"deleting {name} would end {', '.join(going_on)}: pause it, then wait or cancel them"
        )
    for one in found:
        server.delete(api, one.recurring_run_id)
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
    one = _named(api, name, settings)[-1]
    version = (
        pipelines.get(api, one.pipeline_id, one.version_id)
        if one.version_id
        else pipelines.find(api, settings.name)
    )
    run_id = runs.submit(
        api,
        version,
        one.arguments,
        settings.experiment,
        name,
        settings.cluster.service_account,
    )
    click.echo(f"run {run_id}, version {version.name}")
    if link := api.link(runs.path(run_id)):
        click.echo(link)


def _plan(file: Path, prune: bool, settings: "Settings") -> "tuple[Api, list[Change]]":
    from kubeflow.client import pipelines
    from kubeflow.schedules import file as schedules
    from kubeflow.schedules import plan, server
    from pipelines.errors import ClusterRefusedError

    listed = schedules.load(file)
    api = connect(settings)
    pipeline_id = pipelines.find_id(api, settings.name)
    versions = {one.version: pipelines.find(api, settings.name, one.version) for one in listed}
    wanted = [server.wanted(one, versions[one.version], settings) for one in listed]
    existing = server.existing(api, pipeline_id)
    if by_hand := plan.made_by_hand(wanted, existing):
        raise ClusterRefusedError(
            f"{by_hand[0]} is the name of a recurring run that was not made from a file: delete "
            f"that one with tfx-mobile schedule delete {by_hand[0]}, or take another name"
        )
    return api, plan.plan(wanted, existing, prune)


def _show(changes: "list[Change]") -> None:
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
                _show_times(step.wanted.schedule, console)
            if isinstance(step, Enable) and step.one and step.one.missed(now):
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
            click.echo(f"{name} fires about now: replaced in {seconds:.0f} s")
        case StillRunning(name, names):
            click.echo(
                f"{name}: the old one stays, paused, until {', '.join(names)} has ended; apply "
                "again to delete it"
            )


def _named(api: "Api", name: str, settings: "Settings") -> "list[Existing]":
    from kubeflow.client import pipelines
    from kubeflow.schedules import server
    from pipelines.errors import ClusterMissingError

    pipeline_id = pipelines.find_id(api, settings.name)
    existing = server.existing(api, pipeline_id)
    found = [one for one in existing if one.name == name]
    if not found:
        names = ", ".join(dict.fromkeys(one.name for one in existing)) or "none"
        raise ClusterMissingError(f"there is no schedule {name}; there are: {names}")
    return found


def _time(moment: datetime.datetime | None) -> str:
    return f"{moment.astimezone(datetime.timezone.utc):%Y-%m-%d %H:%M:%S}" if moment else ""
