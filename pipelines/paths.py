"""Paths as users give them."""

import os


def expand(path: str) -> str:
    """A path with the home directory in place of a leading `~` or `~USER`.

    Raises:
      ValueError: There is no such user or home directory, or the path is not UTF-8, as which
        TensorFlow takes paths.
    """
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        user = path.partition("/")[0]
        raise ValueError(
            f"there is no home directory {user}: write ./{path} if the name begins with ~"
        )
    if not is_utf8(expanded):
        raise ValueError("is not UTF-8 in this locale: rename it, or set PYTHONUTF8=1")
    return expanded


def is_utf8(path: str) -> bool:
    """Whether a path's bytes are those of its text in UTF-8, whatever the locale."""
    try:
        return os.fsencode(path) == path.encode()
    except UnicodeEncodeError:
        return False
