"""`tfx-mobile data push`, `ls` and `prune`, by the console script as a user starts it."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kubeflow import datasets, storage
from tests.kubeflow.storage import servers
from tests.kubeflow.storage.places import ALL, Place, stores
from tests.unit import dataset_files

SCRIPT = Path(sys.executable).with_name("tfx-mobile")
HEAVY = {
    "boto3",
    "botocore",
    "google.cloud.storage",
    "google.auth",
    "numpy",
    "requests",
    "tensorflow",
}


def tfx_mobile(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "COLUMNS": "200",
            "TFX_MOBILE_STORAGE_RETRY_SECONDS": "1",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=120,
    )


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("tfx-mobile: ")
    assert servers.SECRET_KEY not in done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest and two files; what is in them is nothing to the commands."""
    directory = tmp_path_factory.mktemp("data") / "digits"
    content = {"train": os.urandom(1_300_000), "eval": os.urandom(300_000)}
    dataset_files.write(directory, content)
    return directory


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another dataset, of a source with a long name."""
    content = {"train": os.urandom(1000), "eval": os.urandom(100)}
    dataset_files.write(tmp_path / "other", content, (800, 200), f"/data/{'long' * 30}/images")
    return tmp_path / "other"


def name_of(directory: Path) -> str:
    return str(json.loads((directory / "dataset.json").read_text())["name"])


def size_of(directory: Path) -> int:
    files = (directory / "datasets" / name_of(directory)).rglob("*.*")
    return sum(file.stat().st_size for file in files)


def succeed(*arguments: object) -> str:
    done = tfx_mobile(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@stores(*ALL)
def test_push_and_ls(place: Place, dataset: Path, other: Path) -> None:
    one, two = name_of(dataset), name_of(other)
    facts = "1,438 examples for training, 359 for evaluation, fingerprint "
    for said in (f"{size_of(dataset):,} bytes sent", "unchanged, nothing sent"):
        line, data_uri = succeed("data", "push", dataset, place.uri).splitlines()
        assert line.startswith(f"{place.uri}: dataset {one}; {said}; {facts}")
        assert data_uri == f"data_uri of runs on Kubeflow Pipelines: {place.uri}"
    wait_for_another_second(place)
    succeed("data", "push", other, place.uri)

    head, *rows = succeed("data", "ls", place.uri).splitlines()

    assert head.split() == ["name", "current", "pushed", "source", "task", "train", "eval", "bytes"]
    when = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d"
    source = f"/data/{'long' * 30}/images"
    assert len(rows) == 2
    assert re.fullmatch(
        rf"{two} +current +{when} +{source} +mnist +800 +200 +{size_of(other):,} *", rows[0]
    )
    assert re.fullmatch(
        rf"{one} +{when} +digits +mnist +1,438 +359 +{size_of(dataset):,} *", rows[1]
    )

    succeed("data", "push", dataset, place.uri)
    rows = succeed("data", "ls", place.uri).splitlines()[1:]
    assert [row.split()[:2] for row in rows][1] == [one, "current"], "an earlier one again"


def wait_for_another_second(place: Place) -> None:
    """Stores tell times in seconds, and rclone's lists from its cache."""
    time.sleep(0 if place.kind == "local" else 1.1)


@stores(*ALL)
def test_what_was_pushed_is_a_dataset_and_files_beside_it_stay(
    place: Place, dataset: Path, other: Path, tmp_path: Path
) -> None:
    beside = {"mine.txt": b"mine", "train/data.tfrecord.gz": b"of an earlier release"}
    for name, data in beside.items():
        storage.write_bytes(f"{place.uri}/{name}", data, place.options)
    for directory in (dataset, other, dataset):
        succeed("data", "push", directory, place.uri)
    assert succeed("data", "prune", place.uri, "--keep", "1").startswith(
        f"{place.uri}: removed {name_of(other)} ({size_of(other):,} bytes)"
    )

    storage.download(place.uri, tmp_path / "back", place.options)

    back = tmp_path / "back"
    for name, data in beside.items():
        assert (back / name).read_bytes() == data
        (back / name).unlink()
    names = sorted(f.relative_to(back).as_posix() for f in back.rglob("*") if f.is_file())
    one = f"datasets/{name_of(dataset)}"
    assert names == [
        "dataset.json",
        *(
            f"{one}/{n}"
            for n in ("eval/data.tfrecord.gz", "manifest.json", "train/data.tfrecord.gz")
        ),
    ]
    for name in names[1:]:
        assert (back / name).read_bytes() == (dataset / name).read_bytes()
    pointer = json.loads((back / "dataset.json").read_text())
    assert pointer == {"format": 1, "name": name_of(dataset), "requested": None}


@stores(*ALL)
def test_prune(place: Place, tmp_path: Path) -> None:
    names = []
    for i in range(4):
        directory = tmp_path / str(i)
        dataset_files.write(directory, {"train": bytes([i]), "eval": b""})
        names.append(name_of(directory))
        succeed("data", "push", directory, place.uri)
        wait_for_another_second(place)
    succeed("data", "push", tmp_path / "1", place.uri)

    assert succeed("data", "prune", place.uri, "--keep", "4") == f"{place.uri}: nothing to remove\n"
    removed = succeed("data", "prune", place.uri).splitlines()

    assert [line.split(": ")[1].split()[1] for line in removed] == [names[2], names[0]]
    left = storage.list_objects(place.uri, place.options)
    assert {o.name.split("/")[1] for o in left if "/" in o.name} == {names[1], names[3]}
    assert datasets.resolve(place.uri, place.options).manifest.name == names[1]
    wrong = tfx_mobile("data", "prune", place.uri, "--keep", "0")
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_prune_of_a_directory_of_this_machine(tmp_path: Path) -> None:
    for content in (b"1", b"2"):
        dataset_files.write(tmp_path / "set", {"train": content, "eval": b""})
    (tmp_path / "set" / ".hidden").write_text("mine")
    succeed("data", "prune", tmp_path / "set", "--keep", "1")
    assert sorted(os.listdir(tmp_path / "set")) == [".hidden", "dataset.json", "datasets"]
    assert os.listdir(tmp_path / "set" / "datasets") == [name_of(tmp_path / "set")]


@stores("rclone")
def test_a_pointer_that_is_damaged(place: Place, dataset: Path) -> None:
    """It is made again by a push, but only where datasets show whose it is."""
    storage.write_bytes(f"{place.uri}/dataset.json", b"not JSON", place.options)
    line = one_line(tfx_mobile("data", "push", dataset, place.uri), 2)
    assert f"{place.uri}/dataset.json is damaged" in line
    assert "no datasets are beside it: choose another place" in line
    assert storage.read_bytes(f"{place.uri}/dataset.json", place.options) == b"not JSON"

    storage.delete(place.uri, place.options)
    succeed("data", "push", dataset, place.uri)
    storage.write_bytes(f"{place.uri}/dataset.json", b'{"format": 9}', place.options)
    for command in ("ls", "prune"):
        line = one_line(tfx_mobile("data", command, place.uri), 2)
        assert "has the format 9, and this release reads 1: push or write the dataset again" in line
    succeed("data", "push", dataset, place.uri)
    assert "current" in succeed("data", "ls", place.uri)


@stores("rclone")
def test_a_manifest_that_is_damaged_is_listed_and_sent_again(place: Place, dataset: Path) -> None:
    succeed("data", "push", dataset, place.uri)
    manifest = f"{place.uri}/datasets/{name_of(dataset)}/manifest.json"
    storage.write_bytes(manifest, b"[]", place.options)
    assert "manifest.json is damaged" in succeed("data", "ls", place.uri)
    assert "bytes sent" in succeed("data", "push", dataset, place.uri)
    assert "digits" in succeed("data", "ls", place.uri)


def test_what_was_damaged_here_is_not_pushed(tmp_path: Path) -> None:
    written = dataset_files.write(tmp_path / "set")
    (written.directory / "train" / "data.tfrecord.gz").write_bytes(b"TRAIN")
    line = one_line(tfx_mobile("data", "push", tmp_path / "set", tmp_path / "store"), 2)
    assert "train/data.tfrecord.gz has another content than manifest.json says" in line
    assert not (tmp_path / "store").exists()


def test_a_dataset_is_not_pushed_into_a_dataset(tmp_path: Path) -> None:
    written = dataset_files.write(tmp_path / "set")
    line = one_line(tfx_mobile("data", "push", tmp_path / "set", written.directory), 2)
    assert "give the place above datasets/" in line


@stores("rclone")
def test_one_of_several_datasets_is_pushed_by_its_directory(place: Place, tmp_path: Path) -> None:
    first = dataset_files.write(tmp_path / "set")
    dataset_files.write(tmp_path / "set", {"train": b"newer", "eval": b""})
    succeed("data", "push", first.directory, place.uri)
    assert datasets.resolve(place.uri, place.options).manifest == first.manifest


@stores("rclone", "gcs")
def test_flags_win_over_the_environment(place: Place, dataset: Path) -> None:
    nowhere = f"http://127.0.0.1:{servers.free_port()}"
    wrong = {"AWS_ENDPOINT_URL_S3": nowhere, "STORAGE_EMULATOR_HOST": nowhere}
    assert nowhere in one_line(tfx_mobile("data", "push", dataset, place.uri, **wrong), 1)
    flags = ["--endpoint", place.endpoint, "--region", "us-east-1"]
    done = tfx_mobile("data", "push", dataset, place.uri, *flags, **wrong)
    assert (done.returncode, done.stderr) == (0, "")
    done = tfx_mobile("data", "ls", place.uri, *flags, **wrong)
    assert name_of(dataset) in done.stdout


@stores("rclone")
def test_what_holds_no_dataset_is_not_pushed(place: Place, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "manifest.json").write_text('{"format": 1}')
    shutil.copy(dataset / "dataset.json", tmp_path / "half")
    for name, reason in (
        ("missing", f"there is no dataset at {tmp_path / 'missing'}"),
        ("other", f"there is no dataset at {tmp_path / 'other'}"),
        ("half", f"{tmp_path / 'half'}/dataset.json names a dataset that is not there"),
        ("flat", f"{tmp_path / 'flat'}/manifest.json has the format 1, and this release reads 3"),
    ):
        line = one_line(tfx_mobile("data", "push", tmp_path / name, place.uri), 2)
        assert f"{reason}: write one with `tfx-mobile data --output`" in line
    assert storage.list_objects(place.uri, place.options) == []


@stores(*ALL)
def test_nothing_to_list(place: Place) -> None:
    assert f"there is nothing at {place.uri}" in one_line(tfx_mobile("data", "ls", place.uri), 2)


@stores("rclone")
def test_files_that_are_no_dataset_are_listed(place: Place) -> None:
    storage.write_bytes(f"{place.uri}/[x]/{'long' * 60}", b"x", place.options)
    storage.write_bytes(f"{place.uri}/manifest.json", b"not JSON", place.options)
    done = tfx_mobile("data", "ls", place.uri)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(rf"^\[x\]/{'long' * 60} +1 +20\d\d-", done.stdout, re.MULTILINE)
    assert "current" not in done.stdout


@stores("rclone")
def test_wrong_credentials(place: Place, dataset: Path) -> None:
    done = tfx_mobile("data", "push", dataset, place.uri, AWS_SECRET_ACCESS_KEY="zzz-wrong")
    line = one_line(done, 2)
    assert "does not take the credentials" in line
    assert "zzz-wrong" not in line


def test_a_ca_that_is_not_there(dataset: Path) -> None:
    done = tfx_mobile("data", "push", dataset, "s3://bucket/x", "--ca-file", "nothing.pem")
    assert "the CA's file nothing.pem cannot be read" in one_line(done, 2)


@stores("rclone")
def test_progress_on_a_terminal(place: Place, dataset: Path) -> None:
    shown = b""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "150", "TERM": "xterm"}
    with subprocess.Popen(
        [SCRIPT, "data", "push", dataset, place.uri],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    ) as process:
        os.close(theirs)
        try:
            while block := os.read(ours, 4096):
                shown += block
        except OSError:  # how a terminal says that the other end is closed
            pass
        finally:
            os.close(ours)
    assert process.returncode == 0
    for words in (b"train/data.tfrecord.gz", b"MB/s", b"1.3/1.3 MB", b"bytes sent"):
        assert words in shown


@pytest.mark.parametrize("command", ["", "push", "ls", "prune"])
def test_help_is_quick_and_loads_nothing_heavy(command: str) -> None:
    code = (
        "import sys; sys.argv = ['tfx-mobile', *sys.argv[1:]]\n"
        "from cli.main import main\n"
        "try:\n    main()\n"
        "finally:\n    print('loaded:', *sys.modules, file=sys.stderr)"
    )
    arguments = ["data", *command.split(), "--help"]
    seconds = []
    for _ in range(3):
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[3],
            check=True,
        )
        seconds.append(time.monotonic() - start)
    assert done.stdout.startswith(f"Usage: tfx-mobile data {command}".rstrip() + " ")
    assert HEAVY.isdisjoint(done.stderr.split("loaded: ")[1].split())
    assert min(seconds) < 2  # half a second on an idle machine


@pytest.mark.parametrize(
    "arguments",
    [[], ["push"], ["push", "x"], ["ls"], ["prune"], ["pull"], ["push", "x", "s3://b", "--no"]],
)
def test_wrong_usage(arguments: list[str]) -> None:
    done = tfx_mobile("data", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: tfx-mobile data")
    if not arguments:
        assert "Missing option '--output'" in done.stderr
