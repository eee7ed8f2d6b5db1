"""Datasets in real stores whose pushes and prunes are interrupted, or meet."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kubeflow import datasets, storage
from modules import mnist
from modules.task import Feature, Regression, Task
from pipelines.data import dataset
from pipelines.data.dataset import Dataset
from pipelines.errors import DataError, StorageError
from tests.kubeflow.storage import faults
from tests.kubeflow.storage.places import ALL, REMOTE, Place, stores
from tests.unit import dataset_files

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def old(tmp_path: Path) -> Dataset:
    return dataset_files.write(tmp_path / "old", {"train": os.urandom(1000), "eval": b"eval"})


@pytest.fixture
def new(tmp_path: Path) -> Dataset:
    return dataset_files.write(tmp_path / "new", {"train": os.urandom(2000), "eval": b"more"})


def check_is(place: Place, expected: Dataset) -> None:
    """The pointer names this dataset, and it is whole."""
    found = datasets.resolve_and_verify(place.uri, place.options)
    assert found.manifest == expected.manifest
    assert found.uri == f"{place.uri}/datasets/{expected.manifest.name}"


@stores(*REMOTE)
@pytest.mark.parametrize(
    "file", ["eval/data.tfrecord.gz", "train/data.tfrecord.gz", "manifest.json", "dataset.json"]
)
def test_a_push_that_fails_at_any_object_leaves_the_old_dataset(
    place: Place, proxy: faults.Proxy, old: Dataset, new: Dataset, file: str
) -> None:
    datasets.push(old, place.uri, place.options)
    refused: list[str] = []

    def choose(request: faults.Request) -> faults.Fault | None:
        if request.method not in {"PUT", "POST"} or not written(request).endswith(file):
            return None
        refused.append(written(request))
        return faults.Status(403)

    proxy.choose = choose
    with pytest.raises(StorageError):
        datasets.push(new, place.uri, place.through(proxy, retry_seconds=0))
    assert len(refused) == 1
    check_is(place, old)
    if place.kind == "rclone":
        time.sleep(1.1)  # it lists from its cache
    datasets.push(new, place.uri, place.options)
    check_is(place, new)


def written(request: faults.Request) -> str:
    """The key that a request writes; Google's is in the content."""
    named = re.search(rb'"name": *"([^"]*/[^"]+)"', request.content)
    return named[1].decode() if named else request.path.split("?")[0]


@stores(*ALL)
def test_shards_and_the_task_travel(place: Place, tmp_path: Path) -> None:
    task = Task("prices", (Feature("area"), Feature("rooms")), "price", Regression("EUR"))
    content = {"train": [os.urandom(1000) for _ in range(12)], "eval": b"eval"}
    made = dataset_files.write(tmp_path / "shards", content, task=task)
    assert datasets.push(made, place.uri, place.options) > 12_000
    check_is(place, made)
    assert datasets.resolve(place.uri, place.options).manifest.task == task
    lost = made.manifest.split_files("train")[3]
    file = f"{place.uri}/datasets/{made.manifest.name}/{lost}"
    storage.write_bytes(file, b"short", place.options)
    with pytest.raises(DataError, match=f"{lost} has 5 bytes"):
        datasets.resolve_and_verify(place.uri, place.options)
    assert datasets.push(made, place.uri, place.options) >= 1000
    check_is(place, made)


@stores("local", "rclone")
def test_a_dataset_of_the_release_before_tasks_is_pushed_as_it_is(
    place: Place, tmp_path: Path
) -> None:
    directory = dataset_files.write_format_2(tmp_path)
    datasets.push(dataset.load(tmp_path), place.uri, place.options)
    found = datasets.resolve_and_verify(place.uri, place.options)
    assert found.manifest.task == mnist.TASK
    assert (
        storage.read_bytes(f"{found.uri}/manifest.json", place.options)
        == (directory / "manifest.json").read_bytes()
    )


@stores("rclone")
@pytest.mark.parametrize("write", range(4))
def test_a_push_that_is_killed_at_any_object_leaves_the_old_dataset(
    place: Place, proxy: faults.Proxy, old: Dataset, new: Dataset, write: int
) -> None:
    """Killed while a request is under way, whose object may or may not be there then."""
    datasets.push(old, place.uri, place.options)
    reached: list[faults.Request] = []

    def choose(request: faults.Request) -> faults.Fault | None:
        if request.method == "PUT":
            reached.append(request)
            if len(reached) > write:
                process.kill()
        return None

    proxy.choose = choose
    code = (
        "import sys; from pathlib import Path; from kubeflow import datasets; "
        "from pipelines.data import dataset; "
        "datasets.push(dataset.load(Path(sys.argv[1])), sys.argv[2])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(new.directory.parents[1]), place.uri],
        cwd=ROOT,
        env={**os.environ, **place.environment, "AWS_ENDPOINT_URL_S3": proxy.endpoint},
    )
    assert process.wait(60) == -signal.SIGKILL
    proxy.choose = lambda request: None
    if write < 3 or datasets.resolve(place.uri, place.options).manifest == old.manifest:
        check_is(place, old)
    else:
        check_is(place, new)
    time.sleep(1.1)  # rclone lists from its cache
    datasets.push(new, place.uri, place.options)
    check_is(place, new)


@stores(*ALL)
def test_a_finished_dataset_is_not_touched_by_a_push(
    place: Place, old: Dataset, new: Dataset
) -> None:
    """Whatever is the source's name, and whatever lies beside."""
    datasets.push(old, place.uri, place.options)
    datasets.push(new, place.uri, place.options)
    beside = f"{place.uri}/datasets/{old.manifest.name}/train/notes.txt"
    storage.write_bytes(beside, b"mine", place.options)
    before = {o.name: (o.checksum, o.modified) for o in objects(place)}
    renamed = old.manifest.model_copy(update={"source": "/another/name"})
    (old.directory / "manifest.json").write_text(renamed.to_json())

    assert datasets.push(Dataset(old.directory, renamed), place.uri, place.options) == 0

    after = {o.name: (o.checksum, o.modified) for o in objects(place)}
    changed = {name for name in before if before[name] != after[name]}
    assert (set(after), changed) == (set(before), {"dataset.json"})
    check_is(place, old)


def objects(place: Place) -> list[storage.Object]:
    return storage.list_objects(place.uri, place.options)


@stores(*ALL)
def test_a_dataset_with_a_wrong_size_is_found_and_mended(place: Place, old: Dataset) -> None:
    datasets.push(old, place.uri, place.options)
    file = f"{place.uri}/datasets/{old.manifest.name}/train/data.tfrecord.gz"
    storage.write_bytes(file, b"short", place.options)
    with pytest.raises(DataError) as caught:
        datasets.resolve_and_verify(place.uri, place.options)
    assert str(caught.value) == f"{file} has 5 bytes, and manifest.json says 1,000"
    datasets.push(old, place.uri, place.options)
    check_is(place, old)


@stores(*ALL)
def test_changed_content_of_the_same_size_is_found_and_mended(place: Place, old: Dataset) -> None:
    """A reader of S3's listing alone does not see it: an ETag is not in the manifest."""
    datasets.push(old, place.uri, place.options)
    file = f"{place.uri}/datasets/{old.manifest.name}/eval/data.tfrecord.gz"
    storage.write_bytes(file, b"EVAL", place.options)
    if place.kind in {"local", "gcs"}:
        with pytest.raises(DataError) as caught:
            datasets.resolve_and_verify(place.uri, place.options)
        assert str(caught.value) == f"{file} has another content than manifest.json says"
    datasets.push(old, place.uri, place.options)
    assert storage.read_bytes(file, place.options) == b"eval"
    check_is(place, old)


@stores("rclone", "gcs")
def test_a_prune_that_fails_at_any_object_leaves_no_half_dataset(
    place: Place, proxy: faults.Proxy, old: Dataset, new: Dataset
) -> None:
    """The manifest goes first; what is left then is removed by a prune after an hour."""
    datasets.push(old, place.uri, place.options)
    datasets.push(new, place.uri, place.options)
    proxy.choose = lambda request: faults.Status(403) if request.method == "DELETE" else None
    with pytest.raises(StorageError):
        datasets.prune(place.uri, 1, place.through(proxy, retry_seconds=0))
    check_is(place, new)
    with pytest.raises(DataError, match="there is no dataset at"):
        datasets.resolve(f"{place.uri}/datasets/{old.manifest.name}", place.options)
    time.sleep(1.1)  # rclone lists from its cache
    half = next(e for e in datasets.list_entries(place.uri, place.options) if not e.is_current)
    assert (half.name, half.manifest, half.problem) == (old.manifest.name, None, "unfinished")
    datasets.push(old, place.uri, place.options)
    check_is(place, old)


def test_what_an_ended_push_left_goes_after_an_hour(
    tmp_path: Path, old: Dataset, new: Dataset
) -> None:
    root = tmp_path / "store"
    datasets.push(old, str(root))
    for name, age in (("a" * 16, 3700), ("b" * 16, 60)):
        file = root / "datasets" / name / "train" / "data.tfrecord.gz"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"half")
        os.utime(file, (time.time() - age,) * 2)
    assert [entry.name for entry in datasets.prune(str(root), 2)] == ["a" * 16]
    assert sorted(os.listdir(root / "datasets")) == sorted(["b" * 16, old.manifest.name])


@stores("rclone", "gcs")
def test_a_prune_that_meets_a_push_of_the_same_dataset_gives_way(
    place: Place, proxy: faults.Proxy, old: Dataset, new: Dataset
) -> None:
    """The push finds the old dataset finished, sends nothing and moves the pointer; the prune has
    just decided to remove it."""
    datasets.push(old, place.uri, place.options)
    datasets.push(new, place.uri, place.options)
    done = []

    def choose(request: faults.Request) -> None:
        if request.method in {"PUT", "POST"} and not done:
            done.append(datasets.push(old, place.uri, place.options))

    proxy.choose = choose
    assert datasets.prune(place.uri, 1, place.through(proxy)) == []
    assert done == [0]
    check_is(place, old)


@stores("rclone", "gcs")
def test_a_push_that_meets_a_prune_sends_the_dataset_again(
    place: Place, proxy: faults.Proxy, old: Dataset, new: Dataset
) -> None:
    """The other way round: the push is about to move the pointer."""
    datasets.push(old, place.uri, place.options)
    datasets.push(new, place.uri, place.options)
    done = []

    def choose(request: faults.Request) -> None:
        if request.method in {"PUT", "POST"} and not done:
            done.append([e.name for e in datasets.prune(place.uri, 1, place.options)])
            time.sleep(1.1)  # rclone lists from its cache

    proxy.choose = choose
    assert datasets.push(old, place.uri, place.through(proxy)) > 1000
    assert done == [[old.manifest.name]]
    check_is(place, old)


@stores(*ALL)
def test_two_pushes_at_once(place: Place, old: Dataset, new: Dataset) -> None:
    """Each of several processes; whichever ends last, the pointer names a whole dataset."""
    script = Path(sys.executable).with_name("tfx-mobile")
    processes = [
        subprocess.Popen(
            [script, "data", "push", source.directory.parents[1], place.uri],
            env={**os.environ, **place.environment},
            stdout=subprocess.DEVNULL,
        )
        for source in (old, new, old, new)
    ]
    assert [process.wait(120) for process in processes] == [0, 0, 0, 0]
    found = datasets.resolve_and_verify(place.uri, place.options)
    assert found.manifest in (old.manifest, new.manifest)
    names = {entry.name for entry in datasets.list_entries(place.uri, place.options)}
    assert names == {old.manifest.name, new.manifest.name}
