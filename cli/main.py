"""`tfx-mobile`: the group of commands and the one place where errors become exit codes."""

from typing import Any

from cli import guard

with guard.explained_imports():
    import click

    from cli import compile, data, doctor, report, run, runs, schedule, submit, terminal, upload


class _Commands(click.Group):
    """Turns whatever ends a command into one sentence and an exit code."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        guard.open_standard_streams()
        terminal.replace_what_cannot_be_shown()
        with guard.explained(lambda: False), guard.flushed():
            return super().main(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        # Here too, because `main` takes Ctrl-C and every broken pipe for the terminal's.
        with guard.explained(lambda: ctx.params["debug"]):
            return super().invoke(ctx)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command that takes `--debug` as well, as do those below it."""
        super().add_command(cmd, name)
        _take_debug(cmd)


def _take_debug(command: click.Command) -> None:
    option = click.Option(
        ["--debug"],
        is_flag=True,
        help="Show the trace of an error.",
        is_eager=True,
        hidden=True,
        expose_value=False,
        callback=_set_debug,
    )
    command.params.append(option)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _take_debug(below)


def _set_debug(ctx: click.Context, option: click.Parameter, is_given: bool) -> None:
    if is_given:
        ctx.find_root().params["debug"] = True


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tfx-mobile")
@click.option("--debug", is_flag=True, help="Show the trace of an error; also after the command.")
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
