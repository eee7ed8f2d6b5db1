"""Stores that run for the whole session, and a fresh prefix in each for every test."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeflow.storage import Options
from tests.kubeflow.storage import faults, servers
from tests.kubeflow.storage.places import BUCKET, Place

VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CA_BUNDLE",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "STORAGE_EMULATOR_HOST",
)


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees credentials or addresses of whoever runs it."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "no-gcloud"))


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3Server]:
    directory = tmp_path_factory.mktemp("rclone")
    (directory / BUCKET).mkdir()
    with servers.rclone(directory) as server:
        yield server


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.S3Server]:
    if (reason := servers.why_no_minio()) and os.environ.get("CI") != "true":
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("minio")
    (directory / BUCKET).mkdir()
    with servers.minio(directory) as server:
        yield server


@pytest.fixture(scope="session")
def gcs() -> Iterator[servers.GcsServer]:
    with servers.gcs([BUCKET]) as server:
        yield server


@pytest.fixture
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """A fresh directory in the store that the test is parametrised with."""
    kind = request.param
    name = uuid.uuid4().hex
    if kind == "local":
        return Place(kind, str(tmp_path / "store" / name), Options(), {}, "")
    server = request.getfixturevalue(kind)
    environment = server.environment()
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    scheme = {"gcs": "gs", "rclone": "s3", "minio": "minio"}[kind]
    uri = f"{scheme}://{BUCKET}/{name}"
    return Place(kind, uri, Options.from_environment(), environment, server.endpoint)


@pytest.fixture
def proxy(place: Place) -> Iterator[faults.Proxy]:
    """A proxy in front of the test's store."""
    with faults.proxy(place.endpoint) as running:
        yield running
