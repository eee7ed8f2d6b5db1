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
    help="digits, mnist, auto, or a directory of TFRecords, IDX files or images; "
    "the same as --set data.source=SOURCE.",
)
@options.settings_options
def run(
    output: Path, source: str | None, settings_file: Path | None, overrides: tuple[str, ...]
) -> None:
    """Run the pipeline on this machine and report how the branches compare.

    A component that is finished is not run again: the same command resumes a run that was ended
    and costs seconds where nothing changed.

    \b
    tfx-mobile run --output demo
    tfx-mobile run --output demo --data mnist --set training.preset=cnn
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
