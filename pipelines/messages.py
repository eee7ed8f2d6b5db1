"""What a sentence may take from an exception, whose message its library wrote.

Beam puts the whole trace of a worker into the message, TensorFlow the name of its wrapper, others a
password, and some say nothing at all.
"""

import itertools
import os
import re
import traceback
from collections.abc import Collection, Mapping

_LONGEST = 600  # characters
_LISTED = 10
_LONGEST_OF_SERVER = 400  # characters
_TRACE = "Traceback (most recent call last):"
_WRAPPER = re.compile(r"\{\{\w+ [^{}]*\}\}\s*")
"""TensorFlow's `{{function_node __wrapped__...}}`."""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

_MASK = "***"
_SHORTEST_SECRET = 8
"""Characters of a variable's value that is searched for: shorter ones are in other words."""

_NAME = (
    r"[\w-]*(?:secret|passw(?:or)?d|token|signature|cookie|credential|(?:access|api)_?key(?!_?id))"
    r"[\w-]*"
)
SECRET_NAME = re.compile(_NAME, re.I)
"""Variables and options whose names match hold secrets."""
_USER_INFO = re.compile(r"(?<=://)[^/\s@'\"]+@")
_AUTHORIZATION = re.compile(r"(authorization['\"]?\s*[:=]\s*b?['\"]?)[^'\"\n]+", re.I)
_BEARER = re.compile(r"\b(bearer|basic) [\w.~+/=-]{8,}", re.I)
_HEADER = re.compile(r"\b((?:set-)?cookie|x-[\w-]*(?:token|key|signature)): [^'\"\n]+", re.I)
_ASSIGNED = re.compile(rf"\b({_NAME}(?:=|['\"]\s*[:=]\s*)b?['\"]?)[^\s'\"&,;)}}\]]+", re.I)


def describe(error: BaseException) -> str:
    """`TYPE: MESSAGE`: one line without secrets and control characters, of at most 600 characters.

    Of a message that holds traces, the error at the end of the last one; of another one, the first
    line that says something; of a group of exceptions, its first.
    """
    while members := getattr(error, "exceptions", None):
        error = members[0]
    lines = _ESCAPES.sub("", _read_text(error)).splitlines()
    traces = [i for i, line in enumerate(lines) if line.strip().endswith(_TRACE)]
    if traces:
        rest = [_clean(line) for line in lines[traces[-1] + 1 :] if line[:1].strip()]
        if rest:
            return _shorten(mask_secrets(rest[0]))
        lines = lines[: traces[0]]
    message = next((line for line in map(_clean, lines) if line), "")
    name = type(error).__name__
    return _shorten(f"{name}: {mask_secrets(message)}" if message else name)


def list_first(texts: Collection[str]) -> str:
    """The first ten texts, and how many more there are."""
    more = len(texts) - _LISTED
    listed = ", ".join(itertools.islice(texts, _LISTED))
    return f"{listed} and {more:,} more" if more > 0 else listed


def chain(error: BaseException) -> list[BaseException]:
    """The error and what caused it, the outermost first."""
    errors: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in errors:
        errors.append(current)
        current = current.__cause__ or current.__context__
    return errors


def one_line(text: str) -> str:
    """A server's text in one line of at most 400 characters: some send whole pages."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_OF_SERVER else f"{line[:_LONGEST_OF_SERVER]}…"


def mask_secrets(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """A text without passwords in addresses, tokens, cookies and signatures.

    Args:
      text: Of an exception, or a trace.
      environ: Values of variables whose names say that they hold a secret are masked too.
    """
    for name, value in environ.items():
        is_path = value.startswith(("/", "~", "."))
        if len(value) >= _SHORTEST_SECRET and not is_path and SECRET_NAME.search(name):
            text = text.replace(value, _MASK)
    text = _USER_INFO.sub(f"{_MASK}@", text)
    text = _AUTHORIZATION.sub(rf"\1{_MASK}", text)
    text = _BEARER.sub(rf"\1 {_MASK}", text)
    text = _HEADER.sub(rf"\1: {_MASK}", text)
    return _ASSIGNED.sub(rf"\1{_MASK}", text)


def _read_text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # an error's own __str__ may fail
        return "".join(traceback.format_exception_only(type(broken), broken))


def _clean(line: str) -> str:
    return _CONTROLS.sub(" ", _WRAPPER.sub("", line)).strip()


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
