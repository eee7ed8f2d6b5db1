"""`python -m kubeflow.bucket`, as the Job of kubeflow/manifests/ calls it."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml

from kubeflow import bucket, storage
from pipelines.settings import Kubeflow
from tests.kubeflow.storage import faults
from tests.kubeflow.storage.places import BUCKET, REMOTE, S3, Place, stores


def called(file: Path, settings: dict, *arguments: str) -> subprocess.CompletedProcess[str]:
    file.write_text(yaml.safe_dump({"kubeflow": settings}))
    command = [sys.executable, "-m", "kubeflow.bucket", str(file), *arguments]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True)


def scheme(place: Place) -> str:
    return place.uri.split("://")[0]


@stores(*REMOTE)
def test_a_bucket_is_made_once(place: Place, tmp_path: Path) -> None:
    made, there = (f"{scheme(place)}://made-{uuid.uuid4().hex}/models", place.uri)
    settings = {"data": there, "push_to": made, "pipeline_root": f"{made}/root"}

    first, second = (called(tmp_path / "settings.yaml", settings) for _ in range(2))

    assert (first.returncode, first.stderr) == (0, "")
    assert f"the bucket of {made} was made" in first.stdout.splitlines()
    assert f"the bucket of {there} is there" in first.stdout.splitlines()
    assert second.stdout == first.stdout.replace("was made", "is there")
    storage.write_bytes(f"{made}/x", b"x", place.options)
    assert storage.read_bytes(f"{made}/x", place.options) == b"x"


@stores("minio")
def test_the_settings_say_where_the_store_is(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    settings = {"data": place.uri, "environment": {"AWS_ENDPOINT_URL_S3": place.endpoint}}

    done = called(tmp_path / "settings.yaml", settings)

    assert (done.returncode, done.stdout) == (0, f"the bucket of {place.uri} is there\n")


@stores("gcs", "minio")
def test_the_store_is_told_where_to_make_it(
    place: Place, proxy: faults.Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in place.environment.keys() & {"AWS_ENDPOINT_URL_S3", "STORAGE_EMULATOR_HOST"}:
        monkeypatch.setenv(variable, proxy.endpoint)
    settings = {"data": f"{scheme(place)}://made-{uuid.uuid4().hex}/data"}

    done = called(tmp_path / "settings.yaml", settings, "--location=europe-west4")

    assert done.returncode == 0, done.stderr
    (made,) = (r for r in proxy.requests if r.method in {"POST", "PUT"})
    assert b"europe-west4" in made.content


@stores("minio")
def test_a_name_that_no_bucket_can_have(place: Place, tmp_path: Path) -> None:
    done = called(tmp_path / "settings.yaml", {"data": "minio://BUCKET/data"})

    assert done.returncode == 2
    assert done.stderr.startswith("tfx-mobile: ")
    assert "minio://BUCKET" in done.stderr
    assert done.stderr.count("\n") == 1


@stores(*S3)
def test_wrong_credentials_are_not_taken_for_a_bucket(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")

    done = called(tmp_path / "settings.yaml", {"data": f"s3://{BUCKET}/data"})

    assert done.returncode == 2
    assert "does not take the credentials" in done.stderr
    assert done.stdout == ""


def test_google_makes_buckets_in_a_project(tmp_path: Path) -> None:
    done = called(tmp_path / "settings.yaml", {"data": "gs://bucket/data"})

    assert done.returncode == 2
    assert "no usable credentials" in done.stderr


def test_paths_have_no_bucket(capsys: pytest.CaptureFixture[str]) -> None:
    bucket.run(Kubeflow(data="/mnt/data", data_access="direct", push_to="/mnt/models"))

    assert capsys.readouterr().out == ""
