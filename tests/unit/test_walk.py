"""The walk over files: what it finds, follows, leaves out and refuses."""

import errno
import os
import socket
import time
from pathlib import Path

import pytest

from pipelines import leftovers, walk
from tests.users import as_ordinary_user


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def names(directory: Path) -> list[str]:
    return [entry.name for entry in walk.files(directory)]


def test_files_come_in_the_order_of_paths(tmp_path: Path) -> None:
    write(tmp_path, "b/z", "b/a/x", "a.txt", "b.txt", "a/y", "a-b/x", ".hidden", "é")
    found = list(walk.files(tmp_path))
    assert [entry.path for entry in found] == sorted(entry.path for entry in found)
    assert {entry.path for entry in found} == {p for p in tmp_path.rglob("*") if p.is_file()}
    assert all(entry.path == tmp_path / entry.name for entry in found)
    assert all(entry.status.st_size == len(entry.name.encode()) for entry in found)


def test_a_folder_comes_before_its_content(tmp_path: Path) -> None:
    write(tmp_path, "a/b/c")
    (tmp_path / "empty").mkdir()
    found = [(entry.name, entry.is_folder) for entry in walk.entries(tmp_path)]
    assert found == [("a", True), ("a/b", True), ("a/b/c", False), ("empty", True)]


def test_links_are_followed(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/a", "elsewhere/deep/b", "source/own")
    (tmp_path / "source" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "source" / "again").symlink_to("linked")
    (tmp_path / "source" / "file").symlink_to(tmp_path / "elsewhere" / "a")
    (tmp_path / "link").symlink_to("source")
    expected = ["again/a", "again/deep/b", "file", "linked/a", "linked/deep/b", "own"]
    assert names(tmp_path / "source") == names(tmp_path / "link") == expected


def test_a_link_to_a_folder_above_ends_there(tmp_path: Path) -> None:
    write(tmp_path, "a/b/file")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(".")
    assert names(tmp_path) == ["a/b/file"]


def test_what_the_caller_leaves_out(tmp_path: Path) -> None:
    write(tmp_path, "out/a", "x/out/b", "x/skip/c", "x/d", "file")
    (tmp_path / "x" / "link").symlink_to(tmp_path / "out")
    found = walk.files(
        tmp_path,
        lambda entry: entry.name == "skip",
        [tmp_path / "out", tmp_path / "file", tmp_path / "not there"],
    )
    assert [entry.name for entry in found] == ["x/d", "x/out/b"]


def refusal(directory: Path) -> OSError:
    with pytest.raises(OSError) as caught:  # noqa: PT011 (the callers look at it)
        names(directory)
    return caught.value


@pytest.mark.parametrize("target", ["nowhere", "loop"])
def test_a_link_to_nothing_is_an_error(tmp_path: Path, target: str) -> None:
    write(tmp_path, "folder/file")
    (tmp_path / "folder" / "loop").symlink_to(target)
    error = refusal(tmp_path)
    assert error.filename == str(tmp_path / "folder" / "loop")
    sentences = {"nowhere": "it is a link to nothing", "loop": os.strerror(errno.ELOOP)}
    assert error.strerror == sentences[target]


def test_a_link_to_nothing_may_be_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "file")
    (tmp_path / ".#file").symlink_to("user@host.1234:5678")
    found = walk.files(tmp_path, lambda entry: entry.name.startswith("."))
    assert [entry.name for entry in found] == ["file"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["a named pipe", "a socket", "a device"])
def test_what_is_no_file_is_an_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd"
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "a named pipe":
            os.mkfifo(path)
        elif kind == "a socket":
            listener.bind(str(path))
        else:
            path.symlink_to(os.devnull)
        error = refusal(tmp_path)
    assert (error.filename, error.strerror) == (str(path), f"it is {kind}, not a file or a folder")


@pytest.mark.parametrize("mode", [0, 0o400])
def test_a_folder_that_may_not_be_read_is_an_error(anyones: Path, mode: int) -> None:
    secret = write(anyones, "a", "secret/b") / "secret"
    secret.chmod(mode)
    error = as_ordinary_user(lambda: refusal(anyones))
    secret.chmod(0o700)
    assert isinstance(error, PermissionError)
    assert str(error.filename).startswith(str(secret))


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_no_directory_is_an_error(tmp_path: Path, name: str) -> None:
    write(tmp_path, "file")
    assert refusal(tmp_path / name).filename == str(tmp_path / name)


def test_what_a_writer_left_is_told_by_its_age(tmp_path: Path) -> None:
    now = time.time()
    write(tmp_path, "folder/a/b", "folder/c")
    for path in (tmp_path / "folder", *(tmp_path / "folder").rglob("*")):
        os.utime(path, (now - 3700, now - 3700))
    assert leftovers.is_abandoned(tmp_path / "folder", now)
    assert leftovers.is_abandoned(tmp_path / "folder" / "c", now)
    os.utime(tmp_path / "folder" / "a" / "b", (now, now - 3500))
    assert not leftovers.is_abandoned(tmp_path / "folder", now)
    assert not leftovers.is_abandoned(tmp_path / "gone", now)
