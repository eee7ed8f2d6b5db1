"""What a caller may rely on, in every kind of store."""

import dataclasses
import hashlib
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import boto3
import pytest

from kubeflow import storage
from kubeflow.storage import Options, transfer, uris
from pipelines.errors import OutputError, StorageMissingError, StorageRefusedError
from tests.kubeflow.storage import faults, servers
from tests.kubeflow.storage.places import ALL, BUCKET, REMOTE, Place, stores
from tests.users import as_ordinary_user

CONTENT = {
    "manifest.json": b'{"format": 1}',
    "train/data.tfrecord.gz": bytes(range(256)) * 40,
    "eval/data.tfrecord.gz": b"eval",
    "empty": b"",
    "a b/ü+%?#&=.txt": b"an odd name",
}
MEBIBYTE = 1 << 20


def filled(directory: Path, content: dict[str, bytes] = CONTENT) -> Path:
    for name, data in content.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return directory


def held(directory: Path) -> dict[str, bytes]:
    return {
        file.relative_to(directory).as_posix(): file.read_bytes()
        for file in directory.rglob("*")
        if file.is_file()
    }


@stores(*ALL)
def test_there_and_back(place: Place, tmp_path: Path) -> None:
    sent: dict[str, int] = {}
    fetched: dict[str, int] = {}

    def count(into: dict[str, int]) -> storage.OnProgress:
        def on_progress(name: str, size: int) -> None:
            into[name] = into.get(name, 0) + size

        return on_progress

    total = sum(map(len, CONTENT.values()))
    source = filled(tmp_path / "source")
    assert storage.upload(source, place.uri, place.options, on_progress=count(sent)) == total
    target = tmp_path / "target"
    assert storage.download(place.uri, target, place.options, on_progress=count(fetched)) == total
    assert held(target) == CONTENT
    sizes = {name: len(data) for name, data in CONTENT.items() if data}
    assert sent == sizes
    assert fetched == sizes


@stores(*REMOTE)
def test_a_server_on_this_machine_is_reached_without_the_shells_proxy(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port, where nobody listens
    options = dataclasses.replace(place.options, retry_seconds=0)
    storage.write_bytes(f"{place.uri}/x", b"content", options)
    assert storage.read_bytes(f"{place.uri}/x", options) == b"content"


@stores(*ALL)
def test_linked_folders_are_sent(place: Place, tmp_path: Path) -> None:
    source = filled(tmp_path / "source")
    (source / "train").rename(tmp_path / "elsewhere")
    (source / "train").symlink_to(tmp_path / "elsewhere")
    sent = storage.upload(source, place.uri, place.options)
    assert sent == sum(map(len, CONTENT.values()))
    storage.download(place.uri, tmp_path / "target", place.options)
    assert held(tmp_path / "target") == CONTENT


def test_folder_that_may_not_be_read_is_not_left_out(anyones: Path) -> None:
    source = filled(anyones / "source")
    (source / "train").chmod(0)
    with pytest.raises(OutputError, match=f"cannot send {source}/train: Permission denied"):
        as_ordinary_user(lambda: storage.upload(source, str(anyones / "target")))
    (source / "train").chmod(0o755)


@stores(*ALL)
def test_what_is_there_moves_no_more(place: Place, tmp_path: Path) -> None:
    source, target = filled(tmp_path / "source"), tmp_path / "target"
    storage.upload(source, place.uri, place.options)
    assert storage.upload(source, place.uri, place.options) == 0
    storage.download(place.uri, target, place.options)
    assert storage.download(place.uri, target, place.options) == 0
    # Of the same size, so that only the content tells.
    (source / "eval/data.tfrecord.gz").write_bytes(b"EVAL")
    assert storage.upload(source, place.uri, place.options) == 4
    (target / "manifest.json").write_bytes(b'{"format": 2}')
    (target / "mine").write_bytes(b"mine")
    assert storage.download(place.uri, target, place.options) == 4 + 13
    expected = {**CONTENT, "eval/data.tfrecord.gz": b"EVAL"}
    assert held(target) == {**expected, "mine": b"mine"}


@stores(*ALL)
def test_a_listing(place: Place, tmp_path: Path) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=2)
    storage.upload(filled(tmp_path / "source"), place.uri, place.options)
    found = storage.list_objects(place.uri, place.options)
    assert [(o.name, o.size) for o in found] == sorted((n, len(d)) for n, d in CONTENT.items())
    assert all(before <= o.modified <= before + timedelta(minutes=2) for o in found)
    kinds = {"local": "md5:", "gcs": "crc32c:"}
    assert all(o.checksum.startswith(kinds.get(place.kind, "etag:")) for o in found)
    assert len({o.checksum for o in found}) == len(found)


@stores(*ALL)
def test_a_prefix_is_a_directory(place: Place) -> None:
    for name in ("a/b", "a/b/c", "a/bc", "ab"):
        if place.kind in {"gcs", "minio"} or name != "a/b":  # elsewhere a file is no directory
            uri = f"{place.uri}/x" if name == "a/b" and place.kind == "minio" else place.uri
            storage.write_bytes(f"{uri}/{name}", b"x", place.options)
    for uri in (f"{place.uri}/a/b", f"{place.uri}/a/b/"):
        assert [o.name for o in storage.list_objects(uri, place.options)] == ["c"]
    assert storage.list_objects(f"{place.uri}/nothing", place.options) == []
    assert storage.delete(f"{place.uri}/a/b", place.options) == 1
    left = {o.name for o in storage.list_objects(place.uri, place.options)}
    assert left >= {"a/bc", "ab"}
    assert "a/b/c" not in left


@stores(*ALL)
def test_bytes(place: Place) -> None:
    uri = f"{place.uri}/deep/er/file"
    with pytest.raises(StorageMissingError, match="deep/er/file") as caught:
        storage.read_bytes(uri, place.options)
    assert caught.value.exit_code == 2
    for data in (b"one", b"", b"another"):
        storage.write_bytes(uri, data, place.options)
        assert storage.read_bytes(uri, place.options) == data
    assert storage.delete(place.uri, place.options) == 1
    assert storage.delete(place.uri, place.options) == 0


@stores(*ALL)
def test_one_of_several_creates_the_object(place: Place) -> None:
    uri = f"{place.uri}/deep/claim"
    callers = [f"caller {number}".encode() for number in range(4)]
    with ThreadPoolExecutor(len(callers)) as pool:
        created = list(
            pool.map(lambda data: storage.create_bytes(uri, data, place.options), callers)
        )
    assert sum(created) == 1
    assert storage.read_bytes(uri, place.options) == callers[created.index(True)]
    assert not storage.create_bytes(uri, b"a latecomer", place.options)
    assert [o.name for o in storage.list_objects(place.uri, place.options)] == ["deep/claim"]


HONOUR_CONDITIONS = {"local": True, "rclone": False, "minio": True, "gcs": False}
"""As docs/storage.md says; gcs is the emulator, and Google's own store does."""


@stores(*ALL)
def test_which_stores_honour_a_conditional_create(place: Place) -> None:
    location = uris.parse(f"{place.uri}/claim")
    store = transfer._open(location, place.options)
    assert store.create(location.key, b"first")
    assert store.create(location.key, b"second") == (not HONOUR_CONDITIONS[place.kind])
    store.close(cancel=False)


@stores("minio")
@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (faults.CutResponse(0), 1),  # created, and the answer was lost
        (faults.Status(503), 1),
        (faults.Status(409, error="ConditionalRequestConflict: again"), 2),
    ],
)
def test_a_create_that_is_repeated(
    place: Place, proxy: faults.Proxy, fault: faults.Fault, times: int
) -> None:
    left = [times]

    def choose(request: faults.Request) -> faults.Fault | None:
        if request.method == "PUT" and left[0]:
            left[0] -= 1
            return fault
        return None

    proxy.choose = choose
    assert storage.create_bytes(f"{place.uri}/claim", b"mine", place.through(proxy))
    assert left == [0]
    assert storage.read_bytes(f"{place.uri}/claim", place.options) == b"mine"
    assert not storage.create_bytes(f"{place.uri}/claim", b"another", place.options)


@stores("minio")
def test_a_store_that_knows_no_conditions(place: Place, proxy: faults.Proxy) -> None:
    """It answers 501 to each conditional PUT, and takes the plain one after it."""
    puts = []

    def choose(request: faults.Request) -> faults.Fault | None:
        if request.method != "PUT":
            return None
        puts.append(request)
        unknown = faults.Status(501, error="NotImplemented: a header you provided")
        return unknown if len(puts) % 2 else None

    proxy.choose = choose
    assert storage.create_bytes(f"{place.uri}/claim", b"mine", place.through(proxy))
    assert len(puts) == 4
    assert storage.read_bytes(f"{place.uri}/claim", place.options) == b"mine"


@stores("minio")
def test_a_create_that_is_refused(place: Place, proxy: faults.Proxy) -> None:
    proxy.choose = lambda request: (
        faults.Status(403, error="AccessDenied: no") if request.method == "PUT" else None
    )
    with pytest.raises(StorageRefusedError, match="is denied"):
        storage.create_bytes(f"{place.uri}/claim", b"mine", place.through(proxy))


@stores(*ALL)
def test_objects_that_vanish_are_left_out(place: Place) -> None:
    storage.write_bytes(f"{place.uri}/a/x", b"x", place.options)
    found = storage.read_objects(place.uri, ["a/x", "a/gone"], place.options)
    assert found == {"a/x": b"x"}


@stores(*REMOTE)
def test_the_first_files_are_removed_first(
    place: Place, proxy: faults.Proxy, tmp_path: Path
) -> None:
    storage.upload(filled(tmp_path / "source"), place.uri, place.options)
    through = place.through(proxy)
    assert storage.delete(place.uri, through, first=["manifest.json"]) == len(CONTENT)
    removed = [r.path.split("?")[0] for r in proxy.requests if r.method == "DELETE"]
    assert removed[0].endswith("manifest.json")
    assert storage.list_objects(place.uri, place.options) == []


@stores(*REMOTE)
def test_a_known_listing_is_not_asked_for_again(
    place: Place, proxy: faults.Proxy, tmp_path: Path
) -> None:
    source = filled(tmp_path / "source")
    options = place.through(proxy)
    sent = storage.upload(source, place.uri, options, present=())
    present = storage.list_objects(place.uri, place.options)
    assert sent == sum(map(len, CONTENT.values()))
    assert storage.upload(source, place.uri, options, present=present) == 0
    assert not [r for r in proxy.requests if r.method == "GET" and "prefix=" in r.path]


@stores(*ALL)
def test_an_error_before_the_last_file_ends_the_upload(place: Place, tmp_path: Path) -> None:
    source = filled(tmp_path / "source")

    def before_last() -> None:
        raise ValueError("the caller's own")

    with pytest.raises(ValueError, match="the caller's own"):
        storage.upload(
            source, place.uri, place.options, last=["manifest.json"], before_last=before_last
        )
    names = [o.name for o in storage.list_objects(place.uri, place.options)]
    assert names == sorted(CONTENT.keys() - {"manifest.json"})


@stores(*ALL)
def test_nothing_to_download(place: Place, tmp_path: Path) -> None:
    with pytest.raises(StorageMissingError, match="there is nothing at"):
        storage.download(place.uri, tmp_path / "target", place.options)
    assert not (tmp_path / "target").exists()


@stores("local", "rclone")
@pytest.mark.parametrize("name", ["missing", "file", "empty"])
def test_nothing_to_upload(place: Place, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StorageRefusedError, match=f"{name} holds no files"):
        storage.upload(tmp_path / name, place.uri, place.options)


@stores("minio", "gcs")
def test_markers_of_directories_are_left_out(place: Place, tmp_path: Path) -> None:
    storage.write_bytes(f"{place.uri}/a/file", b"x", place.options)
    if place.kind == "gcs":
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import storage as google_storage

        client = google_storage.Client(
            project="none",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": place.endpoint},
        )
        bucket = client.bucket(BUCKET)
        for name in ("", "a/", "b/"):
            bucket.blob(f"{place.uri.split('/')[-1]}/{name}").upload_from_string(b"")
    else:
        client = boto3.client("s3", endpoint_url=place.endpoint, region_name="us-east-1")
        for name in ("", "a/", "b/"):
            client.put_object(Bucket=BUCKET, Key=f"{place.uri.split('/')[-1]}/{name}")
    assert [o.name for o in storage.list_objects(place.uri, place.options)] == ["a/file"]
    storage.download(place.uri, tmp_path / "target", place.options)
    assert held(tmp_path / "target") == {"a/file": b"x"}
    assert storage.delete(place.uri, place.options) == 1


@stores("rclone")
def test_more_objects_than_a_page(place: Place, rclone: servers.S3Server) -> None:
    directory = rclone.directory / BUCKET / place.uri.split("/")[-1]
    directory.mkdir()
    for number in range(1100):
        (directory / f"{number:04}").write_bytes(b"x")
    # What was written behind its back is seen by rclone within a second or two.
    end = time.monotonic() + 10
    found: list[storage.Object] = []
    while len(found) != 1100 and time.monotonic() < end:
        found = storage.list_objects(place.uri, place.options)
    assert [thing.name for thing in found] == [f"{number:04}" for number in range(1100)]


@stores("gcs")
def test_a_name_that_leads_out_of_the_directory(place: Place, tmp_path: Path) -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage as google_storage

    client = google_storage.Client(
        project="none",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": place.endpoint},
    )
    key = f"{place.uri.split('/')[-1]}//out"
    client.bucket(BUCKET).blob(key).upload_from_string(b"x")
    with pytest.raises(StorageRefusedError, match="rename it"):
        storage.download(place.uri, tmp_path / "deep" / "target", place.options)
    assert list(tmp_path.rglob("out")) == []


@stores(*REMOTE)
def test_the_last_files_come_last(place: Place, proxy: faults.Proxy, tmp_path: Path) -> None:
    names = ["manifest.json", "a", "m/manifest.json", "z", "big"]
    source = filled(tmp_path / "source", {name: name.encode() for name in names})
    (source / "big").write_bytes(os.urandom(9 * MEBIBYTE))
    storage.upload(source, place.uri, place.through(proxy), last=["manifest.json"])
    sent = []
    for request in proxy.requests:
        # Google's name is in the content; the requests after the first of a resumable upload
        # have an id, and no name at all.
        named = re.search(rb'"name": *"([^"]+)"', request.content)
        where = named[1].decode() if named else request.path.split("?")[0]
        name = where.partition(place.uri.split("/")[-1] + "/")[2]
        if request.method in {"PUT", "POST"} and name:
            sent.append(name)
    assert set(sent) == set(names)
    assert set(sent[-2:]) == {"manifest.json", "m/manifest.json"}
    assert not [name for name in sent[:-2] if name.endswith("manifest.json")]


@stores(*REMOTE)
def test_a_large_file_goes_in_parts(place: Place, proxy: faults.Proxy, tmp_path: Path) -> None:
    data = os.urandom(20 * MEBIBYTE + 5)
    source = filled(tmp_path / "source", {"big": data, "small": b"small"})
    options = place.through(proxy)
    assert storage.upload(source, place.uri, options) == len(data) + 5
    if place.kind == "gcs":
        assert any("uploadType=resumable" in r.path for r in proxy.requests)
    else:
        parts = [r for r in proxy.requests if r.method == "PUT" and "partNumber=" in r.path]
        assert sorted(r.size for r in parts) == [4 * MEBIBYTE + 5, 8 * MEBIBYTE, 8 * MEBIBYTE]
    assert storage.upload(source, place.uri, options) == 0
    target = tmp_path / "target"
    assert storage.download(place.uri, target, options) == len(data) + 5
    assert hashlib.sha256((target / "big").read_bytes()).digest() == hashlib.sha256(data).digest()
    assert storage.download(place.uri, target, options) == 0
    if place.kind == "minio":
        etag = {o.name: o.checksum for o in storage.list_objects(place.uri, options)}["big"]
        assert etag.endswith("-3")
    # One byte within the second part, so that a comparison of the first would not see it.
    with (target / "big").open("r+b") as stream:
        stream.seek(9 * MEBIBYTE)
        stream.write(bytes([data[9 * MEBIBYTE] ^ 1]))
    assert storage.download(place.uri, target, options) == len(data)


@stores("minio")
def test_parts_of_another_size_than_ours(place: Place, tmp_path: Path) -> None:
    data = os.urandom(11 * MEBIBYTE)
    client = boto3.client("s3", endpoint_url=place.endpoint, region_name="us-east-1")
    from boto3.s3.transfer import TransferConfig

    source = filled(tmp_path / "source", {"big": data})
    parts = TransferConfig(multipart_threshold=5 * MEBIBYTE, multipart_chunksize=5 * MEBIBYTE)
    key = f"{place.uri.split('/')[-1]}/big"
    client.upload_file(str(source / "big"), BUCKET, key, Config=parts)
    (found,) = storage.list_objects(place.uri, place.options)
    assert found.checksum.endswith("-3")
    assert storage.upload(source, place.uri, place.options) == 0
    assert storage.download(place.uri, tmp_path / "source", place.options) == 0


@stores("rclone")
def test_s3_and_minio_are_the_same_protocol(place: Place) -> None:
    storage.write_bytes(f"{place.uri}/x", b"x", place.options)
    uri = place.uri.replace("s3://", "minio://")
    assert storage.read_bytes(f"{uri}/x", place.options) == b"x"


@stores("minio")
def test_the_bucket_in_the_path_unless_asked_otherwise(place: Place, proxy: faults.Proxy) -> None:
    storage.list_objects(place.uri, place.through(proxy))
    assert proxy.requests[0].path.startswith(f"/{BUCKET}?")
    # An address without names cannot hold the bucket's, so that a name is needed.
    named = proxy.endpoint.replace("127.0.0.1", "localhost")
    virtual = dataclasses.replace(
        place.options, endpoint=named, addressing="virtual", retry_seconds=0
    )
    before = len(proxy.requests)
    with pytest.raises(Exception, match=r"localhost|bucket"):
        storage.list_objects(place.uri, virtual)
    assert not any(r.path.startswith(f"/{BUCKET}") for r in proxy.requests[before:])


@stores("gcs")
def test_the_environment_is_enough(place: Place) -> None:
    storage.write_bytes(f"{place.uri}/x", b"x")
    assert storage.read_bytes(f"{place.uri}/x") == b"x"


def test_plain_paths_and_uris() -> None:
    assert [storage.is_remote(u) for u in ("gs://b/p", "s3://b", "minio://b/p", "/p", "p", "")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "the path is empty"),
        ("ftp://b/p", "unknown scheme ftp"),
        ("s3://", "names no bucket"),
        ("gs:///p", "names no bucket"),
        ("s3://b/a/../c", "empty step"),
        ("s3://b/a//c", "empty step"),
        ("minio://b/p", "--endpoint"),
    ],
)
def test_addresses_that_cannot_be(uri: str, words: str) -> None:
    with pytest.raises(StorageRefusedError, match=words) as caught:
        storage.list_objects(uri, Options())
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("uri", ["s3://bucket", "minio://bucket", "gs://bucket"])
def test_a_bucket_without_a_path_is_no_object(uri: str) -> None:
    options = Options(endpoint="http://127.0.0.1:1", gcs_endpoint="http://127.0.0.1:1")
    with pytest.raises(StorageRefusedError, match="no object"):
        storage.write_bytes(uri, b"x", options)
