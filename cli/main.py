"""`tfx-mobile`: the group of commands and the one place where errors become exit codes."""

import sys
from typing import Any

import click

from cli import compile, data, doctor, report, run, runs, schedule, submit, terminal, upload
from pipelines.errors import TfxMobileError


class _Commands(click.Group):
    """Turns our errors into one sentence and an exit code; `--debug` shows the trace."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the command; a terminal that lacks a character shows a replacement."""
        terminal.replace_what_cannot_be_shown()
        return super().main(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TfxMobileError as error:
            if ctx.params["debug"]:
                raise
            click.echo(f"tfx-mobile: {error}", err=True)
            sys.exit(error.exit_code)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tfx-mobile")
@click.option("--debug", is_flag=True, help="Show the trace of an error.")
def main(debug: bool) -> None:
    """Train one model twice, as a Keras SavedModel and as TFLite, and compare them.

    Exit codes: 0 done; 2 wrong usage or input; 3 the environment lacks something; 4 a quality
    gate refused a model; 1 anything else.
    """


for command in (
    doctor.doctor,
    data.data,
    run.run,
    compile.compile_,
    upload.upload,
    submit.submit,
    runs.runs,
    schedule.schedule,
    report.report,
):
    main.add_command(command)
