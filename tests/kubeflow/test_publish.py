"""A pushed model is whole or not there, whatever happened before."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from kubeflow import storage
from kubeflow.adapter import publish
from tests.kubeflow.conftest import BUCKET
from tests.kubeflow.storage import faults, servers

ME = "s3://bucket/root/run/pusher-keras/1/pushed_model"


@pytest.fixture
def model(tmp_path):
    version = tmp_path / "17"
    (version / "variables").mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"graph")
    (version / "variables" / "variables.index").write_bytes(b"index")
    return version


@pytest.fixture(scope="module")
def gcs():
    with servers.gcs([BUCKET]) as server:
        yield server


@pytest.fixture(params=["s3", "gs"])
def destination(bucket, gcs, request, monkeypatch):
    """An empty place of this test in a store that the environment leads to."""
    server = {"s3": bucket.server, "gs": gcs}[request.param]
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return f"{request.param}://{BUCKET}/publish/{request.node.name}"


def names(destination):
    return sorted(entry.name for entry in storage.list_objects(destination))


WHOLE = ["17/saved_model.pb", "17/variables/variables.index"]


def test_a_version(model, destination):
    assert publish.publish(model, destination, ME) == f"{destination}/17"
    assert names(destination) == WHOLE


def test_nothing_is_written_over(model, destination):
    publish.publish(model, destination, ME)

    assert publish.publish(model, destination + "/", ME) == f"{destination}/18"
    assert names(destination) == [*WHOLE, *(name.replace("17/", "18/") for name in WHOLE)]


def test_an_earlier_attempts_half_is_removed(model, destination):
    for key, body in {
        "16/variables/variables.index": b"half",
        ".pushing/16/by": ME.encode(),
        "15/variables/variables.index": b"of another, at this moment",
        ".pushing/15/by": b"another task",
        "14/saved_model.pb": b"somebody's",
    }.items():
        storage.write_bytes(f"{destination}/{key}", body)

    publish.publish(model, destination, ME)

    assert names(destination) == [
        ".pushing/15/by",
        "14/saved_model.pb",
        "15/variables/variables.index",
        *WHOLE,
    ]


def test_an_abandoned_half_is_removed(model, destination, monkeypatch):
    for key in ("16/x", ".pushing/16/by"):
        storage.write_bytes(f"{destination}/{key}", b"another task")
    monkeypatch.setattr(publish, "_ABANDONED", -publish._ABANDONED)

    publish.publish(model, destination, ME)

    assert names(destination) == WHOLE


@pytest.mark.parametrize("destination", ["s3"], indirect=True)
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


@pytest.mark.parametrize("destination", ["s3"], indirect=True)
def test_killed_in_the_middle(model, destination):
    """A model server finds no model file; the next attempt cleans up."""
    (model / "variables" / "variables.data").write_bytes(os.urandom(64 << 20))
    command = [sys.executable, "-c", PUBLISH, str(model), destination, ME]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 60
        while ".pushing/17/by" not in names(destination):
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGKILL)

    left = names(destination)
    assert ".pushing/17/by" in left
    assert "17/saved_model.pb" not in left

    subprocess.run(command, check=True)

    assert names(destination) == sorted([*WHOLE, "17/variables/variables.data"])
    shutil.rmtree(model)
