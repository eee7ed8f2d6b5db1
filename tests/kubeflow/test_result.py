"""What TFX answers, made what KFP's launcher takes."""

import copy
import json
import math

import pytest
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from kubeflow.adapter import result

RUN = "s3://bucket/root/mnist/run"
EXECUTOR_INPUT = {
    "inputs": {
        "artifacts": {
            "model": {"artifacts": [{"uri": f"{RUN}/trainer/1/model"}]},
            "model_run": {"artifacts": [{"uri": f"{RUN}/trainer/1/model_run"}]},
        }
    },
    "outputs": {
        "artifacts": {
            "blessing": {
                "artifacts": [{"uri": f"{RUN}/e/2/blessing", "type": {"schemaTitle": "tfx.M"}}]
            },
            "metrics": {
                "artifacts": [
                    {"uri": f"{RUN}/e/2/metrics", "type": {"schemaTitle": "system.Metrics"}}
                ]
            },
            "executor-logs": {"artifacts": [{"uri": f"{RUN}/e/2/executor-logs-0"}]},
        },
        "outputFile": "/s3/out.json",
    },
}


def answer(output="blessing", **metadata):
    local = {"uri": f"/s3/bucket/root/mnist/run/e/2/{output}", "name": "3", "metadata": metadata}
    return {"artifacts": {output: {"artifacts": [local]}}}


def metadata(output="blessing", moved=None, **written):
    made = result.to_kfp(answer(output, **written), EXECUTOR_INPUT, moved)
    return made["artifacts"][output]["artifacts"][0]["metadata"]


def test_paths_become_uris():
    made = metadata(current_model="/s3/bucket/root/mnist/run/trainer/1/model", blessed=1.0)

    assert made == {"current_model": f"{RUN}/trainer/1/model", "blessed": 1.0}


def test_paths_inside_texts_lists_and_dicts_become_uris():
    path = "/s3/bucket/root/mnist/run/trainer/1/model"

    made = metadata(a=f"from '{path}/Format-Serving' and {path}", b=[path, {"c": path}])

    uri = f"{RUN}/trainer/1/model"
    assert made == {"a": f"from '{uri}/Format-Serving' and {uri}", "b": [uri, {"c": uri}]}


def test_a_name_that_only_begins_alike_is_another():
    made = metadata(
        a="/s3/bucket/root/mnist/run/trainer/1/model_run",
        b="/s3/bucket/root/mnist/run/trainer/1/models",
        c="/mnt/s3/bucket/root/mnist/run/trainer/1/model",
    )

    assert made["a"] == f"{RUN}/trainer/1/model_run"
    assert made["b"] == "/s3/bucket/root/mnist/run/trainer/1/models"
    assert made["c"] == "/mnt/s3/bucket/root/mnist/run/trainer/1/model"


def test_what_was_published_has_its_new_place():
    made = metadata(moved={"/tmp/push/17": "gs://models/lite/18"}, where="/tmp/push/17")

    assert made == {"where": "gs://models/lite/18"}


def test_nulls_and_what_json_cannot_say_are_left_out():
    assert metadata(a=None, b=math.nan, c=math.inf, d=0.0, e="") == {"d": 0.0, "e": ""}


def test_metrics_are_numbers_alone():
    made = metadata("metrics", accuracy=0.5, tfx_version="1.16.0", yes=True, n=3)

    assert made == {"accuracy": 0.5, "n": 3}


def test_the_launcher_keeps_its_own_uris_and_names():
    made = result.to_kfp(answer(blessed=1), EXECUTOR_INPUT)

    assert made == {
        "artifacts": {
            "blessing": {"artifacts": [{"metadata": {"blessed": 1}}]},
        }
    }


def test_it_parses_strictly():
    made = result.to_kfp(answer(current_model="/s3/x", blessed=1.0), EXECUTOR_INPUT)

    json_format.Parse(json.dumps(made, allow_nan=False), pipeline_spec_pb2.ExecutorOutput())


def test_nothing_given_is_changed():
    before = copy.deepcopy(EXECUTOR_INPUT)
    written = answer(blessed=None)
    result.to_kfp(written, EXECUTOR_INPUT)

    assert (EXECUTOR_INPUT, written) == (before, answer(blessed=None))


@pytest.mark.parametrize("tfx_output", [{}, {"artifacts": {}}])
def test_an_empty_answer(tfx_output):
    assert result.to_kfp(tfx_output, EXECUTOR_INPUT) == {"artifacts": {}}
