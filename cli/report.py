"""`tfx-mobile report`: the comparison of a finished run."""

from pathlib import Path

import click

from cli.storage_options import options, storage_options


@click.command()
@click.argument("run", metavar="DIRECTORY|URI")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path(),
    help="With a URI: the directory for report.json and report.html.  [default: this one]",
)
@storage_options
def report(
    run: str, output: Path, endpoint: str | None, region: str | None, ca_file: str | None
) -> None:
    """Rebuild report.json and report.html of a run and show the table.

    DIRECTORY is the output of `tfx-mobile run`. URI is a run on Kubeflow Pipelines in its object
    store: PIPELINE_ROOT/PIPELINE/RUN_ID, or PIPELINE_ROOT/PIPELINE for its newest run.

    \b
    tfx-mobile report demo
    tfx-mobile report gs://bucket/root/mnist -o nightly
    """
    from cli import progress
    from kubeflow import storage
    from pipelines.local.layout import Layout
    from pipelines.report import build, table

    if storage.is_remote(run):
        from kubeflow import results

        layout = Layout(output.resolve())
        built = results.read(run, options(endpoint, region, ca_file))
        build.write(built, layout.report_json, layout.report_html)
    else:
        layout = Layout(Path(run).resolve())
        built = build.build(layout)
    console = progress.console()
    console.print(table.render(built))
    console.print(f"\nreport: {layout.report_html}", soft_wrap=True, highlight=False)
