"""`tfx-mobile report`: the comparison of a finished run."""

from pathlib import Path

import click


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
def report(directory: Path) -> None:
    """Rebuild report.json and report.html of a run's output DIRECTORY and show the table.

    \b
    tfx-mobile report demo
    """
    from cli import progress
    from pipelines.local.layout import Layout
    from pipelines.report import build, table

    layout = Layout(directory.resolve())
    built = build.build(layout)
    console = progress.console()
    console.print(table.render(built))
    console.print(f"\nreport: {layout.report_html}", soft_wrap=True, highlight=False)
