"""`tfx-mobile runs`: what runs and ran on the server."""

import itertools
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
    type=click.IntRange(min=1),
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
    found = client.newest(api, None if everything else settings.name)
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
            for run in itertools.islice(found, limit)
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
    """Tell how to see the logs of TASK; without one, of each task that failed.

    KFP's API has no logs, but the pods have them as long as they are there, and the object store
    after that.

    \b
    tfx-mobile runs logs-hint RUN_ID trainer-lite --host http://localhost:8080
    """
    from kubeflow.client import runs as client
    from pipelines.errors import UsageError

    api = connect(settings)
    run = client.get(api, run_id)
    names = [one.name for one in run.tasks]
    if task and task not in names:
        raise UsageError(f"the run has no task {task!r}, only {', '.join(names)}")
    failed = [one.name for one in run.tasks if one.state is client.State.FAILED]
    chosen = [task] if task else failed
    if not chosen:
        click.echo(f"no task of {run.name} failed: name one of {', '.join(names)}")
    for name in chosen:
        click.echo(f"# {name}: its pod, then what KFP kept of it")
        click.echo(_pod_logs(run_id, name, api.namespace or settings.cluster.namespace))
        click.echo(f"tfx-mobile data ls {shlex.quote(f'{run.artifacts_uri}/{name}')}")


def _pod_logs(run_id: str, task: str, namespace: str) -> str:
    """KFP labels a pod with its run; only Argo's annotation names the task."""
    kubectl = f"kubectl -n {shlex.quote(namespace or 'kubeflow')}"
    annotation = r"'.metadata.annotations.workflows\.argoproj\.io/node-name'"
    return (
        f"{kubectl} logs -c main $({kubectl} get pods -l pipeline/runid={run_id} --no-headers "
        f"-o custom-columns=POD:.metadata.name,NODE:{annotation} "
        f"| awk '/\\.{task}\\.executor/ {{print $1}}')"
    )
