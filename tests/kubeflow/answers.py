"""A real HTTP server on this machine that gives one answer, of any bytes, to every request."""

import contextlib
import dataclasses
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator

from tests.kubeflow.storage.listener import Listener

_SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a server sends.

    Attributes:
      status: The status line after `HTTP/1.1`.
      body: The content.
      content_type: Of the content.
      headers: Further lines.
      length: The Content-Length; None: the body's, negative: none, so that the connection's end is
        the content's.
      tail: Sent again and again after the body until the client leaves.
      pause: Seconds before each tail.
      raw: Sent in place of all that.
    """

    status: str = "200 OK"
    body: bytes = b""
    content_type: str = "text/plain"
    headers: tuple[str, ...] = ()
    length: int | None = None
    tail: bytes = b""
    pause: float = 0
    raw: bytes = b""

    def pointing_to(self, elsewhere: str) -> "Answer":
        """The same answer with `{elsewhere}` in its headers replaced."""
        headers = tuple(line.replace("{elsewhere}", elsewhere) for line in self.headers)
        return dataclasses.replace(self, headers=headers)

    @property
    def content(self) -> bytes:
        """All that is sent once."""
        if self.raw:
            return self.raw
        length = len(self.body) if self.length is None else self.length
        lines = [f"HTTP/1.1 {self.status}", f"Content-Type: {self.content_type}", *self.headers]
        lines += [f"Content-Length: {length}"] if length >= 0 and not self.tail else []
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + self.body


@dataclasses.dataclass(frozen=True)
class Request:
    """The first line and the headers of a request."""

    method: str
    path: str
    head: str


Choose = Callable[[Request], Answer]


class AnsweringServer(Listener):
    """Answers as `choose` says; what came is in `requests`."""

    def __init__(self, choose: Choose) -> None:
        self.choose = choose
        self.requests: list[Request] = []
        super().__init__()

    def _answer(self, client: socket.socket) -> None:
        client.settimeout(_SECONDS)
        with client, contextlib.suppress(OSError), client.makefile("rb") as stream:
            head = b""
            while (line := stream.readline()) not in (b"", b"\r\n"):
                head += line
            if not head:
                return  # a port that was only tried
            method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
            length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
            if re.search(rb"\r\nexpect: *100-continue", head, re.IGNORECASE):
                client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            stream.read(int(length[1]) if length else 0)
            request = Request(method, path, head.decode())
            self.requests.append(request)
            answer = self.choose(request)
            client.sendall(answer.content)
            while answer.tail and method != "HEAD":
                time.sleep(answer.pause)
                client.sendall(answer.tail)


PAGE = b"<!DOCTYPE html><html><head><title>Log in</title></head><body>Log in</body></html>"
"""What a login, a proxy or another program's server answers."""


def page(status: str = "200 OK", *headers: str) -> Answer:
    """A page."""
    return Answer(status, PAGE, "text/html", headers)


def json_text(text: str, status: str = "200 OK") -> Answer:
    """An answer in JSON, or what should be some."""
    return Answer(status, text.encode(), "application/json")


def xml_text(text: str, status: str = "200 OK", *headers: str) -> Answer:
    """An answer in XML, or what should be some."""
    return Answer(status, text.encode(), "application/xml", headers)


@contextlib.contextmanager
def serving(choose: Answer | Choose) -> Iterator[AnsweringServer]:
    """A server for the time of the block."""
    server = AnsweringServer(choose if callable(choose) else lambda request: choose)
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield server
    finally:
        server.stop()
