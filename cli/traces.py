"""Traces of unexpected errors, each in a file of its own in the user's state directory."""

import contextlib
import datetime
import os
import platform
import shlex
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipelines.messages import mask_secrets

_KEPT = 20
_LONGEST = 1 << 20  # characters
_PATTERN = "*.log"


def save(error: BaseException, arguments: Sequence[str] = sys.argv[1:]) -> str:
    """Write an error's trace without secrets, and remove old ones.

    Args:
      error: The error.
      arguments: Of the command.

    Returns:
      Where the trace is, for a sentence: the file, or why there is none.
    """
    moment = datetime.datetime.now().astimezone()
    head = (
        f"{moment.isoformat()}\n"
        f"tfx-mobile {shlex.join(arguments)}\n"
        f"Python {platform.python_version()} of {sys.prefix}, {platform.platform()}\n\n"
    )
    text = mask_secrets(head + format_trace(error))
    problem = ""
    for directory in _directories():
        try:
            return str(_write(directory, f"{moment:%Y%m%d-%H%M%S}-", text))
        except OSError as failure:
            problem = failure.strerror or str(failure)
    return f"no file ({problem}): --debug shows it"


def format_trace(error: BaseException) -> str:
    """An error's trace; the middle of a very long one is left out."""
    text = "".join(traceback.format_exception(error))
    if len(text) <= _LONGEST:
        return text
    half = _LONGEST // 2
    return f"{text[:half]}\n...\n{text[-half:]}"


def _directories() -> Iterator[Path]:
    """The state directory of the XDG Base Directory Specification, then that of temporary files."""
    state = os.environ.get("XDG_STATE_HOME", "")
    with contextlib.suppress(RuntimeError):  # no home
        yield (Path(state) if os.path.isabs(state) else Path.home() / ".local/state") / "tfx-mobile"
    with contextlib.suppress(OSError):
        yield Path(tempfile.gettempdir(), f"tfx-mobile-{os.getuid()}")


def _write(directory: Path, prefix: str, text: str) -> Path:
    """Write a new file that only its owner reads, in a directory that only its owner writes.

    Raises:
      OSError: It cannot be written, or the directory is somebody else's.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_uid != os.getuid():
        raise PermissionError(0, f"{directory} belongs to another user")
    descriptor, name = tempfile.mkstemp(".log", prefix, directory)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)
    for old in sorted(directory.glob(_PATTERN))[:-_KEPT]:
        old.unlink(missing_ok=True)
    return Path(name)
