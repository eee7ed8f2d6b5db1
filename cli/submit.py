"""`tfx-mobile submit`: a run on the server."""

from typing import TYPE_CHECKING

import click

from cli.cluster_options import cluster_options, connect
from cli.parameter_types import Seconds
from cli.storage_options import options, storage_options

if TYPE_CHECKING:
    from pipelines.settings import Settings


@click.command()
@click.option(
    "--version",
    default="latest",
    show_default=True,
    help="Name of a version of the pipeline, or the beginning of one.",
)
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="KEY=VALUE",
    help="A parameter of the run, e.g. train_steps=300; may be repeated.",
)
@click.option("--name", default="", help="Beginning of the run's name.  [default: the pipeline's]")
@click.option("--wait", is_flag=True, help="Wait for its end, then show the comparison.")
@click.option("--follow", is_flag=True, help="The same, and show its tasks as they go.")
@click.option(
    "--every",
    type=Seconds(),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks at the run.",
)
@storage_options
@cluster_options
def submit(
    version: str,
    parameters: tuple[str, ...],
    name: str,
    wait: bool,
    follow: bool,
    every: float,
    endpoint: str | None,
    region: str | None,
    ca_file: str | None,
    settings: "Settings",
) -> None:
    """Run an uploaded pipeline.

    The pipeline is the one of the settings (name), its version the newest. With --wait or
    --follow the command ends as the run does: 0, 4 where a quality gate refused a model, else 1.
    Ending the command does not end the run.

    \b
    tfx-mobile submit --host http://localhost:8080 --param train_steps=300
    tfx-mobile submit --host http://localhost:8080 --follow --endpoint http://localhost:9000
    """
    from cli import progress, signals
    from kubeflow.client import pipelines, runs

    given = parse(parameters)
    reach = options(endpoint, region, ca_file)
    api = connect(settings)
    found = pipelines.find(api, settings.name, version)
    with signals.explained("the run may have started: tfx-mobile runs list shows it"):
        run_id = runs.submit(
            api, found, given, settings.experiment, name, settings.cluster.service_account
        )
    console = progress.console()
    console.print(f"run {run_id}, version {found.name}", soft_wrap=True)
    if link := api.link(runs.path(run_id)):
        console.print(link, soft_wrap=True)
    if wait or follow:
        from cli import following

        run = following.to_the_end(api, run_id, every, console, live=follow)
        following.show_comparison(run, reach, console)


def parse(parameters: tuple[str, ...]) -> dict[str, str]:
    """`KEY=VALUE` taken apart.

    Raises:
      UsageError: Something else.
    """
    from pipelines.errors import UsageError

    given = {}
    for parameter in parameters:
        key, equals, value = parameter.partition("=")
        if not equals or not key:
            raise UsageError(f"--param takes KEY=VALUE, got {parameter!r}")
        given[key] = value
    return given
