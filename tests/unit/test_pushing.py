"""Pushes to a directory: whole or absent, two at once, killed at every step, and again."""

import contextlib
import errno
import hashlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from pipelines.errors import OutputError
from pipelines.pushing import directory
from pipelines.pushing.records import Model, Record, next_version, parse_all, to_version

ME, OTHER = "s3://bucket/run/pusher-keras/1/pushed_model", "s3://bucket/run/another/pushed_model"
PROCESSES = multiprocessing.get_context("fork")


def make_model(path: Path, content: str, files: int = 3) -> Path:
    (path / "variables").mkdir(parents=True)
    (path / "assets").mkdir()
    (path / "saved_model.pb").write_text(f"{content} graph")
    for number in range(files - 1):
        (path / "variables" / f"{number:04}").write_text(f"{content} {number}")
    return path


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "model", "mine")


@pytest.fixture
def other_model(tmp_path):
    return make_model(tmp_path / "other", "another's")


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "serving"


def versions(destination):
    return sorted(entry.name for entry in destination.iterdir() if entry.name.isdigit())


def digests(destination):
    return [Model.read(destination / name).digest for name in versions(destination)]


def records(destination):
    found = (destination / ".pushes").iterdir()
    return {f.name: Record.parse(f.read_bytes(), f.name) for f in found if f.name.isdigit()}


def test_a_version(model, destination):
    before = int(time.time())

    version = directory.push(model, destination, ME)

    assert version.parent == destination
    assert int(version.name) >= before
    assert digests(destination) == [Model.read(model).digest]
    assert (version / "assets").is_dir()
    assert os.listdir(destination / ".staging") == []
    (record,) = records(destination).values()
    assert (record.pusher, record.state) == (ME, "pushed")


def test_another_model_is_a_higher_version(model, other_model, destination):
    (destination / "99999999999").mkdir(parents=True)  # above the time
    first = directory.push(model, destination, ME)
    second = directory.push(other_model, destination, OTHER)
    third = directory.push(model, destination, "a later run that trained the first model again")

    assert [v.name for v in (first, second, third)] == [str(99999999999 + n) for n in (1, 2, 3)]


def test_the_newest_model_is_not_pushed_again(model, destination):
    first = directory.push(model, destination, ME)

    assert directory.push(model, destination, OTHER) == first
    assert versions(destination) == [first.name]


def test_a_retry_finds_its_version_below_a_newer_one(model, other_model, destination):
    first = directory.push(model, destination, ME)
    directory.push(other_model, destination, OTHER)

    assert directory.push(model, destination, ME) == first
    assert len(versions(destination)) == 2


def test_a_number_is_never_used_again(model, other_model, destination):
    (destination / "99999999999").mkdir(parents=True)
    first = directory.push(model, destination, ME)
    (destination / "99999999999").rmdir()
    (destination / first.name).rename(destination.parent / "removed by a user")

    second = directory.push(other_model, destination, OTHER)
    again = directory.push(model, destination, ME)

    assert len({first.name, second.name, again.name}) == 3


def test_a_version_that_lost_a_file_is_not_taken_for_the_model(model, destination):
    first = directory.push(model, destination, ME)
    (first / "variables" / "0000").unlink()

    second = directory.push(model, destination, ME)

    assert int(second.name) > int(first.name)
    assert Model.read(second).digest == Model.read(model).digest


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 99}'])
def test_a_record_that_cannot_be_read_claims_its_version(model, destination, content):
    (destination / ".pushes").mkdir(parents=True)
    (destination / ".pushes" / "99999999999").write_bytes(content)

    assert directory.push(model, destination, ME).name == "100000000000"


def test_a_version_that_appears_without_a_record_is_kept(model, other_model, destination):
    """As by a release without records, between this push's look and its rename."""
    make_model(destination / "99999999998", "older")
    rename = os.rename

    def intrude(source, target):
        if Path(target).name == "99999999999":
            monkeypatch.undo()
            make_model(Path(target), "intruder")
        rename(source, target)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(os, "rename", intrude)
        version = directory.push(model, destination, ME)

    assert version.name == "100000000000"
    assert (destination / "99999999999" / "saved_model.pb").read_text() == "intruder graph"


def age(path, seconds):
    for file in (path, *path.rglob("*")):
        moment = time.time() - seconds
        os.utime(file, (moment, moment))


def test_leftovers(model, destination):
    """An attempt's own go at once, another's when nothing in it changed for an hour."""
    task = hashlib.sha256(ME.encode()).hexdigest()[:16]
    staging = destination / ".staging"
    make_model(staging / f"{task}.attempt", "half")
    make_model(staging / "another.fresh", "half")
    age(make_model(staging / "another.old", "half"), 3700)
    age(make_model(staging / "1700000000", "of the release before"), 3700)
    slow = make_model(staging / "another.slow", "half")
    age(slow, 3700)
    (slow / "variables" / "now").write_text("still copying")

    directory.push(model, destination, ME)

    assert sorted(os.listdir(staging)) == ["another.fresh", "another.slow"]


def test_an_owner_of_a_removed_leftover_publishes_nothing(model, destination, monkeypatch):
    """A second attempt starts while the first one, taken for dead, still copies."""
    copied, removed = threading.Event(), threading.Event()
    copy, outcome = directory._copy, []

    def slow_copy(source, target):
        copy(source, target)
        if threading.current_thread().name == "first":
            copied.set()
            assert removed.wait(30)

    def attempt():
        with pytest.raises(OutputError) as caught:
            directory.push(model, destination, ME)
        outcome.append(str(caught.value))

    monkeypatch.setattr(directory, "_copy", slow_copy)
    first = threading.Thread(target=attempt, name="first")
    first.start()
    assert copied.wait(30)
    version = directory.push(model, destination, ME)
    removed.set()
    first.join()

    assert versions(destination) == [version.name]
    assert outcome[0].startswith(f"cannot push {model} to {destination}: ")


def test_a_full_disk_is_one_sentence(model, destination, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(directory.shutil, "copyfile", full)
    with pytest.raises(OutputError, match=r"No space left on device$"):
        directory.push(model, destination, ME)

    assert versions(destination) == []
    assert os.listdir(destination / ".staging") == []


@pytest.mark.parametrize("kind", ["missing", "empty"])
def test_a_model_without_files(tmp_path, destination, kind):
    (tmp_path / "empty").mkdir()
    with pytest.raises(OutputError, match=str(tmp_path / kind)):
        directory.push(tmp_path / kind, destination, ME)


def test_a_model_with_a_linked_folder_is_pushed_whole(model, tmp_path, destination):
    (model / "variables").rename(tmp_path / "elsewhere")
    (model / "variables").symlink_to(tmp_path / "elsewhere")
    (model / "assets" / "up").symlink_to(model)

    version = directory.push(model, destination, ME)

    assert not (version / "variables").is_symlink()
    assert sorted(os.listdir(version / "variables")) == ["0000", "0001"]
    assert digests(destination) == [Model.read(model).digest]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", ["a named pipe", "a link to nothing"])
def test_a_model_with_what_is_no_file_is_one_sentence(model, destination, kind):
    if kind == "a named pipe":
        os.mkfifo(model / "odd")
    else:
        (model / "odd").symlink_to("nowhere")
    with pytest.raises(OutputError, match=f"{model}/odd: it is {kind}"):
        directory.push(model, destination, ME)


STEPS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.chmod"}


def push_and_die(model, destination, pusher, step):
    """Runs in a process of its own, which SIGKILL ends before its n-th step in the destination."""
    taken = 0

    def count(event, arguments):
        nonlocal taken
        if event in STEPS and str(destination) in str(arguments[0]):
            if event == "open" and not (arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)):
                return
            if taken == step:
                os.kill(os.getpid(), signal.SIGKILL)
            taken += 1

    sys.addaudithook(count)
    directory.push(model, destination, pusher)


def run(model, destination, pusher, step):
    process = PROCESSES.Process(target=push_and_die, args=(model, destination, pusher, step))
    process.start()
    process.join()
    return process.exitcode


def test_killed_at_every_step(model, other_model, destination):
    whole = Model.read(model).digest
    step, pushes = 0, 0
    while True:
        pusher = f"{ME}/{step}"
        before = versions(destination) if destination.exists() else []
        code = run(model, destination, pusher, step)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        after = versions(destination) if destination.exists() else []
        assert len(after) - len(before) in {0, 1}

        version = directory.push(model, destination, pusher)

        assert versions(destination) == [*before, version.name]
        assert Model.read(version).digest == whole
        # Another model between, so that the next one is not the newest already.
        directory.push(other_model, destination, f"{OTHER}/{step}")
        step, pushes = step + 1, pushes + 2
    assert step > 10
    assert len(versions(destination)) == pushes + 1
    assert {r.state for r in records(destination).values()} == {"pushed"}


def test_many_at_once_and_some_killed(tmp_path, destination):
    """SavedModels of 1,500 files; every version is one of them, whole, and each is there once."""
    models = [make_model(tmp_path / f"model{n}", f"content {n}", files=1500) for n in range(4)]
    wanted = {Model.read(model).digest for model in models}
    for _ in range(2):
        processes = [
            PROCESSES.Process(target=directory.push, args=(model, destination, f"{ME}/{number}"))
            for number, model in enumerate(models)
        ]
        for process in processes:
            process.start()
        # As soon as some have begun, wherever they are.
        while not (destination / ".staging").exists():
            time.sleep(0.01)
        for process in processes[:2]:
            process.kill()
        for process in processes:
            process.join()
        assert all(process.exitcode == 0 for process in processes[2:])
        assert set(digests(destination)) <= wanted
    for number, model in enumerate(models):
        directory.push(model, destination, f"{ME}/{number}")
    found = digests(destination)
    assert set(found) == wanted
    assert len(found) == len(wanted)


def test_the_choice_of_a_version():
    assert next_version([], 1700000000.9) == 1700000000
    assert next_version([17, 18], 1700000000.0) == 1700000000
    assert next_version([1700000005], 1700000000.0) == 1700000006
    assert [to_version(n) for n in ("17", "017", ".17", "-1", "1a", "²", "")] == [
        17,
        17,
        None,
        None,
        None,
        None,
        None,
    ]


def test_records_of_another_release_are_left_out(model):
    record = Record.begin(ME, Model.read(model))
    assert parse_all({1: record.to_json().encode(), 2: b"{}", 3: b"\xff"}) == {1: record}


def test_a_models_digest_holds_names_and_contents(tmp_path):
    first, second, moved = (make_model(tmp_path / name, "same") for name in "abc")
    (moved / "variables" / "0000").rename(moved / "variables" / "renamed")
    (second / "assets").rmdir()  # stores have no empty directories

    assert Model.read(first).digest == Model.read(second).digest
    assert Model.read(first).digest != Model.read(moved).digest
    with contextlib.suppress(FileNotFoundError):
        (second / "variables" / "0001").write_text("another")
    assert Model.read(first).digest != Model.read(second).digest
