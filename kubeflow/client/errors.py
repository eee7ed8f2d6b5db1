"""What the client raises, as one sentence."""

import itertools
import json
import re
import ssl
from http import HTTPStatus

from kfp_server_api import ApiException
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, SSLError

from pipelines.errors import (
    ClusterError,
    ClusterMissingError,
    ClusterRefusedError,
    EnvironmentLacksError,
    TfxMobileError,
)
from pipelines.messages import one_line

RAISED = (ApiException, HTTPError)
"""What a call of `kfp.Client` raises where the server or the way to it is the reason."""

UNREADABLE = (AttributeError, LookupError, TypeError, ValueError)
"""What the client raises where an answer is no JSON, or has other fields or types than KFP's."""

_KEYS = {
    "V2beta1Experiment": "experiment_id",
    "V2beta1Pipeline": "pipeline_id",
    "V2beta1PipelineVersion": "pipeline_version_id",
    "V2beta1RecurringRun": "recurring_run_id",
    "V2beta1Run": "run_id",
}
_LISTS = ("experiments", "pipelines", "pipeline_versions", "recurring_runs", "runs")

_FAILED = HTTPStatus.INTERNAL_SERVER_ERROR
_PASSING = (429, 500, 502, 503, 504)


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed in a moment."""
    if isinstance(error, ApiException):
        return _status(error) in _PASSING
    return isinstance(error, HTTPError) and not _is_tls(error)


def translate(error: Exception, host: str) -> TfxMobileError:
    """The error for a person. Headers, which may hold a session, are dropped from the original."""
    if isinstance(error, ApiException) and error.status:
        error.headers = None
        return _answer(_status(error), error.body, host)
    if _is_tls(error):
        return ClusterRefusedError(
            f"the certificate of {host} is not trusted: give its CA as cluster.ca_file "
            f"({one_line(_reason(error))})"
        )
    return no_answer(host, one_line(_reason(error)))


def no_answer(host: str, reason: str) -> ClusterError:
    """The error where no server answers."""
    return ClusterError(
        f"no server answers at {host} ({reason}): check the address, and whether kubectl "
        "port-forward still runs"
    )


def unreadable(host: str) -> ClusterRefusedError:
    """The error where an answer is not one of KFP's API."""
    return ClusterRefusedError(
        f"{host} answers with something else than KFP's API does: check the address, and what is "
        "in front of the server"
    )


def is_readable(answer: object) -> bool:
    """Whether an answer has what KFP always gives: an ID and a time in everything it stores.

    The client takes `{}` and a page for an answer in which everything is missing.
    """
    lists = [getattr(answer, field, None) or () for field in _LISTS]
    return all(
        getattr(entry, key) and entry.created_at
        for entry in (answer, *itertools.chain(*lists))
        if (key := _KEYS.get(type(entry).__name__))
    ) and not any(entry is None or isinstance(entry, str) for entry in itertools.chain(*lists))


def _status(error: ApiException) -> int:
    """Uploading what is invalid is answered with 500 by older servers, but will not pass."""
    text = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body
    is_invalid = error.status == _FAILED and "InvalidInputError" in str(text)
    return HTTPStatus.BAD_REQUEST if is_invalid else int(error.status)


def _answer(status: int, body: str | bytes | None, host: str) -> TfxMobileError:
    message, is_kfps = _message(body)
    match status:
        case 401:
            return ClusterRefusedError(
                f"{host} does not accept the credentials, or none were given (401): get a new "
                "token or session cookie, see docs/kubeflow.md"
            )
        case 403:
            return ClusterRefusedError(
                f"{host} forbids it: check the namespace, and the rights of this user or service "
                f"account (403: {message})"
            )
        case 404 if not is_kfps:
            return EnvironmentLacksError(
                f"{host} does not speak version 2 of KFP's API: it is older than 2.0, or the "
                "address is not that of Kubeflow Pipelines"
            )
        case 404:
            return ClusterMissingError(f"{host} has no such thing: {message}")
        case _ if status < _FAILED:
            return ClusterRefusedError(f"{host} refuses it: {message} ({status})")
    return ClusterError(f"{host} fails, try again later: {message} ({status})")


def _message(body: str | bytes | None) -> tuple[str, bool]:
    """The server's message, and whether it is KFP's own API that speaks, not a proxy."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    try:
        answer = json.loads(text)
        message = answer.get("message") or answer["error_message"]
    except (ValueError, AttributeError, LookupError, TypeError):
        is_page = text.lstrip().startswith("<")
        return "a page instead of data" if is_page else one_line(text) or "no message", False
    details = answer.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            message = detail.get("message") or message  # without what every layer adds
    return one_line(str(message)), True


def _reason(error: BaseException) -> str:
    """The cause, without the objects that urllib3 puts into its messages."""
    reason = error.reason if isinstance(error, MaxRetryError) else error
    if reason is None:
        return "no answer"
    cause = reason.__cause__ or reason.__context__  # urllib3 2 and 1
    if isinstance(reason, NewConnectionError) and isinstance(cause, OSError):
        return cause.strerror or str(cause)
    text = str(reason.args[-1] if len(reason.args) > 1 else reason)
    return re.sub(r"^(<[^>]*>|\w+\(host=[^)]*\)): ", "", text)


def _is_tls(error: BaseException) -> bool:
    reason = error.reason if isinstance(error, MaxRetryError) else error
    if isinstance(error, ApiException):
        return "SSLError" in str(error.reason)
    return isinstance(reason, SSLError | ssl.SSLError)
