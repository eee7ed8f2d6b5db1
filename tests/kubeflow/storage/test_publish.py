"""A version in a store is whole or has no main file, and no push makes two, whatever happens."""

import dataclasses
import datetime
import itertools
import multiprocessing
import os
import queue
import signal
import threading
import time
from pathlib import Path

import pytest

from kubeflow import storage
from kubeflow.adapter import publish
from pipelines.errors import StorageError
from pipelines.pushing.records import MAIN_FILES, Model, Record
from tests.kubeflow.storage import faults
from tests.kubeflow.storage.places import REMOTE, Place, stores

ME = "s3://bucket/root/run/pusher-keras/1/pushed_model"
OTHER = "s3://bucket/root/another/pusher-keras/1/pushed_model"
FILES = ["saved_model.pb", "variables/variables.data", "variables/variables.index"]
EITHER_KIND = ("minio", "gcs")
"""A store that honours conditional creates, and one that ignores them."""

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["kubeflow.adapter.publish", "kubeflow.storage.s3", "kubeflow.storage.gcs"]
)
PUSH = """
import os
import pathlib
from kubeflow.adapter import publish

os.environ.update({environ!r})
publish.publish(pathlib.Path({model!r}), {uri!r}, {pusher!r})
"""
"""What a process of its own runs: it could not import a function of this file by its name, since a
library has a package called `tests` too."""


def make_model(path: Path, content: str, size: int = 100) -> Path:
    (path / "variables").mkdir(parents=True)
    for name in FILES:
        (path / name).write_text(f"{content} {name} {'x' * size}")
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model", "mine")


@pytest.fixture
def other_model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "other", "another's")


def names(place: Place) -> list[str]:
    return [o.name for o in storage.list_objects(place.uri, place.options)]


def contents(place: Place) -> dict[str, dict[str, bytes]]:
    """The files of each version that shows its main file."""
    found: dict[str, dict[str, bytes]] = {}
    for name in names(place):
        version, _, rest = name.partition("/")
        if version.isdigit():
            data = storage.read_bytes(f"{place.uri}/{name}", place.options)
            found.setdefault(version, {})[rest] = data
    return {v: files for v, files in found.items() if files.keys() & set(MAIN_FILES)}


def files_of(model: Path) -> dict[str, bytes]:
    return {name: (model / name).read_bytes() for name in FILES}


def record_of(place: Place, version: str) -> Record:
    uri = f"{place.uri}/.pushes/{version}"
    return Record.parse(storage.read_bytes(uri, place.options), uri)


def leave(place: Place, version: str, record: Record, *files: str) -> None:
    """What an ended push left behind."""
    for name in files:
        storage.write_bytes(f"{place.uri}/{version}/{name}", b"half", place.options)
    storage.write_bytes(f"{place.uri}/.pushes/{version}", record.to_json().encode(), place.options)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hours from now, by the clock of a push and not by the store's."""
    now = publish._now
    monkeypatch.setattr(publish, "_now", lambda: now() + datetime.timedelta(hours=2))


@stores(*EITHER_KIND)
@pytest.mark.parametrize(
    ("main", "labels"),
    [("tflite", "labels.txt"), ("saved_model.pb", "assets.extra/labels.txt")],
)
def test_the_label_file_goes_with_the_model(
    place: Place, tmp_path: Path, main: str, labels: str
) -> None:
    files = {main: b"model", labels: b"cat\ndog\n"}
    for name, content in files.items():
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_bytes(content)

    version = publish.publish(tmp_path / "model", place.uri, ME).rpartition("/")[2]

    assert contents(place) == {version: files}


@stores(*REMOTE)
def test_a_version(place: Place, model: Path) -> None:
    before = int(time.time())

    uri = publish.publish(model, f"{place.uri}/", ME)

    root, _, version = uri.rpartition("/")
    assert root == place.uri
    assert int(version) >= before
    assert contents(place) == {version: files_of(model)}
    assert names(place) == [f".pushes/{version}", *(f"{version}/{name}" for name in FILES)]
    assert (record_of(place, version).pusher, record_of(place, version).state) == (ME, "pushed")


@stores(*EITHER_KIND)
def test_nothing_is_written_over(place: Place, model: Path, other_model: Path) -> None:
    storage.write_bytes(f"{place.uri}/99999999999/saved_model.pb", b"a user's")
    first, second = (
        publish.publish(m, place.uri, pusher) for m, pusher in ((model, ME), (other_model, OTHER))
    )

    assert [uri.rpartition("/")[2] for uri in (first, second)] == ["100000000000", "100000000001"]
    assert contents(place)["100000000000"] == files_of(model)
    assert contents(place)["100000000001"] == files_of(other_model)
    assert contents(place)["99999999999"] == {"saved_model.pb": b"a user's"}


@stores(*EITHER_KIND)
def test_the_newest_model_is_not_pushed_again(place: Place, model: Path, other_model: Path) -> None:
    first = publish.publish(model, place.uri, ME)
    assert publish.publish(model, place.uri, OTHER) == first

    second = publish.publish(other_model, place.uri, "a third run")
    third = publish.publish(model, place.uri, "a run that trained the first model again")
    assert len({first, second, third}) == len(contents(place)) == 3


@stores("minio")
def test_a_retry_finds_its_version_below_a_newer_one(
    place: Place, model: Path, other_model: Path
) -> None:
    first = publish.publish(model, place.uri, ME)
    publish.publish(other_model, place.uri, OTHER)

    assert publish.publish(model, place.uri, ME) == first
    assert len(contents(place)) == 2


@stores("minio")
def test_a_version_that_lost_a_file_is_not_taken_for_the_model(place: Place, model: Path) -> None:
    first = publish.publish(model, place.uri, ME)
    storage.delete(f"{place.uri}/{first.rpartition('/')[2]}/variables")

    second = publish.publish(model, place.uri, ME)

    assert second != first
    assert contents(place)[second.rpartition("/")[2]] == files_of(model)


@stores("minio")
def test_a_number_is_never_used_again(place: Place, model: Path, other_model: Path) -> None:
    storage.write_bytes(f"{place.uri}/99999999999/saved_model.pb", b"a user's")
    first = publish.publish(model, place.uri, ME)
    storage.delete(f"{place.uri}/99999999999")
    storage.delete(first)

    assert publish.publish(other_model, place.uri, OTHER) != first


@stores(*EITHER_KIND)
def test_a_retry_completes_what_its_attempt_began(place: Place, model: Path) -> None:
    record = Record.begin(ME, Model.read(model))
    leave(place, "1700000000", record, "variables/variables.data")

    assert publish.publish(model, place.uri, ME) == f"{place.uri}/1700000000"
    assert contents(place) == {"1700000000": files_of(model)}
    assert record_of(place, "1700000000").attempt != record.attempt


@stores(*EITHER_KIND)
def test_what_another_push_has_under_way_stays(place: Place, model: Path) -> None:
    others = Record.begin(OTHER, Model.read(model))
    leave(place, "1700000000", others, "variables/variables.data")

    version = publish.publish(model, place.uri, ME).rpartition("/")[2]

    assert version != "1700000000"
    assert record_of(place, "1700000000") == others
    assert "1700000000/variables/variables.data" in names(place)


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("pusher", [ME, OTHER])
@stores(*EITHER_KIND)
def test_an_abandoned_push_is_removed(place: Place, model: Path, pusher: str) -> None:
    leave(place, "1700000000", Record.begin(pusher, Model.read(model)), "variables/x", "z")

    version = publish.publish(model, place.uri, ME).rpartition("/")[2]

    assert record_of(place, "1700000000").state == "abandoned"
    assert not [name for name in names(place) if name.startswith("1700000000/")]
    assert contents(place) == {version: files_of(model)}


@pytest.mark.usefixtures("later")
@stores("minio")
def test_a_whole_version_whose_push_was_killed_last_stays(
    place: Place, model: Path, other_model: Path
) -> None:
    uri = publish.publish(model, place.uri, ME)
    version = uri.rpartition("/")[2]
    killed = record_of(place, version).model_copy(update={"state": "pushing"})
    leave(place, version, killed)

    publish.publish(other_model, place.uri, OTHER)
    assert contents(place)[version] == files_of(model)

    assert publish.publish(model, place.uri, ME) == uri
    assert record_of(place, version).state == "pushed"


@stores("minio")
def test_markers_of_the_release_before(
    place: Place, model: Path, request: pytest.FixtureRequest
) -> None:
    for name in ("16/variables/x", ".pushing/16/by", "15/saved_model.pb", ".pushing/15/by"):
        storage.write_bytes(f"{place.uri}/{name}", b"task")
    first = publish.publish(model, place.uri, ME)
    assert {"16/variables/x", ".pushing/16/by"} <= set(names(place))

    request.getfixturevalue("later")
    assert publish.publish(model, place.uri, ME) == first
    left = set(names(place))
    assert "15/saved_model.pb" in left
    assert not left & {"16/variables/x", ".pushing/16/by", ".pushing/15/by"}


@stores(*EITHER_KIND)
def test_a_record_that_cannot_be_read_claims_its_version(place: Place, model: Path) -> None:
    storage.write_bytes(f"{place.uri}/.pushes/99999999999", b'{"format": 99}')

    assert publish.publish(model, place.uri, ME) == f"{place.uri}/100000000000"


@stores("minio")
def test_a_record_that_vanishes_is_a_push_that_ended(
    place: Place, proxy: faults.Proxy, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(place, "1700000000", Record.begin(OTHER, Model.read(model)))
    through(place, proxy, monkeypatch)

    def choose(request: faults.Request) -> faults.Fault | None:
        if ".pushes/1700000000" in request.path:
            storage.delete(f"{place.uri}/.pushes", place.options)
            proxy.choose = lambda request: None
        return None

    proxy.choose = choose
    version = publish.publish(model, place.uri, ME).rpartition("/")[2]

    assert contents(place) == {version: files_of(model)}


def through(place: Place, proxy: faults.Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    field = "STORAGE_EMULATOR_HOST" if place.kind == "gcs" else "AWS_ENDPOINT_URL_S3"
    monkeypatch.setenv(field, proxy.endpoint)
    monkeypatch.setenv("TFX_MOBILE_STORAGE_RETRY_SECONDS", "4")


@stores("minio")
def test_the_main_file_comes_last_and_the_destination_is_listed_once(
    place: Place, proxy: faults.Proxy, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        old = f"{place.uri}/{1000 + number}/saved_model.pb"
        storage.write_bytes(old, b"of the release before")
    through(place, proxy, monkeypatch)

    version = publish.publish(model, place.uri, ME).rpartition("/")[2]

    paths = [r.path.split("?")[0].rpartition(f"/{version}")[2] for r in proxy.requests]
    puts = [p for r, p in zip(proxy.requests, paths, strict=True) if r.method == "PUT"]
    # The claim, its probe, the files in any order, the main file, the record.
    assert puts[:2] == ["", ""]
    assert set(puts[2:4]) == {"/variables/variables.data", "/variables/variables.index"}
    assert puts[4:] == ["/saved_model.pb", ""]
    lists = [r for r in proxy.requests if r.method == "GET" and "prefix=" in r.path]
    assert len(lists) == 1
    assert len(proxy.requests) < 20


@stores("minio")
def test_old_records_are_not_read(
    place: Place, proxy: faults.Proxy, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = Record.begin(OTHER, Model.read(model)).with_state("pushed")
    for number in range(1000, 1020):
        leave(place, str(number), others, "saved_model.pb")
    leave(place, "999", others.model_copy(update={"state": "pushing"}), "half")
    through(place, proxy, monkeypatch)
    monkeypatch.setattr(publish, "_REMEMBERED", datetime.timedelta(0))

    publish.publish(model, place.uri, ME)

    read = {r.path.rpartition("/.pushes/")[2] for r in proxy.requests if r.method == "GET"}
    assert {name for name in read if name.startswith(("999", "10"))} == {"999", "1019"}


def slow_upload(
    place: Place,
    proxy: faults.Proxy,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    renewals: int,
) -> list[str]:
    """Publishes while one file is held back until the record was renewed so many times."""
    through(place, proxy, monkeypatch)
    monkeypatch.setattr(publish, "_RENEWAL_SECONDS", 0.05)
    enough, writes = threading.Event(), []

    def choose(request: faults.Request) -> faults.Fault | None:
        if request.method == "PUT" and "/.pushes/" in request.path:
            writes.append(request.path)
            if len(writes) == 2 + renewals:  # after the claim and its probe
                enough.set()
        if request.method == "PUT" and "variables.data" in request.path and not enough.is_set():
            return faults.Status(503, after=enough)  # and sent again
        return None

    proxy.choose = choose
    publish.publish(model, place.uri, ME)
    return writes


@stores("minio")
def test_a_slow_push_keeps_its_claim_alive(
    place: Place, proxy: faults.Proxy, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = slow_upload(place, proxy, model, monkeypatch, renewals=3)

    assert len(writes) > 3
    (version,) = contents(place)
    assert record_of(place, version).state == "pushed"


TAKERS = {
    "abandoned": {"state": "abandoned"},
    "another task": {"pusher": OTHER, "attempt": "another"},
    "another attempt": {"attempt": "another"},
}
"""What a record is replaced with: the second as in a store without conditional writes."""


@stores("minio")
@pytest.mark.parametrize("taker", TAKERS)
def test_a_push_that_lost_its_claim_shows_no_main_file(
    place: Place, proxy: faults.Proxy, model: Path, monkeypatch: pytest.MonkeyPatch, taker: str
) -> None:
    through(place, proxy, monkeypatch)
    taken: list[tuple[str, Record]] = []

    def choose(request: faults.Request) -> faults.Fault | None:
        if request.method == "PUT" and "variables.data" in request.path and not taken:
            (name,) = (n for n in names(place) if n.startswith(".pushes/"))
            version = name.rpartition("/")[2]
            taken.append((version, record_of(place, version).model_copy(update=TAKERS[taker])))
            leave(place, *taken[0])
        return None

    proxy.choose = choose
    with pytest.raises(StorageError, match=r"lost its claim .* run the task again"):
        publish.publish(model, place.uri, ME)

    ((version, record),) = taken
    assert contents(place) == {}
    assert record_of(place, version) == record
    # What may be another's is left alone.
    kept = {name for name in names(place) if name.startswith(f"{version}/")}
    assert bool(kept) == (taker != "abandoned")

    again = publish.publish(model, place.uri, ME).rpartition("/")[2]
    assert (again == version) == (taker == "another attempt")
    assert contents(place) == {again: files_of(model)}


@stores("minio")
def test_a_push_that_was_not_renewed_for_long_gives_up(
    place: Place, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a sleep of the machine, when a renewal may have undone a removal."""
    monkeypatch.setattr(publish, "_FRESH", datetime.timedelta(0))
    with pytest.raises(StorageError, match="lost its claim"):
        publish.publish(model, place.uri, ME)

    (name,) = names(place)
    assert record_of(place, name.rpartition("/")[2]).state == "abandoned"


def start(model: Path, place: Place, pusher: str, endpoint: str = "") -> multiprocessing.Process:
    """A push in a process of its own."""
    environ = dict(os.environ)
    if endpoint:
        environ |= {"STORAGE_EMULATOR_HOST": endpoint, "AWS_ENDPOINT_URL_S3": endpoint}
    code = PUSH.format(environ=environ, model=str(model), uri=place.uri, pusher=pusher)
    process = PROCESSES.Process(target=exec, args=(code, {}))
    process.start()
    return process


@stores(*EITHER_KIND)
def test_killed_at_every_request(
    place: Place, proxy: faults.Proxy, model: Path, other_model: Path
) -> None:
    """The store did what was asked, and the process ended before it knew. Then a retry."""
    for step in itertools.count():
        here = dataclasses.replace(place, uri=f"{place.uri}/{step}")
        publish.publish(other_model, here.uri, OTHER)
        pid: queue.Queue[int] = queue.Queue()
        at = len(proxy.requests) + step
        fault = faults.LoseAnswer(lambda pid=pid: os.kill(pid.get(), signal.SIGKILL))
        proxy.choose = lambda request, at=at, fault=fault: fault if request.number == at else None
        process = start(model, here, ME, proxy.endpoint)
        pid.put(process.pid or 0)
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        shown = contents(here).values()
        assert all(files in (files_of(model), files_of(other_model)) for files in shown)

        version = publish.publish(model, here.uri, ME).rpartition("/")[2]

        found = contents(here)
        assert len(found) == 2
        assert found[version] == files_of(model)
        assert record_of(here, version).state == "pushed"
    assert step > 8


@stores(*REMOTE)
def test_two_at_once(place: Place, tmp_path: Path) -> None:
    """Each version is one of the models, whole, and each model is there once."""
    models = [make_model(tmp_path / f"model{n}", f"content {n}", 10_000) for n in range(2)]

    processes = [start(model, place, f"{ME}/{n}") for n, model in enumerate(models)]
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0]
    assert sorted(map(str, contents(place).values())) == sorted(
        str(dict(sorted(files_of(model).items()))) for model in models
    )


@stores(*EITHER_KIND)
def test_two_at_once_of_which_one_is_killed(
    place: Place, proxy: faults.Proxy, tmp_path: Path
) -> None:
    models = [make_model(tmp_path / f"model{n}", f"content {n}", 1 << 20) for n in range(2)]
    uploading = threading.Event()

    def choose(request: faults.Request) -> faults.Fault | None:
        if request.size > 1 << 20:
            uploading.set()
        return None

    proxy.choose = choose
    killed = start(models[0], place, f"{ME}/0", proxy.endpoint)
    other = start(models[1], place, f"{ME}/1")
    assert uploading.wait(60)
    killed.kill()
    killed.join()
    other.join()
    assert other.exitcode == 0
    for files in contents(place).values():
        assert files in [files_of(model) for model in models]

    publish.publish(models[0], place.uri, f"{ME}/0")

    found = contents(place).values()
    assert all(files_of(model) in found for model in models)
    assert len(found) == 2
