"""`tfx-mobile report`: the comparison of a finished run."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.cluster_options import cluster_options, connect
from cli.parameter_types import Place, UserPath
from cli.storage_options import options, storage_options

if TYPE_CHECKING:
    from pipelines.settings import Settings

_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@click.command()
@click.argument("run", metavar="DIRECTORY|RUN_ID|URI", type=Place())
@click.option(
    "-o",
    "--output",
    type=UserPath(),
    default=Path(),
    help="With RUN_ID or URI: the directory for report.json and report.html.  [default: this one]",
)
@storage_options
@cluster_options
def report(
    run: str,
    output: Path,
    endpoint: str | None,
    region: str | None,
    ca_file: str | None,
    settings: "Settings",
) -> None:
    """Rebuild report.json and report.html of a run and show the table.

    DIRECTORY is the output of `tfx-mobile run`. RUN_ID is a run on Kubeflow Pipelines. URI is one
    in its object store, which needs no server: PIPELINE_ROOT/PIPELINE/RUN_ID, or
    PIPELINE_ROOT/PIPELINE for its newest run.

    \b
    tfx-mobile report demo
    tfx-mobile report gs://bucket/root/mnist -o nightly
    tfx-mobile report RUN_ID --host http://localhost:8080 --endpoint http://localhost:9000
    """
    from cli import progress
    from kubeflow import storage
    from pipelines.local import directory
    from pipelines.report import build, table

    is_run_id = _RUN_ID.fullmatch(run) is not None and not Path(run).is_dir()
    if is_run_id or storage.is_remote(run):
        from kubeflow import results

        layout = directory.find(output)
        reach = options(endpoint, region, ca_file)
        if is_run_id:
            api = connect(settings)
            from kubeflow.client import runs

            built = results.of_run(runs.get(api, run), reach)
        else:
            built = results.read(run, reach)
        build.write(built, layout.report_json, layout.report_html)
    else:
        layout = directory.find(Path(run))
        built = build.build(layout)
    console = progress.console()
    console.print(table.render(built))
    console.print(f"\nreport: {layout.report_html}", soft_wrap=True, highlight=False)
