"""What a sentence may take from the message of any exception, which its library wrote."""

import os
import re
from collections.abc import Mapping

_TRACE = "Traceback (most recent call last):"
_LONGEST = 400  # characters
_MASK = "***"
_SHORTEST_SECRET = 8
"""Characters of a variable's value that is searched for: shorter ones are in other words."""

_NAME = r"[\w-]*(?:secret|passw(?:or)?d|token|signature|cookie|(?:access|api)_?key)[\w-]*"
_SECRET_NAME = re.compile(_NAME, re.I)
_USER_INFO = re.compile(r"(?<=://)[^/\s@'\"]+@")
_AUTHORIZATION = re.compile(r"(authorization['\"]?\s*[:=]\s*b?['\"]?)[^'\"\n]+", re.I)
_BEARER = re.compile(r"\b(bearer|basic) [\w.~+/=-]{8,}", re.I)
_HEADER = re.compile(r"\b((?:set-)?cookie|x-[\w-]*(?:token|key|signature)): [^'\"\n]+", re.I)
_ASSIGNED = re.compile(rf"\b({_NAME}(?:=|['\"]\s*[:=]\s*)b?['\"]?)[^\s'\"&,;)}}\]]+", re.I)


def find_telling_line(error: BaseException) -> str:
    """The line of an exception's message that tells most, without secrets; empty if it has none.

    The message may be a trace of another process, whose last line tells, and a group of exceptions
    is told by its first.
    """
    while members := getattr(error, "exceptions", None):
        error = members[0]
    try:
        text = str(error)
    except Exception:  # some libraries format their message when it is asked for
        return "its message cannot be shown"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    line = mask_secrets(lines[-1] if _TRACE in lines else lines[0])
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def mask_secrets(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """A text without passwords in addresses, tokens, cookies and signatures.

    Args:
      text: Of an exception, or a trace.
      environ: Values of variables whose names say that they hold a secret are masked too.
    """
    for name, value in environ.items():
        is_path = value.startswith(("/", "~", "."))
        if len(value) >= _SHORTEST_SECRET and not is_path and _SECRET_NAME.search(name):
            text = text.replace(value, _MASK)
    text = _USER_INFO.sub(f"{_MASK}@", text)
    text = _AUTHORIZATION.sub(rf"\1{_MASK}", text)
    text = _BEARER.sub(rf"\1 {_MASK}", text)
    text = _HEADER.sub(rf"\1: {_MASK}", text)
    return _ASSIGNED.sub(rf"\1{_MASK}", text)
