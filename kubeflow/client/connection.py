"""From settings to a connection that was tried once."""

import contextlib
import dataclasses
import io
import os
import socket
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kfp
import kfp_server_api
from google.auth.exceptions import GoogleAuthError
from kfp.client import KF_PIPELINES_SA_TOKEN_PATH, ServiceAccountTokenVolumeCredentials

from kubeflow.client import errors
from kubeflow.client.api import Api
from pipelines import files, settings
from pipelines.errors import ClusterError, ClusterRefusedError, SettingsError
from pipelines.settings import Cluster

_HOST = "KF_PIPELINES_ENDPOINT"
_UI = "KF_PIPELINES_UI_ENDPOINT"
_IAP_CLIENT = "KF_PIPELINES_IAP_OAUTH2_CLIENT_ID"
_SERVICE_ACCOUNT_TOKEN = "KF_PIPELINES_SA_TOKEN_PATH"
_TOKEN = "TFX_MOBILE_KFP_TOKEN"
_COOKIE = "TFX_MOBILE_KFP_COOKIE"
_CONNECT_SECONDS = 10
_CONNECT = (
    "give --host, such as http://localhost:8080 after kubectl port-forward -n kubeflow "
    "svc/ml-pipeline-ui 8080:80"
)


class _Client(kfp.Client):
    """Asks the server nothing while it is made: that would repeat an error for 25 s and hide it."""

    made = False

    def get_kfp_healthz(self, sleep_duration: int = 0) -> kfp_server_api.V2beta1GetHealthzResponse:
        if not self.made:
            return kfp_server_api.V2beta1GetHealthzResponse(multi_user=False)
        return super().get_kfp_healthz(sleep_duration=sleep_duration)


def connect(cluster: Cluster, environ: Mapping[str, str] = os.environ) -> Api:
    """A connection whose credentials the server took.

    Nothing secret comes from the settings themselves: a token or a cookie is in a file or in a
    variable, and goes nowhere but into the requests' headers.

    Raises:
      SettingsError: No server is named, or the way to be let in lacks something.
      EnvironmentLacksError: The server is older than KFP 2.
      ClusterRefusedError: It does not take the credentials or the namespace.
      ClusterError: It cannot be reached.
    """
    host = cluster.host or _host_of_environment(environ)
    _reachable(host, environ)
    credentials = _credentials(cluster, host, environ)
    # Where a person has to log in at Google first, the client asks on standard output.
    said = sys.stdout if "client_id" in credentials else io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(said):
        warnings.simplefilter("ignore")
        try:
            client = _Client(
                host=host or None,
                ui_host=cluster.ui or None,
                kube_context=cluster.context or None,
                ssl_ca_cert=_readable(cluster.ca_file, "the CA's file") or None,
                **credentials,
            )
        except (OSError, ValueError, GoogleAuthError) as error:
            reason = " ".join(str(error).split())
            raise ClusterRefusedError(f"the credentials cannot be had: {reason}") from error
    if isinstance(said, io.StringIO) and "Failed to load kube config" in said.getvalue():
        raise SettingsError(f"kubectl has no context {cluster.context or 'to use'}: {_CONNECT}")
    client.made = True
    api = Api(
        client=client,
        host=host or "kubectl's cluster",
        ui=(cluster.ui or environ.get(_UI) or host).rstrip("/"),
        namespace=None,
        retry_seconds=cluster.retry_seconds,
    )
    return _tried(api, cluster.namespace)


def _tried(api: Api, namespace: str) -> Api:
    """The same connection, knowing whether the server has namespaces.

    A session that has ended is answered with a login page, which the client takes for an empty
    answer of any kind; but the server's health always says whether it has many users.
    """
    api.ask(api.client.list_pipelines, page_size=1)
    try:
        many_users = api.ask(api.client.get_kfp_healthz).multi_user
    except TimeoutError as error:
        raise ClusterError(f"{api.host} does not tell its health: {error}") from error
    if many_users is None:
        raise ClusterRefusedError(
            f"{api.host} answers with a page instead of data, a login page most likely: get a new "
            "session cookie (cluster.cookie_file), or a token (cluster.token_file)"
        )
    if not many_users:
        return api
    if not namespace:
        raise ClusterRefusedError(
            f"Kubeflow Pipelines at {api.host} has many users: name your profile's namespace with "
            "--namespace"
        )
    return dataclasses.replace(api, namespace=namespace)


def _host_of_environment(environ: Mapping[str, str]) -> str:
    host = environ.get(_HOST, "")
    # As the client itself takes it.
    host = host if not host or "://" in host else f"https://{host}"
    return settings.validate({"cluster": {"host": host}}).cluster.host


def _reachable(host: str, environ: Mapping[str, str]) -> None:
    """Tries the port: the client itself would wait for minutes where nothing answers."""
    if not host:
        config = Path(environ.get("KUBECONFIG", "~/.kube/config").split(os.pathsep)[0]).expanduser()
        if "KUBERNETES_SERVICE_HOST" not in environ and not config.exists():
            raise SettingsError(f"no server of Kubeflow Pipelines is named: {_CONNECT}")
        return
    try:
        address = urlsplit(host)
        port = address.port or (443 if address.scheme == "https" else 80)
    except ValueError as error:
        raise SettingsError(f"{host} is no address: {error}") from error
    try:
        socket.create_connection((address.hostname or "", port), _CONNECT_SECONDS).close()
    except OSError as error:
        raise errors.no_answer(host, error.strerror or str(error)) from error


def _credentials(cluster: Cluster, host: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of `kfp.Client` for the way to be let in."""
    client_id = cluster.iap_client_id or environ.get(_IAP_CLIENT, "")
    mounted = environ.get(_SERVICE_ACCOUNT_TOKEN) or KF_PIPELINES_SA_TOKEN_PATH
    there = {
        "token": bool(cluster.token_file or environ.get(_TOKEN)),
        "cookie": bool(cluster.cookie_file or environ.get(_COOKIE)),
        "iap": bool(client_id),
        # Without a host, the client takes the service account's token by itself.
        "service-account": bool(host) and Path(mounted).exists(),
    }
    way: str = cluster.auth
    if way == "auto":
        way = next((name for name, is_there in there.items() if is_there), "none")
    match way:
        case "token":
            return {"existing_token": _secret(cluster.token_file, "token", _TOKEN, environ)}
        case "cookie":
            return {"cookies": _secret(cluster.cookie_file, "cookie", _COOKIE, environ)}
        case "iap":
            if not client_id:
                raise SettingsError(
                    f"Identity-Aware Proxy needs its OAuth client: set cluster.iap_client_id or "
                    f"{_IAP_CLIENT}"
                )
            return {"client_id": client_id}
        case "service-account":
            path = _readable(cluster.token_file or mounted, "the service account's token")
            return {"credentials": ServiceAccountTokenVolumeCredentials(path)}
    return {}


def _secret(file: str, what: str, variable: str, environ: Mapping[str, str]) -> str:
    """The content of a file or a variable; a header cannot hold more than one line."""
    text = files.read_text(Path(file), f"the {what}") if file else environ.get(variable, "")
    text = text.strip()
    if not text:
        raise SettingsError(f"there is no {what}: set cluster.{what}_file or {variable}")
    if not (text.isascii() and text.isprintable()):
        where = file or variable
        raise SettingsError(f"{where} does not hold a {what}: one line of plain text is expected")
    return text


def _readable(file: str, what: str) -> str:
    if not file:
        return ""
    try:
        Path(file).open("rb").close()
    except OSError as error:
        raise SettingsError(f"cannot read {what}, {file}: {error.strerror}") from error
    return file
