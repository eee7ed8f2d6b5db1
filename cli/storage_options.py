"""Options of the commands that reach an object store."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.parameter_types import Place

if TYPE_CHECKING:
    from kubeflow.storage import Options

Command = TypeVar("Command", bound=Callable[..., Any])


def storage_options(command: Command) -> Command:
    """`--endpoint URL`, `--region NAME` and `--ca-file PATH`."""
    for option in (
        click.option(
            "--ca-file", metavar="PATH", type=Place(), help="PEM file of the CA of the endpoint."
        ),
        click.option("--region", metavar="NAME", help="Region of an s3:// bucket."),
        click.option(
            "--endpoint",
            metavar="URL",
            help="Address of the store, as http://minio:9000; minio:// needs one.",
        ),
    ):
        command = option(command)
    return command


def options(endpoint: str | None, region: str | None, ca_file: str | None) -> "Options":
    """What the environment says, changed by what was given.

    Raises:
      SettingsError: A value that cannot be used.
    """
    from kubeflow.storage import Options

    changes: dict[str, Any] = {"region": region, "ca_file": ca_file}
    # A command reaches one store, so that one flag serves both kinds.
    changes |= {"endpoint": endpoint, "gcs_endpoint": endpoint}
    given = {name: value for name, value in changes.items() if value}
    return dataclasses.replace(Options.from_environment(), **given)
