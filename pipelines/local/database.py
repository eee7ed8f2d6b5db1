"""ML Metadata's database of an output directory: opened, or one sentence why it cannot be."""

import contextlib
import re
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines import messages
from pipelines.errors import DocumentError, UsageError

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

_LOCK_SECONDS = 2
_VERSIONS = re.compile(r"MLMD database version \d+ is \w+ than library version \d+")


def connect(database: Path) -> "MetadataStore":
    """Open a database that exists.

    Raises:
      DocumentError: It is damaged, or of another release of ML Metadata.
      UsageError: Another program has locked it, or it cannot be read.
    """
    from ml_metadata import errors
    from ml_metadata.metadata_store import MetadataStore
    from ml_metadata.proto import metadata_store_pb2

    _check(database)
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(database)
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE
    try:
        return MetadataStore(config)
    except (errors.StatusError, RuntimeError) as error:
        if versions := _VERSIONS.search(str(error)):
            raise DocumentError(
                f"{database} is of another release of ML Metadata ({versions.group()}): use the "
                "stack that wrote it, or choose another --output"
            ) from error
        raise _damaged(database, messages.describe(error)) from error


def _check(database: Path) -> None:
    """SQLite reads and writes it; ML Metadata would say of each fault the same at great length."""
    # Not read-only: what a killed run began is rolled back here.
    uri = f"{database.as_uri()}?mode=rw"
    try:
        with contextlib.closing(sqlite3.connect(uri, _LOCK_SECONDS, uri=True)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            (result,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise UsageError(
                f"another program has locked {database}: end it and try again"
            ) from error
        raise UsageError(f"cannot read {database}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise _damaged(database, str(error)) from error
    if result != "ok":
        raise _damaged(database, " ".join(result.split()))


def _damaged(database: Path, reason: str) -> DocumentError:
    return DocumentError(
        f"{database} is damaged ({reason}): remove it and the directory pipeline beside it, and "
        "run again"
    )
