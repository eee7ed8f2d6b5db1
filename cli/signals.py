"""What a command says when Ctrl-C or SIGTERM ends it."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

import click

from cli.guard import SIGNALLED


class _Signal(BaseException):
    """A signal came."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def explained(message: str) -> Iterator[None]:
    """End the command with a message if Ctrl-C or SIGTERM comes within the block.

    Args:
      message: What goes on without the command, and how to see it.
    """

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise _Signal(number)

    before = {}
    # Python lets no other thread set handlers. nohup and cron start commands that ignore a signal.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, end)
    try:
        yield
    except _Signal as ended:
        click.echo(f"\n{message}", err=True)
        sys.exit(SIGNALLED + ended.number)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
