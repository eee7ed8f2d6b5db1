"""Types of what a command is given: paths, places and seconds."""

import math
from pathlib import Path
from typing import Any

import click

from pipelines import paths

LONGEST_SECONDS = 86_400.0


class UserPath(click.Path):
    """A path, in which `~` is the home directory."""

    def __init__(self, **checks: Any) -> None:
        super().__init__(path_type=Path, **checks)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, or a usage error where there is no such home directory."""
        path = super().convert(_expand(self, str(value), param, ctx), param, ctx)
        return Path(_expand(self, str(path), param, ctx)) if self.resolve_path else path


class Place(click.ParamType[str]):
    """A URI or another name, or a path, in which `~` is the home directory."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The place, or a usage error where there is no such home directory."""
        return _expand(self, str(value), param, ctx)


class Seconds(click.FloatRange):
    """A time between two looks: a tenth of a second to a day."""

    def __init__(self) -> None:
        super().__init__(min=0.1, max=LONGEST_SECONDS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, or a usage error where it is none: click takes nan for one in the range."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return number


def _expand(
    kind: click.ParamType[Any],
    value: str,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> str:
    try:
        return paths.expand(value)
    except ValueError as error:
        kind.fail(f"{value!a}: {error}.", param, ctx)
