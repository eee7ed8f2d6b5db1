"""What a person is told when a store cannot be used as asked."""

import contextlib
import dataclasses
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeflow import storage
from kubeflow.storage import Options
from pipelines.errors import OutputError, SettingsError, StorageError, StorageRefusedError
from tests.kubeflow.storage import servers
from tests.kubeflow.storage.places import REMOTE, S3, Place, stores

SECRET = "zzz-wrong-secret-zzz"


def refusal(place: Place, options: Options, uri: str = "") -> str:
    """What each kind of call says, which has to be the same sentence."""
    uri = uri or place.uri
    said = set()
    for work in (
        lambda: storage.list_objects(uri, options),
        lambda: storage.read_bytes(f"{uri}/x", options),
        lambda: storage.write_bytes(f"{uri}/x", b"x", options),
        lambda: storage.upload(Path(__file__).parent, uri, options),
    ):
        with pytest.raises(StorageRefusedError) as caught:
            work()
        assert caught.value.exit_code == 2
        said.add(str(caught.value).replace(f"{uri}/x", uri.rsplit("/", 1)[0]))
    (sentence,) = said
    assert "\n" not in sentence
    assert SECRET not in sentence
    assert servers.SECRET_KEY not in sentence
    return sentence


@stores(*S3)
@pytest.mark.parametrize(
    ("key", "code"),
    [(servers.ACCESS_KEY, "SignatureDoesNotMatch"), ("nobody", "InvalidAccessKeyId")],
)
def test_wrong_credentials(
    place: Place, monkeypatch: pytest.MonkeyPatch, key: str, code: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    text = refusal(place, place.options)
    assert f"{place.endpoint} does not take the credentials" in text
    assert code in text
    assert "AWS_SECRET_ACCESS_KEY" in text


@stores(*S3)
def test_no_credentials(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    text = refusal(place, place.options)
    assert "no credentials were found" in text
    assert "AWS_ACCESS_KEY_ID" in text


def test_no_credentials_for_google(monkeypatch: pytest.MonkeyPatch) -> None:
    # Where no metadata server can be, so that the answer does not depend on the machine.
    monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{servers.free_port()}")
    with pytest.raises(StorageRefusedError, match="GOOGLE_APPLICATION_CREDENTIALS") as caught:
        storage.list_objects("gs://bucket/path", Options(retry_seconds=1))
    assert "gs://bucket" in str(caught.value)


def test_a_missing_file_of_credentials_for_google(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nothing.json"))
    with pytest.raises(StorageRefusedError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        storage.list_objects("gs://bucket/path", Options(retry_seconds=1))


@stores(*REMOTE)
def test_a_missing_bucket(place: Place) -> None:
    scheme = place.uri.partition(":")[0]
    text = refusal(place, place.options, f"{scheme}://nobodys-bucket/path")
    assert f"there is no bucket nobodys-bucket at {place.endpoint}" in text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> servers.Certificate:
    return servers.make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def behind_tls(
    tmp_path_factory: pytest.TempPathFactory, certificate: servers.Certificate
) -> Iterator[servers.S3Server]:
    directory = tmp_path_factory.mktemp("tls")
    (directory / "bucket").mkdir()
    with servers.rclone(directory, certificate) as server:
        yield server


@pytest.fixture
def tls(behind_tls: servers.S3Server, monkeypatch: pytest.MonkeyPatch) -> Options:
    for name, value in behind_tls.environment().items():
        monkeypatch.setenv(name, value)
    return Options.from_environment()


def test_an_own_ca(
    tls: Options, certificate: servers.Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write_bytes(
        "s3://bucket/x", b"x", dataclasses.replace(tls, ca_file=str(certificate.ca))
    )
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate.ca))
    assert storage.read_bytes("s3://bucket/x") == b"x"


def test_an_unknown_ca(tls: Options) -> None:
    start = time.monotonic()
    with pytest.raises(StorageRefusedError) as caught:
        storage.list_objects("s3://bucket", tls)
    assert time.monotonic() - start < 10  # and is not tried for a minute
    for words in (tls.endpoint, "not trusted", "--ca-file", "AWS_CA_BUNDLE"):
        assert words in str(caught.value)
    assert caught.value.exit_code == 2


def test_an_unknown_ca_of_google(behind_tls: servers.S3Server, tmp_path: Path) -> None:
    # An account's file with a token server behind the same certificate, which nobody trusts.
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)

    account = {
        "type": "service_account",
        "client_email": "tests@tests.invalid",
        "private_key": key.read_text(),
        "token_uri": f"{behind_tls.endpoint}/token",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
        start = time.monotonic()
        with pytest.raises(StorageRefusedError, match="not trusted"):
            storage.list_objects("gs://bucket/path", Options(gcs_endpoint=behind_tls.endpoint))
        assert time.monotonic() - start < 30


def test_a_certificate_need_not_be_verified(tls: Options) -> None:
    storage.write_bytes("s3://bucket/y", b"y", dataclasses.replace(tls, verify_tls=False))


def test_a_ca_that_is_not_there(tls: Options, tmp_path: Path) -> None:
    options = dataclasses.replace(tls, ca_file=str(tmp_path / "ca.pem"))
    with pytest.raises(SettingsError, match="cannot be read: correct --ca-file"):
        storage.list_objects("s3://bucket", options)


def test_tls_where_the_server_has_none(rclone: servers.S3Server, tls: Options) -> None:
    endpoint = rclone.endpoint.replace("http://", "https://")
    options = dataclasses.replace(tls, endpoint=endpoint, retry_seconds=1)
    with pytest.raises(StorageError, match="TLS"):
        storage.list_objects("s3://bucket", options)


@contextlib.contextmanager
def small_disk(directory: Path) -> Iterator[None]:
    """A file system of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(directory)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


@stores("local", *REMOTE)
def test_no_space_left(place: Place, tmp_path: Path) -> None:
    storage.write_bytes(f"{place.uri}/fits", b"fits", place.options)
    storage.write_bytes(f"{place.uri}/big", os.urandom(9 << 20), place.options)
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk):
        with pytest.raises(OutputError, match="No space left on device") as caught:
            storage.download(place.uri, disk, place.options)
        assert str(disk) in str(caught.value)
        assert set(os.listdir(disk)) <= {"fits"}


@stores("rclone")
def test_a_target_that_is_a_file(place: Place, tmp_path: Path) -> None:
    storage.write_bytes(f"{place.uri}/a/x", b"x", place.options)
    (tmp_path / "a").write_text("mine")
    with pytest.raises(OutputError, match="cannot be read or written"):
        storage.download(place.uri, tmp_path, place.options)
    assert (tmp_path / "a").read_text() == "mine"
