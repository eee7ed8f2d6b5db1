"""Options of the commands that reach Kubeflow Pipelines."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.options import settings_options

if TYPE_CHECKING:
    from kubeflow.client.api import Api
    from pipelines.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

_FLAGS = {
    "host": "cluster.host",
    "namespace": "cluster.namespace",
    "auth": "cluster.auth",
    "token_file": "cluster.token_file",
    "cookie_file": "cluster.cookie_file",
    "iap_client_id": "cluster.iap_client_id",
    "host_ca_file": "cluster.ca_file",
}


def cluster_options(command: Command) -> Command:
    """`--host` and what else a connection takes; the command gets `settings` instead of them."""

    @functools.wraps(command)
    def with_settings(settings_file: Path | None, overrides: tuple[str, ...], **rest: Any) -> Any:
        from cli import quiet
        from pipelines import settings

        # Before the command imports KFP's client.
        quiet.hush_libraries()
        flags = {key: rest.pop(option) for option, key in _FLAGS.items()}
        return command(settings=settings.load(settings_file, overrides, flags), **rest)

    for option in (
        click.option("--host-ca-file", metavar="PATH", help="PEM file of the CA of the host."),
        click.option("--iap-client-id", metavar="ID", help="OAuth client of Identity-Aware Proxy."),
        click.option("--cookie-file", metavar="PATH", help="File with a session's NAME=VALUE."),
        click.option("--token-file", metavar="PATH", help="File with a bearer token."),
        click.option(
            "--auth",
            metavar="WAY",
            help="auto, none, service-account, token, cookie or iap.  [default: auto]",
        ),
        click.option("--namespace", help="The profile's namespace, where KFP has many users."),
        click.option(
            "--host",
            metavar="URL",
            help="Address of Kubeflow Pipelines, as http://localhost:8080; these options are the "
            "same as --set cluster.KEY=VALUE.",
        ),
    ):
        with_settings = option(with_settings)
    return settings_options(with_settings)  # type: ignore[return-value]


def connect(settings: "Settings") -> "Api":
    """The connection that the settings tell of; see `kubeflow.client.connection`."""
    from kubeflow.client import connection

    return connection.connect(settings.cluster)
