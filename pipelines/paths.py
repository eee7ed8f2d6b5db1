"""Paths as users give them."""

import os


def expand(path: str) -> str:
    """A path with the home directory in place of a leading `~` or `~USER`.

    Raises:
      ValueError: There is no such user, or this user has no home directory.
    """
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        user = path.partition("/")[0]
        raise ValueError(
            f"there is no home directory {user}: write ./{path} if the name begins with ~"
        )
    return expanded


def find_fault(path: str) -> str:
    """Why TensorFlow cannot use a path, which it takes as UTF-8; empty if it can."""
    try:
        if path.encode() == os.fsencode(path):
            return ""
    except UnicodeEncodeError:
        pass
    return f"the path {path!a} is not UTF-8 in this environment: rename it, or set PYTHONUTF8=1"
