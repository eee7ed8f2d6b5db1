"""Which cron expressions KFP takes: those of robfig/cron v1.2, whose last field is optional.

So five fields are taken, and are seconds, minutes, hours, day of the month, month.
"""

import re

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    (0, 6, {name: number for number, name in enumerate(_DAYS)}),
)
_DESCRIPTORS = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"]
_DURATION = re.compile(r"[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)")


def check(expression: str) -> None:
    """Parses an expression.

    Raises:
      ValueError: The message is the server's.
    """
    if not expression:
        raise ValueError("Empty spec string")
    if expression.startswith("@"):
        _check_descriptor(expression)
        return
    fields = expression.split()
    if len(fields) not in (5, 6):
        raise ValueError(f"Expected 5 to 6 fields, found {len(fields)}: {expression}")
    for field, bounds in zip(fields, _FIELDS, strict=False):
        for part in filter(None, field.split(",")):
            _check_range(part, *bounds)


def _check_descriptor(expression: str) -> None:
    if expression in _DESCRIPTORS:
        return
    if not expression.startswith("@every "):
        raise ValueError(f"Unrecognized descriptor: {expression}")
    duration = expression.removeprefix("@every ")
    if not _DURATION.fullmatch(duration):
        reason = f'time: invalid duration "{duration}"'
        raise ValueError(f"Failed to parse duration {expression}: {reason}")


def _check_range(part: str, low: int, high: int, names: dict[str, int]) -> None:
    span, *steps = part.split("/")
    first, *last = span.split("-")
    if first in ("*", "?"):
        start, end = low, high
    elif len(last) > 1:
        raise ValueError(f"Too many hyphens: {part}")
    else:
        start = end = _number(first, names)
        if last:
            end = _number(last[0], names)
    if len(steps) > 1:
        raise ValueError(f"Too many slashes: {part}")
    step = 1
    if steps:
        step = _number(steps[0], {})
        if not last:
            end = high
    if start < low:
        raise ValueError(f"Beginning of range ({start}) below minimum ({low}): {part}")
    if end > high:
        raise ValueError(f"End of range ({end}) above maximum ({high}): {part}")
    if start > end:
        raise ValueError(f"Beginning of range ({start}) beyond end of range ({end}): {part}")
    if step == 0:
        raise ValueError(f"Step of range should be a positive number: {part}")


def _number(text: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not re.fullmatch(r"[-+]?\d+", text, re.ASCII):
        reason = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise ValueError(f"Failed to parse int from {text}: {reason}")
    if int(text) < 0:
        raise ValueError(f"Negative number ({int(text)}) not allowed: {text}")
    return int(text)
