"""`tfx-mobile data push` and `ls`, by the console script as a person starts it."""

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

from kubeflow import storage
from tests.kubeflow.storage import servers
from tests.kubeflow.storage.places import ALL, Place, stores

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
    for name, size in (("train", 1_300_000), ("eval", 300_000)):
        (directory / name).mkdir(parents=True)
        (directory / name / "data.tfrecord.gz").write_bytes(os.urandom(size))
    manifest = {
        "format": 1,
        "source": "digits",
        "requested": {"source": "digits", "eval_fraction": 0.2},
        "examples": {"train": {"count": 1438}, "eval": {"count": 359}},
        "fingerprint": "0123456789abcdef" * 4,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return directory


@stores(*ALL)
def test_push_and_ls(place: Place, dataset: Path, tmp_path: Path) -> None:
    manifest = json.loads((dataset / "manifest.json").read_text())
    sizes = {f.relative_to(dataset).as_posix(): f.stat().st_size for f in dataset.rglob("*.*")}
    facts = (
        "1,438 examples for training",
        "359 for evaluation",
        f"fingerprint {manifest['fingerprint'][:12]}",
    )
    for said in (f"{sum(sizes.values()):,} bytes sent", "unchanged, nothing sent"):
        done = tfx_mobile("data", "push", dataset, place.uri)
        assert (done.returncode, done.stderr) == (0, "")
        (line,) = done.stdout.splitlines()
        assert line.startswith(f"{place.uri}: {said}; ")
        assert all(fact in line for fact in facts)
    done = tfx_mobile("data", "ls", place.uri)
    assert (done.returncode, done.stderr) == (0, "")
    for name, size in sizes.items():
        assert re.search(rf"^{re.escape(name)} +{size:,} +20\d\d-", done.stdout, re.MULTILINE)
    assert all(fact in done.stdout for fact in facts)
    storage.download(place.uri, tmp_path / "back", place.options)
    for name in sizes:
        assert (tmp_path / "back" / name).read_bytes() == (dataset / name).read_bytes()


@stores("rclone", "gcs")
def test_flags_win_over_the_environment(place: Place, dataset: Path) -> None:
    nowhere = f"http://127.0.0.1:{servers.free_port()}"
    wrong = {"AWS_ENDPOINT_URL_S3": nowhere, "STORAGE_EMULATOR_HOST": nowhere}
    assert nowhere in one_line(tfx_mobile("data", "push", dataset, place.uri, **wrong), 1)
    flags = ["--endpoint", place.endpoint, "--region", "us-east-1"]
    done = tfx_mobile("data", "push", dataset, place.uri, *flags, **wrong)
    assert (done.returncode, done.stderr) == (0, "")
    done = tfx_mobile("data", "ls", place.uri, *flags, **wrong)
    assert "manifest.json" in done.stdout


@stores("rclone")
def test_what_holds_no_dataset_is_not_pushed(place: Place, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    shutil.copy(dataset / "manifest.json", tmp_path / "half")
    for name in ("missing", "half", "other"):
        done = tfx_mobile("data", "push", tmp_path / name, place.uri)
        assert f"{tmp_path / name} holds no dataset" in one_line(done, 2)
    assert storage.list_objects(place.uri, place.options) == []


@stores(*ALL)
def test_nothing_to_list(place: Place) -> None:
    assert f"there is nothing at {place.uri}" in one_line(tfx_mobile("data", "ls", place.uri), 2)


@stores("rclone")
def test_files_that_are_no_dataset_are_listed(place: Place) -> None:
    storage.write_bytes(f"{place.uri}/[x]/file", b"x", place.options)
    storage.write_bytes(f"{place.uri}/manifest.json", b"not JSON", place.options)
    done = tfx_mobile("data", "ls", place.uri)
    assert (done.returncode, done.stderr) == (0, "")
    assert "[x]/file" in done.stdout
    assert "fingerprint" not in done.stdout


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


@pytest.mark.parametrize("command", ["", "push", "ls"])
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
    "arguments", [[], ["push"], ["push", "x"], ["ls"], ["pull"], ["push", "x", "s3://b", "--no"]]
)
def test_wrong_usage(arguments: list[str]) -> None:
    done = tfx_mobile("data", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: tfx-mobile data")
    if not arguments:
        assert "Missing option '--output'" in done.stderr
