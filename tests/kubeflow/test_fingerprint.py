"""The task that looks at the data."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeflow import fingerprint
from tests.kubeflow.conftest import Bucket


def look(directory: Path, data_uri="", local="", environment=None):
    """Runs the task; returns how it ended, the parameter, the manifest and the metadata."""
    inputs = {"parameterValues": {"run": "1"}}
    if data_uri:
        inputs["parameterValues"]["data_uri"] = data_uri
    else:
        inputs["artifacts"] = {"data": {"artifacts": [{"uri": str(local)}]}}
    executor_input = {
        "inputs": inputs,
        "outputs": {
            "artifacts": {
                "dataset": {
                    "artifacts": [
                        {
                            "uri": str(directory / "run" / "dataset"),
                            "type": {"schemaTitle": "system.Dataset"},
                        }
                    ]
                }
            },
            "parameters": {"data_fingerprint": {"outputFile": str(directory / "parameter")}},
            "outputFile": str(directory / "out" / "output.json"),
        },
    }
    return subprocess.run(
        [sys.executable, "-m", "kubeflow.fingerprint", json.dumps(executor_input)],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
    )


def parameter(directory: Path, **where) -> str:
    ended = look(directory, **where)
    assert ended.returncode == 0, ended.stderr
    return (directory / "parameter").read_text()


@pytest.fixture
def copy(dataset, tmp_path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "a dataset"))


def test_what_it_writes(dataset, tmp_path):
    found = parameter(tmp_path, local=dataset)

    assert len(found) == 64
    manifest = json.loads((dataset / "manifest.json").read_text())
    assert json.loads((tmp_path / "run/dataset/manifest.json").read_text()) == manifest
    written = json.loads((tmp_path / "out/output.json").read_text())
    assert written == {
        "artifacts": {
            "dataset": {
                "artifacts": [
                    {
                        "metadata": {
                            "source": "digits",
                            "train_examples": 1438,
                            "eval_examples": 359,
                            "fingerprint": manifest["fingerprint"],
                        }
                    }
                ]
            }
        }
    }


def test_the_same_content_elsewhere_and_later_is_the_same(dataset, copy, tmp_path):
    os.utime(copy / "train" / "data.tfrecord.gz", (1, 1))
    (copy / ".hidden").write_text("x")

    assert parameter(tmp_path, local=dataset) == parameter(tmp_path, local=copy)


def test_one_changed_byte_is_another(dataset, copy, tmp_path):
    with (copy / "eval" / "data.tfrecord.gz").open("r+b") as stream:
        stream.seek(-9, os.SEEK_END)
        byte = stream.read(1)
        stream.seek(-9, os.SEEK_END)
        stream.write(bytes([byte[0] ^ 1]))

    assert parameter(tmp_path, local=dataset) != parameter(tmp_path, local=copy)


def test_a_path_is_read_directly(dataset, tmp_path):
    assert parameter(tmp_path, data_uri=str(dataset)) == parameter(tmp_path, local=dataset)


def test_a_store_is_asked_for_its_checksums(dataset, copy, tmp_path, bucket: Bucket):
    bucket.put_directory(dataset, "look/one")
    bucket.put_directory(dataset, "look/two")
    (copy / "manifest.json").write_text((copy / "manifest.json").read_text() + " ")
    bucket.put_directory(copy, "look/three")
    environment = bucket.server.environment()

    one, two, three = (
        parameter(tmp_path, data_uri=bucket.uri(f"look/{name}"), environment=environment)
        for name in ("one", "two", "three")
    )

    assert one == two != three


@pytest.mark.parametrize("there", ["nothing", "no manifest"])
def test_no_dataset(dataset, tmp_path, there):
    place = tmp_path / "place"
    if there == "no manifest":
        shutil.copytree(dataset, place)
        (place / "manifest.json").unlink()

    ended = look(tmp_path, local=place)

    assert ended.returncode == 1
    assert ended.stderr == (
        f"tfx-mobile: task data-fingerprint: there is no dataset at {place}: put one there with "
        f"`tfx-mobile data push DIRECTORY {place}`\n"
    )
    assert not (tmp_path / "parameter").exists()


contents = st.dictionaries(st.text(min_size=1), st.text(), max_size=4)


@given(contents, contents)
def test_different_contents_have_different_fingerprints(one, two):
    same = fingerprint.combined(one) == fingerprint.combined(two)

    assert same == (one == two)
