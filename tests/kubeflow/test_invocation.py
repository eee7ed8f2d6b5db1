"""What KFP asks, made what TFX understands, in every shape of KFP."""

import copy
import json
import sys

import pytest
from google.protobuf import json_format, wrappers_pb2

from kubeflow.adapter import invocation
from kubeflow.adapter.errors import TaskError

MODEL_YAML = "title: tfx.Model\ntype: object\n"
DECLARED = {
    "artifacts": {"model": {"artifactType": {"instanceSchema": MODEL_YAML}}},
    "parameters": {"custom_config": {"parameterType": "STRING"}},
}
ROOT = "s3://bucket/root/run/trainer/1"
LOGS = {"artifacts": [{"uri": f"{ROOT}/executor-logs", "type": {"schemaTitle": "system.Artifact"}}]}

INPUTS = {
    "2.4": {"name": "7", "type": {"instanceSchema": ""}, "metadata": {"a": {"struct": {"b": 1}}}},
    "2.17": {
        "name": "7",
        "type": {"instanceSchema": ""},
        "metadata": {
            "a": {"struct": {"b": 1}},
            "display_name": "model",
            "store_session_info": '{"Provider":"s3"}',
        },
    },
    "next": {
        "name": "model",
        "artifactId": "0c5f",
        "type": {"schemaTitle": MODEL_YAML},
        "metadata": {"a": {"b": 1}},
    },
    "next, generic": {"name": "model", "artifactId": "0c5f", "type": {"schemaTitle": "Artifact"}},
    "no type at all": {"name": "7", "metadata": {}},
}


def asked(artifact=None, parameters=None, title="tfx.Model", logs=True):
    outputs = {"model": {"artifacts": [{"uri": f"{ROOT}/model", "type": {"schemaTitle": title}}]}}
    if logs:
        outputs["executor-logs"] = LOGS
    artifact = {"uri": "s3://bucket/root/run/x/0/model", **(artifact or INPUTS["2.17"])}
    return {
        "inputs": {
            "artifacts": {"model": {"artifacts": [artifact]}},
            "parameterValues": parameters or {},
        },
        "outputs": {"artifacts": outputs, "outputFile": "/s3/out.json"},
    }


def to_tfx(executor_input, declared=DECLARED, task="trainer-lite"):
    return invocation.to_tfx(executor_input, declared, task, "/tmp/answer.json")


@pytest.mark.parametrize("shape", INPUTS)
def test_an_input_has_its_declared_type_and_a_local_path_in_every_shape(shape):
    made = to_tfx(asked(INPUTS[shape]))
    (model,) = made["inputs"]["artifacts"]["model"]["artifacts"]

    assert model["type"] == {"instanceSchema": MODEL_YAML}
    assert model["uri"] == "/s3/bucket/root/run/x/0/model"


@pytest.mark.parametrize("shape", ["2.4", "2.17", "next"])
def test_metadata_is_the_same_in_every_shape(shape):
    (model,) = to_tfx(asked(INPUTS[shape]))["inputs"]["artifacts"]["model"]["artifacts"]

    assert model["metadata"] == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ({"list": [1, 2]}, [1, 2]),
        ({"struct": {"struct": {}}}, {"struct": {}}),
        ({"list": "no list"}, {"list": "no list"}),
        ({"struct": {}, "more": 1}, {"struct": {}, "more": 1}),
        ("text", "text"),
    ],
)
def test_wrapped_values_are_unwrapped(value, meant):
    made = to_tfx(asked({"type": {}, "metadata": {"a": value}}))

    assert made["inputs"]["artifacts"]["model"]["artifacts"][0]["metadata"] == {"a": meant}


@pytest.mark.parametrize("logs", [True, False])
def test_outputs_are_the_tasks_own(logs):
    made = to_tfx(asked(logs=logs))["outputs"]

    assert list(made["artifacts"]) == ["model"]
    assert (
        made["artifacts"]["model"]["artifacts"][0]["uri"] == "/s3/bucket/root/run/trainer/1/model"
    )
    assert made["outputFile"] == "/tmp/answer.json"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("gs://b/a", "/gcs/b/a"),
        ("minio://b/a", "/minio/b/a"),
        ("s3://b/a", "/s3/b/a"),
        ("/mnt/a", "/mnt/a"),
    ],
)
def test_every_scheme_has_its_place(uri, path):
    executor_input = asked({**INPUTS["2.17"], "uri": uri})

    made = to_tfx(executor_input)

    assert made["inputs"]["artifacts"]["model"]["artifacts"][0]["uri"] == path


def test_a_custom_path_wins():
    executor_input = asked({**INPUTS["2.17"], "customPath": "/elsewhere/model"})
    executor_input["outputs"]["artifacts"]["model"]["artifacts"][0]["customPath"] = "/mnt/out"

    made = to_tfx(executor_input)

    assert made["inputs"]["artifacts"]["model"]["artifacts"][0]["uri"] == "/elsewhere/model"
    (output,) = made["outputs"]["artifacts"]["model"]["artifacts"]
    assert output["uri"] == "/mnt/out"
    assert "customPath" not in output


@pytest.mark.parametrize(
    ("title", "class_path"),
    [
        ("system.ClassificationMetrics", "pipelines.components.artifacts.ClassificationMetrics"),
        ("system.HTML", "pipelines.components.artifacts.Page"),
        ("system.Metrics", "pipelines.components.artifacts.Metrics"),
        ("mobile.BranchComparison", "pipelines.components.artifacts.Comparison"),
        ("tfx.Model", "tfx.Model"),
    ],
)
def test_our_own_types_are_classes_for_tfx(title, class_path):
    (output,) = to_tfx(asked(title=title))["outputs"]["artifacts"]["model"]["artifacts"]

    assert output["type"] == {"schemaTitle": class_path}


def test_the_invocation_given_is_left_as_it_is():
    executor_input = asked(parameters={"custom_config": '{"training": {"batch_size": 1}}'})
    before = copy.deepcopy(executor_input)

    to_tfx(executor_input)

    assert executor_input == before


def test_what_is_not_declared_is_left_out():
    executor_input = asked()
    executor_input["inputs"]["artifacts"]["more"] = {"artifacts": [{"uri": "s3://b/x"}]}

    assert list(to_tfx(executor_input)["inputs"]["artifacts"]) == ["model"]


def test_an_input_that_is_missing_is_named():
    executor_input = asked()
    executor_input["inputs"]["artifacts"] = {}

    with pytest.raises(TaskError, match=r"task trainer-lite: .* no artifact for the input 'model'"):
        to_tfx(executor_input)


@pytest.mark.parametrize(
    "arrived",
    [
        {"schemaTitle": "tfx.Schema"},
        {"schemaTitle": "title: tfx.Schema\ntype: object\n"},
        {"instanceSchema": "title: tfx.Schema\ntype: object\n"},
    ],
)
def test_an_input_of_another_type_is_named(arrived):
    executor_input = asked({"name": "7", "type": arrived})

    with pytest.raises(TaskError) as caught:
        to_tfx(executor_input)

    assert str(caught.value) == (
        "task trainer-lite: the input 'model' is declared as tfx.Model, and KFP handed over a "
        "tfx.Schema at s3://bucket/root/run/x/0/model"
    )


CONFIG = json.dumps({"training": {"batch_size": 40, "seed": 1}})


def test_run_parameters_are_put_where_tfx_reads_them():
    given = {
        "train_steps": 300,
        "eval_steps": 7.0,
        "batch_size": 64.0,
        "train_args": '{"num_steps": 5000}',
        "eval_args": '{"num_steps": 100}',
        "custom_config": CONFIG,
        "run_fn": "modules.lite.run_fn",
    }

    made = to_tfx(asked(parameters=given))["inputs"]["parameterValues"]

    assert {key: made[key] for key in ("train_args", "eval_args", "run_fn")} == {
        "train_args": '{"num_steps": 300}',
        "eval_args": '{"num_steps": 7}',
        "run_fn": "modules.lite.run_fn",
    }
    assert json.loads(made["custom_config"]) == {"training": {"batch_size": 64, "seed": 1}}
    assert set(made) == {"train_args", "eval_args", "custom_config", "run_fn"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [(0, "greater than or equal to 1"), (2.5, "valid integer"), (-3.0, "greater than or equal")],
)
def test_a_run_parameter_out_of_bounds_is_named(value, reason):
    given = {"train_steps": value, "train_args": '{"num_steps": 5000}'}

    with pytest.raises(TaskError, match=f"task trainer-lite: .* train_steps .*{reason}"):
        to_tfx(asked(parameters=given))


def eval_config(metric, bound):
    """The part of an EvalConfig that TFX's JSON has of a gate, which is not the first metric."""
    threshold = {"threshold": {"value_threshold": {bound: 0.5}}}
    gate = {"class_name": metric, "per_slice_thresholds": [threshold]}
    return {"metrics_specs": [{"metrics": [{"class_name": "ExampleCount"}, gate]}]}


@pytest.mark.parametrize(
    ("parameter", "metric", "bound", "value", "expected"),
    [
        ("min_accuracy", "SparseCategoricalAccuracy", "lower_bound", 1, 1.0),
        ("min_accuracy", "SparseCategoricalAccuracy", "lower_bound", 0, 0.0),
        ("max_error", "MeanAbsoluteError", "upper_bound", 7.5, 7.5),
        ("max_error", "MeanAbsoluteError", "upper_bound", 0, sys.float_info.max),
    ],
)
def test_the_gate_is_put_into_its_metric(parameter, metric, bound, value, expected):
    given = {parameter: value, "eval_config": json.dumps(eval_config(metric, bound))}

    made = to_tfx(asked(parameters=given), task="evaluator-lite")["inputs"]["parameterValues"]

    config = json.loads(made["eval_config"])
    thresholds = config["metrics_specs"][0]["metrics"][1]["per_slice_thresholds"]
    written = thresholds[0]["threshold"]["value_threshold"][bound]
    assert json_format.Parse(json.dumps(written), wrappers_pb2.DoubleValue()).value == expected
    thresholds[0]["threshold"]["value_threshold"][bound] = 0.5
    assert config == eval_config(metric, bound), "nothing else is changed"


def test_the_comparison_records_the_bound_of_the_run_form():
    recorded = {"evaluation": {"min_accuracy": 0.8, "max_error": 3.0}}
    given = {"max_error": 0, "settings": json.dumps(recorded)}

    made = to_tfx(asked(parameters=given), task="comparison")["inputs"]["parameterValues"]

    assert json.loads(made["settings"])["evaluation"] == {"min_accuracy": 0.8, "max_error": 0.0}


NAME = "0123456789abcdef"


@pytest.mark.parametrize(
    ("uri", "directory"),
    [
        ("minio://b/data", f"/minio/b/data/datasets/{NAME}"),
        ("minio://b/data/", f"/minio/b/data/datasets/{NAME}"),
        (f"minio://b/data/datasets/{NAME}", f"/minio/b/data/datasets/{NAME}"),
    ],
)
def test_the_example_gen_reads_the_dataset_that_was_found_in_the_imported_data(uri, directory):
    declared = {"artifacts": {"data": {"artifactType": {"schemaTitle": "system.Dataset"}}}}
    executor_input = asked(parameters={"input_base": "", "data_fingerprint": NAME})
    executor_input["inputs"]["artifacts"] = {
        "data": {"artifacts": [{"uri": uri, "type": {"instanceSchema": ""}}]}
    }

    made = to_tfx(executor_input, declared, "example-gen")["inputs"]

    assert made == {"artifacts": {}, "parameterValues": {"input_base": directory}}


@pytest.mark.parametrize("root", ["gs://b/data", "/mnt/data/"])
def test_the_example_gen_reads_the_dataset_that_was_found_directly(root):
    executor_input = asked(parameters={"input_base": root, "data_fingerprint": NAME})
    executor_input["inputs"]["artifacts"] = {}

    made = to_tfx(executor_input, {}, "example-gen")["inputs"]

    directory = f"{root.rstrip('/')}/datasets/{NAME}"
    assert made == {"artifacts": {}, "parameterValues": {"input_base": directory}}


@pytest.mark.parametrize(
    ("push_to", "directory"),
    [("gs://models/", "gs://models/lite"), ("/mnt/models", "/mnt/models/lite"), ("", "")],
)
def test_each_branch_has_its_directory_below_the_destination(push_to, directory):
    given = {
        "push_to": push_to,
        "push_destination": '{"filesystem": {"base_directory": "lite"}}',
    }

    made = to_tfx(asked(parameters=given), task="pusher-lite")["inputs"]["parameterValues"]

    assert json.loads(made["push_destination"]) == {"filesystem": {"base_directory": directory}}
