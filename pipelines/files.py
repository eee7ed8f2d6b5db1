"""Files that are whole or not there."""

import contextlib
import os
from pathlib import Path

from pipelines.errors import OutputError


def write_text(file: Path, text: str) -> None:
    """Writes beside, then renames; makes the directory.

    Raises:
      OutputError: It cannot be written.
    """
    partial = file.with_name(f".{file.name}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, file)
    except FileExistsError as error:
        raise OutputError(f"cannot write {file}: {file.parent} is a file") from error
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise OutputError(f"cannot write {file}: {error.strerror}") from error
