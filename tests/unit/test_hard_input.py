"""Input that once slipped through or ended in a traceback."""

import contextlib
import gzip
import io
import os
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules import mnist
from pipelines import settings
from pipelines.data import idx, prepare, records
from pipelines.errors import DataError, OutputError, SettingsError
from tests.unit import mnist_examples
from tests.unit.mnist_examples import Examples

DIGITS = settings.Data(source="digits")


@pytest.mark.parametrize(
    ("compression", "more"), [("", 1), ("", 11), ("GZIP", 0), ("GZIP", 1), ("GZIP", 11)]
)
def test_file_cut_within_the_head_of_a_record(
    tmp_path: Path, few: Examples, compression: str, more: int
) -> None:
    whole = tmp_path / "whole"
    mnist_examples.write(few, whole)
    plain = gzip.decompress(whole.read_bytes())
    first = 16 + struct.unpack("<Q", plain[:8])[0]
    cut = plain[: first + more]
    file = tmp_path / "data.tfrecord"
    if compression:
        squeeze = zlib.compressobj(wbits=31)
        # Everything is flushed, but the stream is not ended, as in a file half copied.
        file.write_bytes(squeeze.compress(cut) + squeeze.flush(zlib.Z_SYNC_FLUSH))
    else:
        file.write_bytes(cut)
    with pytest.raises(DataError, match="truncated"):
        list(records.Records("here", mnist.TASK, (file,)).labels)


def test_dataset_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError):
        prepare.prepare(DIGITS, settings.Task(), tmp_path / "file")


def test_dataset_into_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    prepare.prepare(DIGITS, settings.Task(), Path("."))
    assert (tmp_path / "here" / "dataset.json").is_file()


@pytest.mark.parametrize("text", ['"text"', "5", "null"])
def test_foreign_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(
        OutputError, match=r"holds manifest\.json, which is no dataset of tfx-mobile"
    ):
        prepare.prepare(DIGITS, settings.Task(), tmp_path)


def test_full_disk_while_a_dataset_is_written(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            prepare.prepare(DIGITS, settings.Task(), tmp_path / "dataset")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []


def test_records_that_cannot_be_read(tmp_path: Path) -> None:
    # Reading this gives an input/output error, for root too.
    (tmp_path / "data.tfrecord").symlink_to("/proc/self/mem")
    with pytest.raises(DataError, match=r"cannot (be )?read"):
        list(records.Records("here", mnist.TASK, (tmp_path / "data.tfrecord",)).labels)


@pytest.mark.parametrize("value", ["2020-13-45", "!!int foo"])
def test_yaml_that_no_value_can_be_made_of(tmp_path: Path, value: str) -> None:
    with pytest.raises(SettingsError, match="name"):
        settings.load(overrides=[f"name={value}"])
    (tmp_path / "settings.yaml").write_text(f"name: {value}")
    with pytest.raises(SettingsError, match=r"settings\.yaml, line 1: name: "):
        settings.load(tmp_path / "settings.yaml")


@pytest.mark.parametrize("name", ["[a]", "{a: 1}"])
def test_branch_whose_name_is_no_text(name: str) -> None:
    with pytest.raises(SettingsError, match=r"branches\.1\.name"):
        settings.load(overrides=[f"branches=[keras, {{name: {name}, kind: lite}}]"])


def test_fraction_that_is_no_number(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from cli.main import main; main()",
            *["data", "--source", "digits", "--eval-fraction", "nan"],
            *["--output", str(tmp_path / "set")],
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["steps", "eval_steps"])
def test_steps_that_tfx_cannot_hold(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"training\.{name}"):
        settings.load(overrides=[f"training.{name}=3000000000"])


@pytest.mark.parametrize("value", ["true", "on"])
def test_yes_is_no_number(value: str) -> None:
    with pytest.raises(SettingsError, match=r"training\.steps"):
        settings.load(overrides=[f"training.steps={value}"])


@pytest.mark.parametrize("text", ["[]", "false", "0"])
def test_file_without_a_mapping(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.yaml").write_text(text)
    with pytest.raises(SettingsError, match="must hold settings"):
        settings.load(tmp_path / "settings.yaml")


def test_override_of_a_part_that_the_file_leaves_empty(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("training:\n  # steps: 3\n")
    loaded = settings.load(tmp_path / "settings.yaml", ["training.steps=7"])
    assert loaded.training.steps == 7


@pytest.fixture
def dripping() -> Iterator[str]:
    """A server that sends a byte now and then, without end."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def send() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    while not stop.wait(0.02):
                        connection.sendall(b"x")

        threading.Thread(target=send, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        stop.set()


@pytest.mark.timeout(10)
def test_dripping_server_is_given_up_when_the_time_is_over(dripping: str) -> None:
    start = time.monotonic()
    with pytest.raises(DataError, match="cannot be downloaded"):
        idx.download((dripping,), {"train-images-idx3-ubyte": "0" * 64}, seconds=0.5)
    assert time.monotonic() - start < 5


def test_idx_file_that_is_longer_than_it_says_is_not_called_truncated() -> None:
    content = struct.pack(">BBBBI", 0, 0, 8, 1, 3) + b"\0" * 4
    with pytest.raises(DataError, match=r"^(?!.*truncated)"):
        idx.parse(io.BytesIO(content), 1, "here")
