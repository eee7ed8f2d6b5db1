"""What writers left that were killed: told from what a live writer is writing by its age."""

from datetime import timedelta
from pathlib import Path

from pipelines import walk

ABANDONED = timedelta(hours=1)
"""A live writer has written something within this time; one that has not was ended."""


def is_abandoned(path: Path, now: float) -> bool:
    """Whether nothing in a file or folder was written for `ABANDONED`.

    Args:
      path: What a writer writes and renames when it is whole.
      now: Unix time in seconds.

    Returns:
      False also for what cannot be read, or vanishes at this moment: somebody is at work there.
    """
    try:
        times = [path.lstat().st_mtime]
        if path.is_dir():
            times += [entry.status.st_mtime for entry in walk.entries(path)]
    except OSError:
        return False
    return now - max(times) > ABANDONED.total_seconds()
