"""Types of parameters that click lacks: paths with `~`, places and seconds."""

import math
from pathlib import Path
from typing import Any

import click

from pipelines import paths
from pipelines.errors import SettingsError

_LONGEST = 86_400.0  # seconds


class UserPath(click.Path):
    """A path, in which `~` is the home directory."""

    def __init__(self, **checks: Any) -> None:
        super().__init__(path_type=Path, **checks)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path.

        Raises:
          SettingsError: It is empty, not UTF-8, or there is no such home directory.
        """
        return super().convert(_expand(str(value), param), param, ctx)


class Place(click.ParamType[str]):
    """A URI or another name, or a path, in which `~` is the home directory."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The place.

        Raises:
          SettingsError: It is empty, not UTF-8, or there is no such home directory.
        """
        return _expand(str(value), param)


class Seconds(click.FloatRange):
    """A time between two looks: a tenth of a second to a day."""

    def __init__(self) -> None:
        super().__init__(min=0.1, max=_LONGEST)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number, or a usage error where it is none: click takes nan for one in the range."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return number


def _expand(value: str, param: click.Parameter | None) -> str:
    name = param.get_error_hint(None) if param else "the path"
    if not value:  # most often a variable of the shell that is not set
        raise SettingsError(f"{name}: is empty, give a path")
    try:
        return paths.expand(value)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}, got {value!r}") from None
