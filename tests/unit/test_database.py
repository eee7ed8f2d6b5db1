"""ML Metadata's database: damaged, locked, of another release."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2

from pipelines.components.names import COMPARISON
from pipelines.errors import DocumentError, UsageError
from pipelines.local import database
from pipelines.report import metadata


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, as ML Metadata makes it."""
    file = tmp_path_factory.mktemp("sound") / "metadata.db"
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(file)
    config.sqlite.connection_mode = (
        metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
    )
    MetadataStore(config)
    return file


@pytest.fixture
def file(sound: Path, tmp_path: Path) -> Path:
    """A copy, in a directory whose name would change the meaning of an SQLite URI."""
    directory = tmp_path / "100 %20 #1 ?x=y"
    directory.mkdir()
    return Path(shutil.copy(sound, directory))


def test_sound(file: Path) -> None:
    assert database.connect(file).get_artifacts() == []


def test_empty_file_is_an_empty_database(file: Path) -> None:
    file.write_bytes(b"")
    assert database.connect(file).get_artifacts() == []


DAMAGES = {
    "garbage": lambda content: b"hello" * 999,
    "first page alone": lambda content: content[:4096],
    "half": lambda content: content[: len(content) // 2],
    "end is missing": lambda content: content[:-8192],
    "noise inside": lambda content: content[:20480] + b"\xa5" * 40960 + content[61440:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged(file: Path, damage) -> None:
    file.write_bytes(damage(file.read_bytes()))
    for read in (database.connect, lambda file: metadata.complete_run(file, COMPARISON)):
        with pytest.raises(DocumentError) as caught:
            read(file)
        message = str(caught.value)
        assert message.startswith(f"{file} is damaged (")
        assert message.endswith("): remove it and the directory pipeline beside it, and run again")
        assert "\n" not in message
        assert len(message) < 200 + len(str(file))


@pytest.mark.parametrize("version", [1, 99])
def test_of_another_release(file: Path, version: int) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute(f"UPDATE MLMDEnv SET schema_version = {version}")
    connection.close()
    with pytest.raises(DocumentError) as caught:
        database.connect(file)
    assert f"of another release of ML Metadata (MLMD database version {version} is" in str(
        caught.value
    )
    assert str(caught.value).endswith("use the stack that wrote it, or choose another --output")


def test_locked_by_another_program(file: Path) -> None:
    hold = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another program has locked"):
            database.connect(file)
        holder.communicate()
    assert database.connect(file).get_artifacts() == []


def test_what_a_killed_run_began_is_rolled_back(file: Path) -> None:
    kill = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN')\n"
        "for i in range(2000): c.execute('INSERT INTO Type (name, type_kind) VALUES (?, 1)', "
        "(f'{i}' * 50,))\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", kill, str(file)], check=False)
    assert os.path.exists(f"{file}-journal")
    assert database.connect(file).get_artifacts() == []
    assert not os.path.exists(f"{file}-journal")
