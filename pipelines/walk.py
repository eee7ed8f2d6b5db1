"""The one walk over files: everything below a directory, or an error that names what is not.

Linked folders are followed. What cannot be read, a link to nothing, and what is no file (a pipe
would hang its reader) are errors: nothing is left out but what the caller names.
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Entry(NamedTuple):
    """A file or a folder.

    Attributes:
      path: Below the walked directory, as it was given.
      name: Relative to the walked directory, with "/" between folders.
      status: Of what a link leads to.
    """

    path: Path
    name: str
    status: os.stat_result

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, or a link to one."""
        return stat.S_ISDIR(self.status.st_mode)


def entries(
    directory: Path,
    passes_over: Callable[["os.DirEntry[str]"], bool] = lambda entry: False,
    left_out: Collection[Path] = (),
) -> Iterator[Entry]:
    """Files and folders below a directory in the order of paths, a folder before its content.

    A link to a folder above itself is a folder without content.

    Args:
      directory: The directory, or a link to one.
      passes_over: Whether to leave an entry out; of a folder, with its content. Asked before
        anything is known of the entry but its name and kind.
      left_out: Files and folders to leave out, by whatever path or link the walk reaches them.

    Raises:
      OSError: `directory` or something below it is no folder or file, or cannot be read.
    """
    left_out_places = {_place(path.stat()) for path in left_out if path.exists()}
    root = os.fspath(directory)
    open_folders = [(_list(root), "")]
    places = [_place(os.stat(root))]
    while open_folders:
        listing, prefix = open_folders[-1]
        listed = next(listing, None)
        if listed is None:
            open_folders.pop()
            places.pop()
            continue
        if passes_over(listed):
            continue
        status = _look(listed)
        if status is None or _place(status) in left_out_places:
            continue
        entry = Entry(Path(listed.path), prefix + listed.name, status)
        yield entry
        if entry.is_folder and _place(status) not in places:
            try:
                open_folders.append((_list(listed.path), f"{entry.name}/"))
            except FileNotFoundError:
                continue  # removed since it was listed
            places.append(_place(status))


def files(
    directory: Path,
    passes_over: Callable[["os.DirEntry[str]"], bool] = lambda entry: False,
    left_out: Collection[Path] = (),
) -> Iterator[Entry]:
    """The files alone of `entries`."""
    return (e for e in entries(directory, passes_over, left_out) if not e.is_folder)


def _list(folder: str) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as listing:
        return iter(sorted(listing, key=lambda entry: entry.name))


def _look(listed: "os.DirEntry[str]") -> os.stat_result | None:
    """The status of a file or folder; None if it was removed since it was listed."""
    try:
        status = listed.stat()
    except FileNotFoundError:
        if os.path.islink(listed.path):
            raise FileNotFoundError(errno.ENOENT, "it is a link to nothing", listed.path) from None
        return None
    if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise OSError(errno.EINVAL, f"it is {kind}, not a file or a folder", listed.path)
    return status


def _place(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
