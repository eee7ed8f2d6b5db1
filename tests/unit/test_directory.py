"""The output directory: what a run can use, and its lock."""

import errno
import os
import stat
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import portalocker.portalocker
import psutil
import pytest

from pipelines.errors import OutputError, UsageError
from pipelines.local import directory
from pipelines.local.layout import Layout

ROOT = Path(__file__).resolve().parents[2]


def refusal(path: Path, branches: tuple[str, ...] = ()) -> str:
    """The one sentence with which a run in a directory is refused."""
    with pytest.raises(OutputError) as caught:
        directory.check(directory.find(path), branches)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "name", ["plain", "a b é日本 %20 # : , ' \" $x ; @ ~ & ( ) = + !", "a]b", "{a,b}", "-dash"]
)
def test_directory_that_a_run_can_use(tmp_path: Path, name: str) -> None:
    """Real runs in directories with these names end well, with SQLite and TFX's patterns."""
    layout = directory.find(tmp_path / name / "deeper")
    directory.check(layout, ["keras"])
    assert layout.root == tmp_path / name / "deeper"
    assert os.listdir(layout.root) == []
    directory.check(layout, ["keras"])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("x[1]", "has the character [, with which TFX takes it for a pattern"),
        ("x*", "has the character *,"),
        ("what?", "has the character ?,"),
        ("a\\b", "has the character \\,"),
        ("a\nb", "has characters that are no text"),
        ("a\x1bb", "has characters that are no text"),
        (os.fsdecode(b"a\xffb"), "has characters that are no text"),
        ("/".join(["long" * 20] * 7), "is longer than the 492 bytes"),
    ],
    ids=["[", "star", "question mark", "backslash", "newline", "escape", "not UTF-8", "long"],
)
def test_path_that_a_run_cannot_use(tmp_path: Path, name: str, says: str) -> None:
    assert says in refusal(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_the_longest_path_is_one_that_ml_metadata_takes(tmp_path: Path) -> None:
    from ml_metadata.metadata_store import MetadataStore
    from ml_metadata.proto import metadata_store_pb2

    def open_store(layout: Layout) -> None:
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = str(layout.metadata)
        config.sqlite.connection_mode = 3  # READWRITE_OPENCREATE
        MetadataStore(config)

    deep = tmp_path / "/".join(["d" * 80] * 3)
    longest = deep / ("e" * (492 - len(str(deep)) - 1))
    layout = directory.find(longest)
    directory.check(layout)
    open_store(layout)
    longer = Layout(longest.with_name(longest.name + "e"))
    longer.root.mkdir()
    with pytest.raises(RuntimeError, match="unable to open database file"):
        open_store(longer)
    assert "is longer than" in refusal(longer.root)


@pytest.mark.parametrize("uri", ["gs://bucket/out", "s3://bucket/out", "file:/out", "hdfs://a/b"])
def test_uri_is_no_directory(uri: str) -> None:
    assert (
        refusal(Path(uri)) == f"the output is a directory of this machine, and {Path(uri)} is a URI"
    )


def test_current_directory_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert refusal(Path("out")) == "cannot find the output directory out: No such file or directory"
    monkeypatch.chdir(tmp_path)


def test_links(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert refusal(tmp_path / "loop").endswith(": it is a link that leads nowhere")
    assert "Too many levels of symbolic links" in refusal(tmp_path / "loop" / "out")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert directory.find(tmp_path / "link").root == tmp_path / "real"


def test_what_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    os.mkfifo(tmp_path / "fifo")
    for name in ("file", "fifo"):
        path = tmp_path / name
        assert refusal(path) == f"cannot write to the output directory {path}: it is no directory"
        assert "Not a directory" in refusal(path / "out")
    assert (tmp_path / "file").read_text() == "mine"


def test_read_only_file_system() -> None:
    if not os.path.isdir("/proc/sys/kernel"):
        pytest.skip("no /proc")
    assert "cannot write to the output directory" in refusal(Path("/proc/sys/kernel/out"))


def test_too_little_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(psutil, "disk_usage", lambda path: usage(40_000_000))
    assert "has 40 MB free, and a run needs 150 MB" in refusal(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["serving", "serving/keras", "pipeline", "data"])
@pytest.mark.parametrize("make", [Path.touch, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_something_else_where_a_directory_belongs(tmp_path: Path, name: str, make: Any) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    make(path)
    before = os.lstat(path)
    assert refusal(tmp_path, ("lite", "keras")) == (
        f"a run needs a directory at {path}, and something else is there: move it, or choose "
        "another --output"
    )
    assert os.lstat(path) == before


@pytest.mark.parametrize("name", ["metadata.db", "report.json", "report.html", "run.log", ".lock"])
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_something_else_where_a_file_belongs(tmp_path: Path, name: str, make: Any) -> None:
    make(tmp_path / name)
    assert f"a run needs a file at {tmp_path / name}, and something else" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["metadata.db", "serving"])
def test_entry_of_another_user(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.mkdir() if name == "serving" else path.touch()
    path.chmod(stat.S_IREAD | stat.S_IEXEC)
    tmp_path.chmod(0o777)
    program = (
        "import os, sys; from pathlib import Path; import psutil; from pipelines.local import "
        "directory\n"
        "if not os.geteuid(): os.setuid(65534)\n"  # root may write everything
        "directory.check(directory.find(Path(sys.argv[1])))"
    )
    for parent in tmp_path.parents:
        if parent.name.startswith(("pytest-", "popen-")):
            parent.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert f"OutputError: cannot write {path}: change its permissions" in done.stderr


@pytest.mark.parametrize("database", [None, b""])
def test_artifacts_without_their_database(tmp_path: Path, database: bytes | None) -> None:
    (tmp_path / "pipeline" / "transform").mkdir(parents=True)
    if database is not None:
        (tmp_path / "metadata.db").write_bytes(database)
    assert "pipeline holds files, and their database" in refusal(tmp_path)
    (tmp_path / "metadata.db").write_bytes(b"something")
    directory.check(directory.find(tmp_path))


def test_lock(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with directory.locked(layout):
        with pytest.raises(UsageError, match="another run is using"), directory.locked(layout):
            pass
        with pytest.raises(UsageError, match="another run is using"), directory.locked(layout):
            pass
    with directory.locked(layout):
        pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """No file system here is without locks, so the kernel's answer of one is given for it."""

    def flock(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(portalocker.portalocker, "LOCKER", flock)
    with pytest.raises(OutputError) as caught, directory.locked(Layout(tmp_path)):
        pass
    assert str(caught.value) == (
        f"the file system of {tmp_path} cannot lock files ({os.strerror(code)}), and the run's "
        "database needs locks: choose an --output on a local disk"
    )
