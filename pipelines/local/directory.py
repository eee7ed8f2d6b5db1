"""The output directory of a run: whether a run can use it, and the lock of the run that does."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipelines import paths
from pipelines.errors import OutputError, UsageError
from pipelines.local.layout import Layout

_MIN_FREE_BYTES = 150_000_000
_MAX_PATH_BYTES = 504 - len("/metadata.db")
"""SQLite, as ML Metadata builds it, takes 512 bytes with `-journal` at the end."""
_PATTERN = re.compile(r"[*?\[\\]")
"""TFX and Beam read a path with one of these as a pattern of several."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_URI = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)


def find(path: Path) -> Layout:
    """The layout of the output directory at a path, which need not exist.

    Raises:
      OutputError: The path is a URI, or relative to a current directory that was removed.
    """
    if _URI.fullmatch(path.parts[0] if len(path.parts) > 1 else ""):
        raise OutputError(f"the output is a directory of this machine, and {path} is a URI")
    try:
        # Not Path.resolve(), which raises RuntimeError for links in a loop (Python < 3.13).
        root = Path(os.path.realpath(path))
    except OSError as error:
        raise OutputError(f"cannot find the output directory {path}: {error.strerror}") from error
    return Layout(root)


def check(layout: Layout, branches: Iterable[str] = ()) -> None:
    """Make the directory if it is missing, and see whether a run can write all of it.

    Args:
      layout: The output directory.
      branches: The names of the branches, each of which has a directory of pushed models.

    Raises:
      OutputError: It cannot, or the disk is nearly full.
    """
    import psutil

    root = layout.root
    _check_path(root)
    if os.path.lexists(root) and not root.is_dir():
        kind = "is a link that leads nowhere" if root.is_symlink() else "is no directory"
        raise OutputError(f"cannot write to the output directory {root}: it {kind}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
        free = psutil.disk_usage(str(root)).free
        _check_entries(layout, branches)
        _check_artifacts(layout)
    except OSError as error:
        raise OutputError(
            f"cannot write to the output directory {root}: {error.strerror}"
        ) from error
    if free < _MIN_FREE_BYTES:
        raise OutputError(
            f"the output directory {root} has {free / 1e6:.0f} MB free, and a run needs "
            f"{_MIN_FREE_BYTES / 1e6:.0f} MB: free some or choose another"
        )


@contextlib.contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the directory's lock.

    Raises:
      UsageError: Another run holds it.
      OutputError: The file system has no locks. ML Metadata's SQLite needs them too.
    """
    import portalocker

    lock = portalocker.Lock(layout.lock, "a", timeout=0, fail_when_locked=True)
    try:
        lock.acquire()
    except portalocker.exceptions.AlreadyLocked:
        raise UsageError(
            f"another run is using {layout.root}: wait for it or choose another --output"
        ) from None
    except portalocker.exceptions.LockException as error:
        raise OutputError(
            f"the file system of {layout.root} cannot lock files ({_reason(error)}), and the "
            "run's database needs locks: choose an --output on a local disk"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _check_path(root: Path) -> None:
    """SQLite, protobuf, TFX and Beam take the path as it is."""
    if not paths.is_utf8(str(root)) or _CONTROL.search(str(root)):
        raise OutputError(
            f"the path of the output directory {str(root)!a} has characters that are no text: "
            "choose another"
        )
    if found := _PATTERN.search(str(root)):
        raise OutputError(
            f"the path of the output directory {root} has the character {found.group()}, with "
            "which TFX takes it for a pattern of several paths: choose another"
        )
    if len(os.fsencode(root)) > _MAX_PATH_BYTES:
        raise OutputError(
            f"the path of the output directory {root} is longer than the {_MAX_PATH_BYTES} bytes "
            "that ML Metadata's database takes: choose a shorter one"
        )


def _check_entries(layout: Layout, branches: Iterable[str]) -> None:
    """What is there of a run's files and directories is of the right kind, and writable."""
    pushed = [layout.serving / branch for branch in branches]
    for path in (*layout.directories, *pushed):
        _check_entry(path, path.is_dir(), "a directory")
    for path in layout.files:
        _check_entry(path, path.is_file(), "a file")


def _check_artifacts(layout: Layout) -> None:
    """TFX numbers artifacts by its database: a new one would write into what is there."""
    has_database = layout.metadata.exists() and layout.metadata.stat().st_size > 0
    if not has_database and layout.pipeline.is_dir() and any(layout.pipeline.iterdir()):
        raise OutputError(
            f"{layout.pipeline} holds files, and their database {layout.metadata} is missing: "
            "remove both, or choose another --output"
        )


def _check_entry(path: Path, fits: bool, kind: str) -> None:
    if not os.path.lexists(path):
        return
    if not fits:
        raise OutputError(
            f"a run needs {kind} at {path}, and something else is there: move it, or choose "
            "another --output"
        )
    if not os.access(path, os.W_OK):
        raise OutputError(
            f"cannot write {path}: change its permissions, or choose another --output"
        )


def _reason(error: Exception) -> str:
    cause = error.__cause__
    return (cause.strerror if isinstance(cause, OSError) else None) or str(error)
