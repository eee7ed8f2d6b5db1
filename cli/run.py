"""`tfx-mobile run`: the pipeline on this machine."""

from pathlib import Path

import click

from cli import options
from cli.parameter_types import UserPath


@click.command(cls=options.SettingsHelp)
@click.option(
    "--output",
    required=True,
    type=UserPath(),
    help="Directory for data, artifacts, pushed models and the report; made if missing.",
)
@click.option(
    "--data",
    "source",
    metavar="SOURCE",
    help=f"{options.SOURCES}; the same as --set data.source=SOURCE.",
)
@options.settings_options
def run(
    output: Path, source: str | None, settings_file: Path | None, overrides: tuple[str, ...]
) -> None:
    """Run the pipeline on this machine and report how the branches compare.

    The data tells what is learnt: the classes of images in folders, the label's column of a table;
    or the setting task names a task of yours. A component that is finished is not run again: the
    same command resumes a run that was ended and costs seconds where nothing changed.

    \b
    tfx-mobile run --output demo
    tfx-mobile run --output demo --data photos --set training.preset=mobilenet
    tfx-mobile run --output demo --data houses --set task.table.label=price
    tfx-mobile run --output demo --set 'branches=[keras, lite, lite-int8]'
    """
    from cli import progress
    from pipelines import functions, settings
    from pipelines.errors import GateRefusedError
    from pipelines.local import directory, supervisor
    from pipelines.report import build, table

    loaded = settings.load(settings_file, overrides, {"data.source": source})
    functions.find(loaded)
    layout = directory.find(output)
    console = progress.console()
    with progress.Steps(console) as steps:
        supervisor.run(loaded, layout, steps.on_event)
    report = build.read(layout)
    console.print()
    console.print(table.render(report))
    console.print(f"\nreport: {layout.report_html}", soft_wrap=True, highlight=False)
    refused = build.refusals(report)
    if refused:
        raise GateRefusedError("; ".join(refused))
