"""`tfx-mobile runs`: what runs and ran on the server."""

import shlex
from typing import TYPE_CHECKING

import click

from cli.cluster_options import cluster_options, connect

if TYPE_CHECKING:
    from pipelines.settings import Settings


@click.group()
def runs() -> None:
    """List, show and cancel runs on Kubeflow Pipelines.

    \b
    tfx-mobile runs list --host http://localhost:8080
    """


@runs.command(name="list")
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=1_000_000),
    default=20,
    show_default=True,
    help="How many at most, newest first.",
)
@click.option("--all", "everything", is_flag=True, help="Those of other pipelines too.")
@cluster_options
def list_(limit: int, everything: bool, settings: "Settings") -> None:
    """List the runs of the pipeline (the setting name), newest first.

    \b
    tfx-mobile runs list --host http://localhost:8080 --limit 5
    """
    from cli import following, tables
    from kubeflow.client import runs as client

    api = connect(settings)
    found = client.newest(api, limit, None if everything else settings.name)
    tables.show(
        ("run", "name", "state", "started", "time", "version"),
        (
            (
                run.run_id,
                run.name,
                run.state.value,
                f"{run.created.astimezone():%Y-%m-%d %H:%M}",
                following.duration(run.seconds),
                run.version,
            )
            for run in found
        ),
        "no runs",
    )


@runs.command()
@click.argument("run_id")
@cluster_options
def show(run_id: str, settings: "Settings") -> None:
    """Show a run: its parameters, and its tasks with state and time.

    \b
    tfx-mobile runs show RUN_ID --host http://localhost:8080
    """
    from rich.markup import escape

    from cli import following, progress
    from kubeflow.client import runs as client

    api = connect(settings)
    run = client.get(api, run_id)
    console = progress.console()
    parameters = ", ".join(f"{key}={value}" for key, value in run.parameters.items())
    for name, value in (
        ("run", run.name),
        ("version", run.version or "never uploaded, or deleted"),
        ("parameters", parameters or "defaults"),
        ("artifacts", run.artifacts_uri),
        ("page", api.link(run.path)),
        ("error", run.error),
    ):
        if value:
            console.print(f"{name:<11} {escape(value)}", soft_wrap=True)
    console.print()
    console.print(following.tasks(run))


@runs.command()
@click.argument("run_id")
@cluster_options
def cancel(run_id: str, settings: "Settings") -> None:
    """End a run that has not ended; what it has made stays.

    \b
    tfx-mobile runs cancel RUN_ID --host http://localhost:8080
    """
    from kubeflow.client import runs as client

    run = client.cancel(connect(settings), run_id)
    how = f"had ended already: {run.state.value}" if run.state.is_final else "is being cancelled"
    click.echo(f"{run.name} {how}")


@runs.command(name="logs-hint")
@click.argument("run_id")
@click.argument("task", required=False)
@cluster_options
def logs_hint(run_id: str, task: str | None, settings: "Settings") -> None:
    """Tell how to see the logs of TASK; without one, of each task that failed or cannot start.

    KFP's API has no logs, but the pods have them as long as they are there, and the object store
    after that. A pod that has not started has events instead.

    \b
    tfx-mobile runs logs-hint RUN_ID trainer-lite --host http://localhost:8080
    """
    from kubeflow.client import pods
    from kubeflow.client import runs as client
    from kubeflow.client.states import State
    from kubeflow.client.tasks import Pod
    from pipelines.errors import UsageError

    api = connect(settings)
    run = client.get(api, run_id)
    namespace = api.namespace or settings.cluster.namespace
    tasks = {found.name: found for found in run.tasks}
    if task and task not in tasks:
        raise UsageError(f"the run has no task {task!r}, only {', '.join(tasks)}")
    chosen = [tasks[task]] if task else [found for found in run.tasks if found.is_in_trouble]
    for found in chosen:
        if found.waits_for_its_pod:
            click.echo(f"# {found.name}: why its pod has not started")
            click.echo(pods.events(run_id, found, namespace))
            continue
        if found.pod is Pod.EXECUTOR:
            click.echo(f"# {found.name}: its pod, then what KFP kept of it")
            click.echo(pods.logs(run_id, found, namespace))
            click.echo(f"tfx-mobile data ls {shlex.quote(f'{run.artifacts_uri}/{found.name}')}")
            continue
        # Of drivers and importers KFP keeps no logs.
        driver = " of its driver, which failed" if found.pod is Pod.DRIVER else ""
        click.echo(f"# {found.name}: the pod{driver}")
        click.echo(pods.logs(run_id, found, namespace))
    if not chosen and run.state is State.FAILED:
        click.echo(f"# {run.name} failed and KFP names no task: what Argo says of the run")
        click.echo(pods.message(run_id, namespace))
    elif not chosen:
        click.echo(f"no task of {run.name} failed: name one of {', '.join(tasks)}")
