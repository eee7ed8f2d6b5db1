"""Requests to an API server of KFP and its answers, in a form that two servers have in common.

Ids, times and page tokens become placeholders, numbered in the order in which they appear.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests

API = "/apis/v2beta1"
USER_HEADER = "kubeflow-userid"
_SECONDS = 30.0
"""How long an answer may take."""

_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"
_VARIABLE = re.compile(f"(?P<id>{_ID})|(?P<time>{_TIME})")
_NOISE = re.compile(r"\n[^\n]+\n\t[^\n]+:\d+|\(line \d+:\d+\): ")
"""Frames of Go's stack, with paths of where the server was built, and positions in a request."""
_NO_TIMES = {"1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"}
"""How the server writes that something has not happened."""


@dataclasses.dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
      method: Of HTTP.
      path: With a slash at its beginning, without the query.
      query: The decoded query.
      json: The body; None if there is none.
      files: Name and content of the uploaded file by the name of its part.
      user: Name of the user, sent as a proxy in front of KFP does; empty if nobody is named.
    """

    method: str
    path: str
    query: Mapping[str, str] = dataclasses.field(default_factory=dict)
    json: Any = None
    files: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    user: str = ""

    @property
    def is_change(self) -> bool:
        """Whether it changes something."""
        return self.method != "GET"


@dataclasses.dataclass(frozen=True)
class Answer:
    """The status and the body of an answer; the body is text if it is no JSON."""

    status: int
    body: Any


@dataclasses.dataclass(frozen=True)
class Exchange:
    """A request and its answer."""

    request: Request
    answer: Answer


def send(url: str, request: Request) -> Answer:
    """Send a request.

    Raises:
      requests.RequestException: The server does not answer.
    """
    response = requests.request(
        request.method,
        f"{url}{request.path}",
        params=request.query,
        json=request.json,
        files=request.files or None,
        headers={USER_HEADER: request.user} if request.user else None,
        timeout=_SECONDS,
    )
    try:
        return Answer(response.status_code, response.json())
    except ValueError:
        return Answer(response.status_code, response.text)


class Placeholders:
    """Replaces what differs between two servers by placeholders."""

    def __init__(self) -> None:
        self._placeholders: dict[str, str] = {}
        self._literals = set(_NO_TIMES)

    def hide_request(self, request: Request) -> Request:
        """Replace what earlier answers named; the client's own ids and times stay."""
        fields = dataclasses.asdict(request)
        for match in _VARIABLE.finditer(json.dumps(fields)):
            if match[0] not in self._placeholders:
                self._literals |= {match[0], re.sub(r"\.\d+", "", match[0])}
        return _request(_map_strings(self._hide_text, fields))

    def hide_answer(self, answer: Answer) -> Answer:
        """Replace ids, times and page tokens, and leave out noise and what is there twice."""
        body = answer.body
        if isinstance(body, dict):
            if token := body.get("next_page_token"):
                self._number("page token", token)
            body = _shorten(body)
        return Answer(answer.status, _map_strings(self._hide_text, body))

    def _hide_text(self, text: str) -> str:
        if text in self._placeholders:
            return self._placeholders[text]
        # protobuf puts either space into its errors, by chance and on purpose.
        text = _NOISE.sub("", text.replace("\N{NO-BREAK SPACE}", " "))
        return _VARIABLE.sub(self._hide_match, text)

    def _hide_match(self, match: re.Match[str]) -> str:
        if match[0] in self._literals:
            return match[0]
        return self._number(str(match.lastgroup), match[0])

    def _number(self, kind: str, value: str) -> str:
        if value not in self._placeholders:
            known = self._placeholders.values()
            count = sum(placeholder.startswith(f"<{kind} ") for placeholder in known)
            self._placeholders[value] = f"<{kind} {count + 1}>"
        return self._placeholders[value]


class Recorder:
    """Sends the requests of a scenario and records the exchanges.

    Attributes:
      exchanges: The exchanges so far, with placeholders.
    """

    def __init__(self, url: str, before_change: Callable[[], None]) -> None:
        """Record exchanges with one server.

        Args:
          url: Of the server.
          before_change: Called before each request that changes something, to advance the server's
            clock by a second.
        """
        self.exchanges: list[Exchange] = []
        self._url = url
        self._before_change = before_change
        self._placeholders = Placeholders()

    def get(self, path: str, user: str = "", **query: str) -> Any:
        """The body of the answer to a request that reads."""
        return self._record(Request("GET", f"{API}/{path}", query, user=user))

    def post(self, path: str, body: Any = None, *, user: str = "", **options: Any) -> Any:
        """The body of the answer to a request that creates something."""
        return self._record(Request("POST", f"{API}/{path}", json=body, user=user, **options))

    def delete(self, path: str, user: str = "", **query: str) -> Any:
        """The body of the answer to a request that deletes something."""
        return self._record(Request("DELETE", f"{API}/{path}", query, user=user))

    def get_version_1(self, path: str) -> Any:
        """The body of the answer to a request of the older API."""
        return self._record(Request("GET", f"/apis/v1beta1/{path}"))

    def _record(self, request: Request) -> Any:
        if request.is_change:
            self._before_change()
        hidden = self._placeholders.hide_request(request)
        answer = send(self._url, request)
        self.exchanges.append(Exchange(hidden, self._placeholders.hide_answer(answer)))
        return answer.body


def write(file: Path, exchanges: list[Exchange]) -> None:
    """Write a recording, with one line for each request and one for each answer."""
    lines = []
    for exchange in exchanges:
        fields = dataclasses.asdict(exchange.request).items()
        request = _compact({key: value for key, value in fields if value})
        answer = _compact(dataclasses.asdict(exchange.answer))
        lines.append(f'{{"request":{request},\n "answer":{answer}}}')
    file.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def read(file: Path) -> list[Exchange]:
    """Read a recording."""
    return [
        Exchange(_request(one["request"]), Answer(**one["answer"]))
        for one in json.loads(file.read_text())
    ]


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _request(fields: Mapping[str, Any]) -> Request:
    files = {part: (name, text) for part, (name, text) in fields.get("files", {}).items()}
    return Request(**{**fields, "files": files})


def _shorten(body: dict[str, Any]) -> dict[str, Any]:
    """Replace a repeated message, and a status in `details` by its message if it has the code."""
    if "error" in body and body["error"] == body.get("message"):
        body = {**body, "error": "<message>"}
    match body.get("details"):
        case [{"@type": str(), "code": code, "message": message}] if code == body.get("code"):
            body = {**body, "details": message}
    return body


def _map_strings(change: Callable[[str], str], value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _map_strings(change, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_map_strings(change, item) for item in value]
    return change(value) if isinstance(value, str) else value
