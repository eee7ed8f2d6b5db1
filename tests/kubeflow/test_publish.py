"""A pushed model is whole or not there, whatever happened before."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from kubeflow.adapter import publish
from tests.kubeflow.storage import faults

ME = "s3://bucket/root/run/pusher-keras/1/pushed_model"


@pytest.fixture
def model(tmp_path):
    version = tmp_path / "17"
    (version / "variables").mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"graph")
    (version / "variables" / "variables.index").write_bytes(b"index")
    return version


@pytest.fixture
def destination(bucket, request, monkeypatch):
    """An empty place of this test."""
    for name, value in bucket.server.environment().items():
        monkeypatch.setenv(name, value)
    return bucket.uri(f"publish/{request.node.name}")


def names(bucket, destination):
    prefix = destination.removeprefix(f"s3://{bucket.name}/") + "/"
    return sorted(key.removeprefix(prefix) for key in bucket.keys(prefix))


WHOLE = ["17/saved_model.pb", "17/variables/variables.index"]


def test_a_version(model, bucket, destination):
    assert publish.publish(model, destination, ME) == f"{destination}/17"
    assert names(bucket, destination) == WHOLE


def test_nothing_is_written_over(model, bucket, destination):
    publish.publish(model, destination, ME)

    assert publish.publish(model, destination + "/", ME) == f"{destination}/18"
    assert names(bucket, destination) == [*WHOLE, *(name.replace("17/", "18/") for name in WHOLE)]


def test_an_earlier_attempts_half_is_removed(model, bucket, destination):
    prefix = destination.removeprefix(f"s3://{bucket.name}/")
    for key, body in {
        "16/variables/variables.index": b"half",
        ".pushing/16/by": ME.encode(),
        "15/variables/variables.index": b"of another, at this moment",
        ".pushing/15/by": b"another task",
        "14/saved_model.pb": b"somebody's",
    }.items():
        bucket.client.put_object(Bucket=bucket.name, Key=f"{prefix}/{key}", Body=body)

    publish.publish(model, destination, ME)

    assert names(bucket, destination) == [
        ".pushing/15/by",
        "14/saved_model.pb",
        "15/variables/variables.index",
        *WHOLE,
    ]


def test_an_abandoned_half_is_removed(model, bucket, destination, monkeypatch):
    prefix = destination.removeprefix(f"s3://{bucket.name}/")
    for key in ("16/x", ".pushing/16/by"):
        bucket.client.put_object(Bucket=bucket.name, Key=f"{prefix}/{key}", Body=b"another task")
    monkeypatch.setattr(publish, "_ABANDONED", -publish._ABANDONED)

    publish.publish(model, destination, ME)

    assert names(bucket, destination) == WHOLE


def test_the_main_file_comes_last(model, destination, bucket, monkeypatch):
    with faults.proxy(bucket.server.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
        publish.publish(model, destination, ME)
        put = [request.path for request in proxy.requests if request.method == "PUT"]

    assert [path.split("?")[0].rsplit("/", 1)[1] for path in put] == [
        "by",
        "variables.index",
        "saved_model.pb",
    ]


PUBLISH = "import sys, pathlib; from kubeflow.adapter import publish; " + (
    "publish.publish(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3])"
)


def test_killed_in_the_middle(model, bucket, destination):
    """A model server finds no model file; the next attempt cleans up."""
    (model / "variables" / "variables.data").write_bytes(os.urandom(64 << 20))
    environment = {**os.environ, **bucket.server.environment()}
    command = [sys.executable, "-c", PUBLISH, str(model), destination, ME]
    with subprocess.Popen(command, env=environment) as process:
        deadline = time.monotonic() + 60
        while ".pushing/17/by" not in names(bucket, destination):
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGKILL)

    left = names(bucket, destination)
    assert ".pushing/17/by" in left
    assert "17/saved_model.pb" not in left

    subprocess.run(command, env=environment, check=True)

    assert names(bucket, destination) == sorted([*WHOLE, "17/variables/variables.data"])
    shutil.rmtree(model)
