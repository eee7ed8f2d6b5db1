"""What an exception of a library says, in one line.

Beam puts the whole trace of a worker into the message, TensorFlow the name of its wrapper, and some
say nothing at all.
"""

import re
import traceback

_MAX_CHARACTERS = 600
_TRACE = "Traceback (most recent call last):"
_WRAPPER = re.compile(r"\{\{\w+ [^{}]*\}\}\s*")
"""TensorFlow's `{{function_node __wrapped__...}}`."""
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def describe(error: BaseException) -> str:
    """`TYPE: MESSAGE`: one line without control characters, of at most 600 characters.

    Of a message that holds traces, the error at the end of the last one; of another one, the first
    line that says something.
    """
    lines = _ESCAPES.sub("", _read_text(error)).splitlines()
    traces = [i for i, line in enumerate(lines) if line.strip().endswith(_TRACE)]
    if traces:
        rest = [_clean(line) for line in lines[traces[-1] + 1 :] if line[:1].strip()]
        if rest:
            return _shorten(rest[0])
        lines = lines[: traces[0]]
    message = next((line for line in map(_clean, lines) if line), "")
    name = type(error).__name__
    return _shorten(f"{name}: {message}" if message else name)


def chain(error: BaseException) -> list[BaseException]:
    """The error and what caused it, the outermost first."""
    errors: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in errors:
        errors.append(current)
        current = current.__cause__ or current.__context__
    return errors


def _read_text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # an error's own __str__ may fail
        return "".join(traceback.format_exception_only(type(broken), broken))


def _clean(line: str) -> str:
    return _CONTROLS.sub(" ", _WRAPPER.sub("", line)).strip()


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 1] + "…"
