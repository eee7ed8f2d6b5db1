"""Atomic writes: a file holds its old content or its new one, never half of either."""

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipelines.errors import OutputError, SettingsError

_PREFIX, _SUFFIX = ".", ".partial"
_BLOCK = 1 << 20  # bytes
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""What file systems without hard links answer, such as SMB and FUSE."""


def read_blocks(file: Path) -> Iterator[bytes]:
    """A file's content in blocks of 1 MiB.

    Raises:
      OSError: It cannot be read.
    """
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block


def read_text(file: Path, what: str) -> str:
    """The content of a UTF-8 file that a user gave, whatever the locale; a byte order mark is cut.

    Args:
      file: The file.
      what: What it holds, for messages.

    Raises:
      SettingsError: It cannot be read, or is in another encoding.
    """
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"cannot read {what} {file}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"{file} is not UTF-8 text: save it in that encoding") from None


def is_partial(file: Path) -> bool:
    """Whether the name is that of a temporary file that a killed write left behind."""
    return file.name.startswith(_PREFIX) and file.name.endswith(_SUFFIX)


@contextlib.contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A temporary file that replaces `file` when the block ends without an error.

    Writers of the same file do not share it. A symbolic link is followed to its file, and what is
    no regular file, such as `/dev/stdout` or a pipe, is written to and stays what it is. Missing
    directories are made.

    Raises:
      OSError: It cannot be written, or is a directory.
    """
    target = Path(os.path.realpath(file))
    if file.exists() and not file.is_file():
        if file.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a directory", str(file))
        yield file
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(_SUFFIX, f"{_PREFIX}{target.name}.", target.parent)
    os.close(descriptor)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(_mode(target))
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def create_bytes(file: Path, data: bytes) -> bool:
    """Create a file atomically unless something exists at its path, and make its directory.

    Returns:
      Whether this call created the file.

    Raises:
      OSError: It cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(_SUFFIX, f"{_PREFIX}{file.name}.", file.parent)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        partial.chmod(_mode(file))
        try:
            os.link(partial, file)
        except FileExistsError:
            # NFS answers so as well when the first answer was lost and the request sent again.
            return partial.stat().st_nlink > 1
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return _create_exclusively(file, data)
        return True
    finally:
        partial.unlink(missing_ok=True)


def write_text(file: Path, text: str) -> None:
    """Write a UTF-8 file atomically, and make its directory.

    Raises:
      OutputError: It cannot be written.
    """
    try:
        with replacing(file) as partial:
            partial.write_text(text, encoding="utf-8")
    except FileExistsError as error:
        raise OutputError(f"cannot write {file}: {file.parent} is a file") from error
    except OSError as error:
        raise OutputError(f"cannot write {file}: {error.strerror}") from error


def _create_exclusively(file: Path, data: bytes) -> bool:
    """As `create_bytes` on file systems without links: a kill may leave part of the content."""
    try:
        with file.open("xb") as stream:
            stream.write(data)
    except FileExistsError:
        return False
    return True


def _mode(target: Path) -> int:
    """The mode of the file to be replaced, else the one that `open` would give a new file."""
    with contextlib.suppress(OSError):
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
