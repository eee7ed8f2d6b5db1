"""How KFP's API server refuses: a gRPC code, and a message that every layer puts its own before."""

import contextlib
import enum
import json
from collections.abc import Iterator
from typing import Any


class Code(enum.Enum):
    """gRPC codes, each with the HTTP status that grpc-gateway makes of it."""

    INVALID_ARGUMENT = 3, 400
    NOT_FOUND = 5, 404
    ALREADY_EXISTS = 6, 409
    PERMISSION_DENIED = 7, 403
    FAILED_PRECONDITION = 9, 400
    ABORTED = 10, 409
    INTERNAL = 13, 500
    UNAVAILABLE = 14, 503
    UNAUTHENTICATED = 16, 401

    @property
    def number(self) -> int:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]


class Refusal(Exception):
    """A request that the server refuses."""

    def __init__(self, code: Code, message: str, external: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.external = external

    def body(self, *, with_error: bool) -> dict[str, Any]:
        """What grpc-gateway answers; its first version repeats the message as `error`."""
        detail = {
            "@type": "type.googleapis.com/google.rpc.Status",
            "code": self.code.number,
            "message": self.external,
        }
        details = {"details": [detail]} if self.external else {}
        body = {"code": self.code.number, "message": self.message, **details}
        return {"error": self.message, **body} if with_error else body


def invalid(message: str) -> Refusal:
    """The request makes no sense."""
    return Refusal(Code.INVALID_ARGUMENT, f"Invalid input error: {message}", message)


def invalid_spec(message: str) -> Refusal:
    """The specification of a pipeline makes no sense."""
    return Refusal(
        Code.INVALID_ARGUMENT, f"InvalidInputError: {message}: pipeline spec is invalid", message
    )


def unknown(message: str) -> Refusal:
    """The request holds something of another kind than what the server knows."""
    return Refusal(Code.INVALID_ARGUMENT, f"UnknownApiVersionError: {message}", message)


def not_found(kind: str, name: str) -> Refusal:
    """There is no such thing."""
    message = f"{kind} {name} not found"
    return Refusal(Code.NOT_FOUND, f"ResourceNotFoundError: {message}", message)


def taken(message: str) -> Refusal:
    """The name is taken."""
    return Refusal(Code.ALREADY_EXISTS, f"Already exist error: {message}", message)


def internal(message: str, cause: object) -> Refusal:
    """The server blames itself, also for what the client did."""
    return Refusal(
        Code.INTERNAL, f"InternalServerError: {message}: {cause}", "Internal Server Error"
    )


@contextlib.contextmanager
def wrapped(message: str) -> Iterator[None]:
    """Puts a message, if any, before that of a refusal which has a detail."""
    try:
        yield
    except Refusal as refusal:
        if not (message and refusal.external):
            raise
        raise Refusal(refusal.code, f"{message}: {refusal.message}", refusal.external) from None


@contextlib.contextmanager
def blamed_on_itself(message: str) -> Iterator[None]:
    """Turns any refusal into an internal error."""
    try:
        yield
    except Refusal as refusal:
        raise internal(message, refusal.message) from None


def quoted(text: object) -> str:
    """As Go's %q writes a string."""
    return json.dumps(str(text), ensure_ascii=False)
