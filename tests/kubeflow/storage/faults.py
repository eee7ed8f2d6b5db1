"""A real proxy in front of a real store, which passes requests on or damages them as told."""

import contextlib
import dataclasses
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from tests.kubeflow.storage.listener import Listener

_SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class Request:
    """What a client asked: the first line taken apart, and how many bytes of content follow."""

    method: str
    path: str
    size: int
    number: int
    """How many requests came before."""
    content: bytes
    """How it begins."""


@dataclasses.dataclass(frozen=True)
class Status:
    """Answer this status without asking the store.

    Attributes:
      code: The status.
      after: Answer only when this event is set.
      error: The code and message of S3's error document; empty: no content.
    """

    code: int
    after: threading.Event | None = None
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Hang:
    """Take the request and answer nothing until the event is set, then reset the connection."""

    until: threading.Event


@dataclasses.dataclass(frozen=True)
class CutRequest:
    """Reset the connection when half of what the client sends has come."""


@dataclasses.dataclass(frozen=True)
class CutResponse:
    """Reset the connection after so many bytes of the store's answer."""

    after: int


@dataclasses.dataclass(frozen=True)
class FlipRequest:
    """Change the last byte of what the client sends, before the store has it."""


@dataclasses.dataclass(frozen=True)
class FlipResponse:
    """Change the last byte of what the store answers."""


@dataclasses.dataclass(frozen=True)
class LoseAnswer:
    """Let the store do what was asked, call `then`, and reset the connection without an answer."""

    then: Callable[[], object]


Fault = Status | Hang | CutRequest | CutResponse | FlipRequest | FlipResponse | LoseAnswer
Choose = Callable[[Request], Fault | None]


class Proxy(Listener):
    """A proxy; what it does is to be changed while it runs."""

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        self._upstream = (address.hostname or "", address.port or 0)
        super().__init__()
        self.choose: Choose = lambda request: None
        self.requests: list[Request] = []
        self._lock = threading.Lock()

    def _answer(self, client: socket.socket) -> None:
        client.settimeout(_SECONDS)
        with client, contextlib.suppress(OSError, EOFError), client.makefile("rb") as stream:
            head = _head(stream)
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
            length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
            size = int(length[1]) if length else 0
            if re.search(rb"\r\nexpect: *100-continue", head, re.IGNORECASE):
                client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            start = stream.read(min(size, 400))
            with self._lock:
                request = Request(method, path, size, len(self.requests), start)
                self.requests.append(request)
                fault = self.choose(request)
            if isinstance(fault, CutRequest):
                stream.read(size // 2 - len(start))
                _reset(client)
                return
            body = start + stream.read(size - len(start))
            if len(body) < size:  # the client is gone, and the store would wait for the rest
                return
            if isinstance(fault, Hang):
                fault.until.wait(_SECONDS)
                _reset(client)
                return
            if isinstance(fault, Status):
                if fault.after:
                    fault.after.wait(_SECONDS)
                client.sendall(_status(fault))
                return
            if isinstance(fault, FlipRequest) and body:
                body = body[:-1] + bytes([body[-1] ^ 1])
            self._pass_on(head, body, client, fault)

    def _pass_on(
        self, head: bytes, body: bytes, client: socket.socket, fault: Fault | None
    ) -> None:
        """One request on a connection of its own, whose end is the end of the answer."""
        lines = [
            line
            for line in head.removesuffix(b"\r\n\r\n").split(b"\r\n")
            if not re.match(rb"(connection|expect):", line, re.IGNORECASE)
        ]
        with socket.create_connection(self._upstream, timeout=_SECONDS) as server:
            server.sendall(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
            sent, held = 0, b""
            if isinstance(fault, LoseAnswer):
                while server.recv(1 << 16):
                    pass
                fault.then()
                _reset(client)
                return
            while block := server.recv(1 << 16):
                if isinstance(fault, CutResponse) and sent + len(block) > fault.after:
                    client.sendall(block[: fault.after - sent])
                    _reset(client)
                    return
                if isinstance(fault, FlipResponse):
                    block, held = held + block[:-1], block[-1:]
                client.sendall(block)
                sent += len(block)
            if held:
                client.sendall(bytes([held[0] ^ 1]))


@contextlib.contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy in front of an address, for the time of the block."""
    running = Proxy(upstream)
    threading.Thread(target=running.serve, daemon=True).start()
    try:
        yield running
    finally:
        running.stop()


def only_bucket(bucket: str) -> Choose:
    """Other buckets can be made and not written to, as in the SeaweedFS of KFP 2.15 to 2.17."""

    def choose(request: Request) -> Fault | None:
        named, _, key = request.path.split("?")[0].strip("/").partition("/")
        if request.method == "PUT" and key and named != bucket:
            return Status(500, error="InternalError: Not enough data nodes found")
        return None

    return choose


def _head(stream: object) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()  # type: ignore[attr-defined]
        if not line:
            raise EOFError
        head += line
    return head


def _status(fault: Status) -> bytes:
    code, _, message = fault.error.partition(": ")
    document = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    content = document.encode() if fault.error else b""
    head = f"HTTP/1.1 {fault.code} Fault\r\nContent-Length: {len(content)}\r\nConnection: close"
    return f"{head}\r\n\r\n".encode() + content


def _reset(client: socket.socket) -> None:
    """Closes with RST in place of FIN."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
