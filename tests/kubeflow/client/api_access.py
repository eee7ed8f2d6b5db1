"""How deployments let people in: what stands in front of KFP's API server and answers in its place.

Each takes a request and returns who asks, or the answer that this gets.
"""

import dataclasses
from collections.abc import Callable

from werkzeug.wrappers import Request, Response

USER = "user@example.com"
LOGIN_PAGE = "<!doctype html><title>dex</title><form action='/dex/auth/local'>Log in</form>"
_LOGIN_PATH = "/dex/auth/local/login"

Access = Callable[[Request], "str | Response"]


def anybody(request: Request) -> str:
    """A port-forward: who asks is whom a header names, if any."""
    return request.headers.get("kubeflow-userid", "")


@dataclasses.dataclass(frozen=True)
class Bearer:
    """A token, checked by Istio."""

    token: str
    expired: str = ""
    """One that was good once."""

    def __call__(self, request: Request) -> str | Response:
        """Compares the tokens."""
        given = _bearer(request)
        if given == self.token:
            return USER
        if not given:
            return Response("RBAC: access denied", 403, mimetype="text/plain")
        words = "Jwt is expired" if given == self.expired else "Jwt verification fails"
        headers = {"WWW-Authenticate": f'Bearer realm="{request.url}", error="invalid_token"'}
        return Response(words, 401, headers, mimetype="text/plain")


@dataclasses.dataclass(frozen=True)
class IdentityAwareProxy:
    """Google's IAP, which wants an identity token made for the client id."""

    token: str

    def __call__(self, request: Request) -> str | Response:
        """Compares the tokens."""
        given = _bearer(request)
        if given == self.token:
            return USER
        words = "Unable to parse JWT" if given else "empty token"
        headers = {"X-Goog-IAP-Generated-Response": "true"}
        return Response(f"Invalid IAP credentials: {words}", 401, headers, mimetype="text/html")


@dataclasses.dataclass(frozen=True)
class Session:
    """A cookie of a session that began at Dex; without it the login page comes, with status 200."""

    value: str
    cookie: str = "authservice_session"

    def __call__(self, request: Request) -> str | Response:
        """Compares the cookies, or sends to the login page."""
        if request.path == _LOGIN_PATH:
            return Response(LOGIN_PAGE, mimetype="text/html")
        if request.cookies.get(self.cookie) == self.value:
            return USER
        return Response("", 302, {"Location": _LOGIN_PATH}, mimetype="text/html")


def _bearer(request: Request) -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if kind == "Bearer" else ""
