"""`tfx-mobile upload`: a compiled pipeline on the server."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.cluster_options import cluster_options, connect
from cli.parameter_types import UserPath

if TYPE_CHECKING:
    from pipelines.settings import Settings


@click.command()
@click.argument("compiled", metavar="[FILE]", type=UserPath(), default=Path("pipeline.yaml"))
@cluster_options
def upload(compiled: Path, settings: "Settings") -> None:
    """Bring FILE, which `compile` wrote, to Kubeflow Pipelines as a version of its pipeline.

    FILE is pipeline.yaml where none is given. The version is named by a hash of the content and
    the git revision of its directory. What the server has already is not uploaded again.

    \b
    tfx-mobile upload --host http://localhost:8080
    tfx-mobile upload nightly.yaml --host https://kfp.example --token-file token
    """
    from kubeflow.client import pipelines
    from kubeflow.package import Package

    package = Package.read(compiled)
    api = connect(settings)
    revision = pipelines.git_revision(compiled.resolve().parent)
    version, is_new = pipelines.upload(api, package, compiled, revision)
    what = "uploaded" if is_new else "unchanged, nothing uploaded"
    click.echo(f"pipeline {package.name}, version {version.name}: {what}")
    if link := api.link(version.path):
        click.echo(link)
