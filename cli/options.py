"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli.parameter_types import UserPath

Command = TypeVar("Command", bound=Callable[..., Any])

SOURCES = (
    "digits, mnist, auto, or a directory: images in a folder for each class, CSV or Parquet files, "
    "TFRecords, or MNIST's IDX files"
)
"""What examples are read from, for help."""


def settings_options(command: Command) -> Command:
    """`--settings FILE` and `--set KEY=VALUE`."""
    command = click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change one setting, e.g. training.steps=300; may be repeated.",
    )(command)
    return click.option(
        "--settings",
        "settings_file",
        type=UserPath(),
        help="A YAML file of settings.",
    )(command)


class SettingsHelp(click.Command):
    """A command whose help ends with every setting and its default."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the settings after the options."""
        from pipelines import settings

        with formatter.section("Settings"):
            formatter.write_dl(
                [(f"{name}={default}", text) for name, default, text in settings.describe()]
            )
        super().format_epilog(ctx, formatter)
