"""What happens when the network or the store fails, with a real proxy that makes it fail."""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import boto3
import pytest

from kubeflow import storage
from pipelines.errors import StorageError
from tests.kubeflow.storage import faults, servers
from tests.kubeflow.storage.places import BUCKET, REMOTE, S3, Place, stores

ROOT = Path(__file__).resolve().parents[3]
MEBIBYTE = 1 << 20


def only(method: str, fault: faults.Fault, times: int) -> faults.Choose:
    """A fault for the first so many requests of a kind that have or get content of some size."""
    left = [times]

    def choose(request: faults.Request) -> faults.Fault | None:
        is_list = "prefix=" in request.path
        if request.method in method.split() and not is_list and left[0]:
            left[0] -= 1
            return fault
        return None

    return choose


def sentence(caught: pytest.ExceptionInfo[StorageError], *words: str) -> None:
    """The message is one line with these words, and holds no secret."""
    text = str(caught.value)
    assert "\n" not in text
    assert servers.SECRET_KEY not in text
    for word in words:
        assert word in text


@stores(*REMOTE)
def test_an_overloaded_store_is_asked_again(place: Place, proxy: faults.Proxy) -> None:
    options = place.through(proxy, retry_seconds=10)
    for work in (
        lambda: storage.write_bytes(f"{place.uri}/x", b"content", options),
        lambda: storage.list_objects(place.uri, options),
        lambda: storage.read_bytes(f"{place.uri}/x", options),
    ):
        first = len(proxy.requests)
        proxy.choose = lambda request, first=first: (
            faults.Status(503 if request.number % 2 else 429)
            if request.number < first + 2
            else None
        )
        work()
        assert len(proxy.requests) > first + 2
    assert storage.read_bytes(f"{place.uri}/x", place.options) == b"content"


@stores(*REMOTE)
def test_a_store_that_stays_overloaded_is_given_up(place: Place, proxy: faults.Proxy) -> None:
    proxy.choose = lambda request: faults.Status(503)
    start = time.monotonic()
    with pytest.raises(StorageError) as caught:
        storage.list_objects(place.uri, place.through(proxy, retry_seconds=2))
    assert time.monotonic() - start < 20
    assert len(proxy.requests) > 1
    assert caught.value.exit_code == 1
    sentence(caught, proxy.endpoint, "503", "try again later")


@stores(*REMOTE)
def test_a_store_that_is_not_there(place: Place) -> None:
    address = f"http://127.0.0.1:{servers.free_port()}"
    options = dataclasses.replace(
        place.options, endpoint=address, gcs_endpoint=address, retry_seconds=1
    )
    start = time.monotonic()
    with pytest.raises(StorageError) as caught:
        storage.list_objects(place.uri, options)
    assert time.monotonic() - start < 20
    assert caught.value.exit_code == 1
    sentence(caught, address, place.uri.split("/")[2], "cannot be reached")


@stores(*REMOTE)
def test_a_store_that_takes_connections_and_says_nothing(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=32) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        options = dataclasses.replace(
            place.options,
            endpoint=address,
            gcs_endpoint=address,
            retry_seconds=1,
            timeout_seconds=0.5,
        )
        start = time.monotonic()
        with pytest.raises(StorageError, match="cannot be reached") as caught:
            storage.list_objects(place.uri, options)
    assert 0.5 < time.monotonic() - start < 20
    assert caught.value.exit_code == 1


@stores(*REMOTE)
def test_an_upload_that_is_reset_goes_on(place: Place, proxy: faults.Proxy, tmp_path: Path) -> None:
    data = os.urandom(9 * MEBIBYTE)
    (tmp_path / "big").write_bytes(data)
    proxy.choose = only("PUT", faults.CutRequest(), 2)
    storage.upload(tmp_path, place.uri, place.through(proxy, retry_seconds=10))
    assert storage.read_bytes(f"{place.uri}/big", place.options) == data


@stores(*REMOTE)
def test_a_download_that_is_reset_goes_on(
    place: Place, proxy: faults.Proxy, tmp_path: Path
) -> None:
    data = os.urandom(9 * MEBIBYTE)
    storage.write_bytes(f"{place.uri}/big", data, place.options)
    proxy.choose = only("GET", faults.CutResponse(MEBIBYTE), 2)
    storage.download(place.uri, tmp_path, place.through(proxy, retry_seconds=10))
    assert (tmp_path / "big").read_bytes() == data
    assert os.listdir(tmp_path) == ["big"]


@stores(*REMOTE)
def test_a_download_that_never_ends_well_leaves_nothing(
    place: Place, proxy: faults.Proxy, tmp_path: Path
) -> None:
    storage.write_bytes(f"{place.uri}/big", os.urandom(MEBIBYTE), place.options)
    (tmp_path / "big").write_bytes(b"what was there")
    proxy.choose = only("GET", faults.CutResponse(MEBIBYTE // 2), -1)
    with pytest.raises(StorageError) as caught:
        storage.download(place.uri, tmp_path, place.through(proxy, retry_seconds=1))
    sentence(caught, f"{place.uri}/big", proxy.endpoint)
    assert os.listdir(tmp_path) == ["big"]
    assert (tmp_path / "big").read_bytes() == b"what was there"


@stores(*REMOTE)
def test_a_damaged_download_is_noticed(place: Place, proxy: faults.Proxy, tmp_path: Path) -> None:
    storage.write_bytes(f"{place.uri}/x", b"content" * 100, place.options)
    proxy.choose = only("GET", faults.FlipResponse(), -1)
    with pytest.raises(StorageError, match=r"another content|damaged") as caught:
        storage.download(place.uri, tmp_path, place.through(proxy))
    assert caught.value.exit_code == 1
    sentence(caught, f"{place.uri}/x", "try again")
    assert os.listdir(tmp_path) == []


@stores(*REMOTE)
@pytest.mark.parametrize("size", [1000, 9 * MEBIBYTE])
def test_a_damaged_upload_is_noticed(
    place: Place, proxy: faults.Proxy, tmp_path: Path, size: int
) -> None:
    # Within the content: the end of Google's single request is the boundary of its parts.
    if place.kind == "gcs" and size == 1000:
        pytest.skip("the last byte is not of the content")
    (tmp_path / "x").write_bytes(os.urandom(size))
    proxy.choose = only("PUT", faults.FlipRequest(), -1)
    with pytest.raises(StorageError, match=r"another content|damaged") as caught:
        storage.upload(tmp_path, place.uri, place.through(proxy, retry_seconds=1))
    sentence(caught, f"{place.uri}/x", "try again")
    assert storage.list_objects(place.uri, place.options) == []


@stores(*S3)
def test_a_failed_upload_leaves_no_parts(place: Place, proxy: faults.Proxy, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(17 * MEBIBYTE))
    proxy.choose = lambda request: faults.Status(503) if "partNumber=2" in request.path else None
    with pytest.raises(StorageError):
        storage.upload(tmp_path, place.uri, place.through(proxy, retry_seconds=1))
    assert any("partNumber=1" in request.path for request in proxy.requests)
    assert unfinished(place) == []
    assert storage.list_objects(place.uri, place.options) == []


def refused_while_another_hangs(end: threading.Event) -> faults.Choose:
    """The PUT of `refused` fails while that of `hangs` is in flight until the event."""
    in_flight = threading.Event()

    def choose(request: faults.Request) -> faults.Fault | None:
        if request.method == "PUT" and "/hangs" in request.path:
            in_flight.set()
            return faults.Hang(end)
        if request.method == "PUT" and "/refused" in request.path:
            return faults.Status(403, after=in_flight, error="AccessDenied: no")
        return None

    return choose


@stores(*S3)
@pytest.mark.parametrize("size", [1000, 9 * MEBIBYTE])
def test_a_refused_file_while_another_is_in_flight(
    place: Place, proxy: faults.Proxy, tmp_path: Path, size: int
) -> None:
    (tmp_path / "hangs").write_bytes(os.urandom(size))
    (tmp_path / "refused").write_bytes(os.urandom(size))
    end = threading.Event()
    proxy.choose = refused_while_another_hangs(end)
    options = dataclasses.replace(place.through(proxy, retry_seconds=60), timeout_seconds=1)
    try:
        with pytest.raises(StorageError) as caught:
            storage.upload(tmp_path, place.uri, options)
    finally:
        end.set()
    sentence(caught, f"access to {place.uri}/refused", "is denied")
    # The cancelled request was not sent again after its time-out.
    hung = [r.path for r in proxy.requests if r.method == "PUT" and "/hangs" in r.path]
    assert len(hung) == len(set(hung))


UPLOAD = (
    "import sys; from pathlib import Path; from kubeflow import storage; "
    "storage.upload(Path(sys.argv[1]), sys.argv[2])"
)


@stores(*REMOTE)
def test_ctrl_c_in_an_upload(place: Place, proxy: faults.Proxy, tmp_path: Path) -> None:
    """The process ends as by Ctrl-C, without a word of the libraries'."""
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(os.urandom(1000))
    in_flight, end = threading.Event(), threading.Event()

    def choose(request: faults.Request) -> faults.Fault | None:
        if request.method == "PUT" or "uploadType=" in request.path:
            in_flight.set()
            return faults.Hang(end)
        return None

    proxy.choose = choose
    field = "STORAGE_EMULATOR_HOST" if place.kind == "gcs" else "AWS_ENDPOINT_URL_S3"
    process = subprocess.Popen(
        [sys.executable, "-c", UPLOAD, str(tmp_path), place.uri],
        cwd=ROOT,
        env={**os.environ, **place.environment, field: proxy.endpoint},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert in_flight.wait(60)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)  # the cancel is under way when the store's end of the connection goes
        end.set()
        said = process.communicate(timeout=120)[1]
    finally:
        end.set()
        process.kill()
    assert process.returncode == -signal.SIGINT
    assert said.splitlines()[-1] == "KeyboardInterrupt"
    assert "TypeError" not in said
    assert storage.list_objects(place.uri, place.options) == []


def unfinished(place: Place) -> list[str]:
    """Ids of uploads whose parts are there and whose object is not."""
    client = boto3.client("s3", endpoint_url=place.endpoint, region_name="us-east-1")
    key = f"{place.uri.split('/')[-1]}/big"
    found = client.list_multipart_uploads(Bucket=BUCKET, Prefix=key)
    return [upload["UploadId"] for upload in found.get("Uploads", [])]


@stores(*REMOTE)
def test_killed_in_the_middle(place: Place, proxy: faults.Proxy, tmp_path: Path) -> None:
    """Another process sends a small and a large file, and is killed when parts have gone."""
    data = os.urandom(40 * MEBIBYTE)
    (tmp_path / "a-small").write_bytes(b"small")
    (tmp_path / "big").write_bytes(data)
    seen: list[int] = []

    def choose(request: faults.Request) -> faults.Fault | None:
        if request.method == "PUT" and request.size > 5 * MEBIBYTE:
            seen.append(request.number)
            if len(seen) > 2 or place.kind == "gcs":
                time.sleep(3)  # so that the last ones are under way when the process is killed
        return None

    proxy.choose = choose
    field = "STORAGE_EMULATOR_HOST" if place.kind == "gcs" else "AWS_ENDPOINT_URL_S3"
    process = subprocess.Popen(
        [sys.executable, "-c", UPLOAD, str(tmp_path), place.uri],
        cwd=ROOT,
        env={**os.environ, **place.environment, field: proxy.endpoint},
    )
    enough = 1 if place.kind == "gcs" else 3
    end = time.monotonic() + 60
    while len(seen) < enough and time.monotonic() < end and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(seen) >= enough
    assert [o.name for o in storage.list_objects(place.uri, place.options)] == ["a-small"]
    if place.kind != "gcs":
        assert len(unfinished(place)) == 1
    proxy.choose = lambda request: None
    assert storage.upload(tmp_path, place.uri, place.options) == len(data)
    assert storage.read_bytes(f"{place.uri}/big", place.options) == data
    if place.kind != "gcs":
        assert unfinished(place) == []
