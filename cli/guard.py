"""What a command says at its end, whatever ended it: one sentence and an exit code."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn, TextIO

from cli import traces
from pipelines.errors import TfxMobileError
from pipelines.messages import describe, mask_secrets

SIGNALLED = 128
"""Plus the signal's number: the exit code that shells give a command that a signal ended."""
_OURS = ("benchmarks", "cli", "kubeflow", "modules", "pipelines")


@contextlib.contextmanager
def explained_imports() -> Iterator[None]:
    """End the process with one sentence where an import of the block fails."""
    try:
        yield
    except ImportError as error:
        _end(error, is_debug=False)


@contextlib.contextmanager
def explained(is_debug: Callable[[], bool]) -> Iterator[None]:
    """End the process with one sentence and an exit code where the block raises.

    What click raises for wrong usage, and exit codes, go through.

    Args:
      is_debug: Whether the trace is shown.
    """
    streams = [stream for stream in (sys.stdout, sys.stderr) if stream]
    try:
        yield
    except SystemExit as error:
        # click and rich end the process with 1 when they meet a closed pipe; `_end` has a cause.
        is_broken = isinstance(error.__context__, BrokenPipeError) or any(map(_is_closed, streams))
        if error.code == 1 and is_broken and error.__cause__ is None:
            _end_quietly(streams)
        raise
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(SIGNALLED + signal.SIGINT)
    except BrokenPipeError as error:
        if any(map(_is_closed, streams)):
            _end_quietly(streams)
        _end(error, is_debug())
    except BaseException as error:
        if type(error).__module__.partition(".")[0] == "click":
            raise
        _end(error, is_debug())


@contextlib.contextmanager
def flushed() -> Iterator[None]:
    """Write what the block printed, which may fail as printing it may."""
    stream = sys.stdout
    try:
        yield
    finally:
        try:
            if stream:
                stream.flush()
        except BrokenPipeError:
            _end_quietly([stream])
        except OSError as error:
            _discard(stream)
            _say(f"cannot write to standard output: {error.strerror}")
            sys.exit(1)


def open_standard_streams() -> None:
    """Open those of the descriptors 0, 1 and 2 that are closed.

    The next file to be opened would have the number, and get what libraries in C++ print.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number


def _end(error: BaseException, is_debug: bool) -> NoReturn:
    """Say what was wrong, and end."""
    if is_debug:
        _print(mask_secrets(traces.format_trace(error)))
    match error:
        case TfxMobileError():
            _say(mask_secrets(str(error)))
            raise SystemExit(error.exit_code) from error
        case ImportError() if (error.name or "").partition(".")[0] not in _OURS:
            _say(
                f"the environment lacks something ({describe(error)}): run make setup, "
                "then tfx-mobile doctor"
            )
            raise SystemExit(3) from error
    place = "its trace is above" if is_debug else f"the trace is in {traces.save(error)}"
    _say(f"unexpected {describe(error)}; {place}")
    raise SystemExit(1) from error


def _end_quietly(streams: Sequence[TextIO]) -> NoReturn:
    """End as a program that writes to a closed pipe does, such as in `tfx-mobile runs | head`."""
    for stream in streams:
        _discard(stream)
    sys.exit(SIGNALLED + signal.SIGPIPE)


def _is_closed(stream: TextIO) -> bool:
    """Whether nobody reads any more what is written."""
    poll = select.poll()
    try:
        poll.register(stream.fileno(), 0)
    except (OSError, ValueError):  # a stream of tests has no descriptor
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _discard(stream: TextIO) -> None:
    """Lose what is left in a stream: Python writes it at its end, and would complain."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _say(sentence: str) -> None:
    _print(f"tfx-mobile: {sentence}\n")


def _print(text: str) -> None:
    """Print to standard error, which may be closed or full: nobody can be told then."""
    with contextlib.suppress(OSError):
        if sys.stderr:
            sys.stderr.write(text)
            sys.stderr.flush()
