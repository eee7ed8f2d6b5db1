"""The specification that is compiled: complete, valid, the same every time."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from kubeflow import parameters
from kubeflow.compiler import check, finish, platform
from kubeflow.package import Package
from modules import mnist
from modules.task import Classification, Feature, Picture, Regression, Task
from pipelines import settings, stack
from pipelines.errors import SettingsError
from tests.kubeflow import golden_file

COMMAND = Path(sys.executable).with_name("tfx-mobile")
PHOTOS = Task(
    "photos",
    (Feature("image", (48, 48, 3), picture=Picture(48, 48, 3)),),
    "label",
    Classification(("cat", "dog", "elk")),
)
TABLE = Task("table", (Feature("age"), Feature("weight")), "pressure", Regression("mmHg"))
DIGEST = "registry.example/tfx-mobile@sha256:" + "a" * 64


def compile_(directory, *arguments, environment=None):
    return subprocess.run(
        [COMMAND, "compile", *arguments],
        cwd=directory,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """What the command writes with the defaults."""
    directory = tmp_path_factory.mktemp("compiled here")
    ended = compile_(directory, "--image", golden_file.IMAGE, "-o", "made.yaml")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == (
        f"made.yaml: pipeline mnist, 15 tasks, image {golden_file.IMAGE}\n"
        "task mnist: 10 classes, 28x28 grey, the default\n"
    )
    assert ended.stderr == ""
    assert os.listdir(directory) == ["made.yaml"]
    return directory / "made.yaml"


@pytest.fixture
def spec(compiled):
    (document,) = yaml.safe_load_all(compiled.read_text())
    return document


def test_it_is_the_kept_one(compiled):
    drift = golden_file.drift(compiled.read_text(), stack.installed().name)

    assert not drift, f"\n{drift}\n\nif so meant: .venv/bin/python -m tests.kubeflow.golden_file"


def test_drift_is_told_line_by_line(compiled):
    text = compiled.read_text().replace("enableCache: true", "enableCache: false", 1)

    drift = golden_file.drift(text, stack.installed().name).splitlines()

    changed = [line.split() for line in drift[2:] if line[0] in "+-"]
    assert changed == [["-", "enableCache:", "true"], ["+", "enableCache:", "false"]]


def test_the_same_settings_are_the_same_bytes(compiled, tmp_path):
    arguments = ("--image", golden_file.IMAGE, "-o", "again.yaml")
    ended = compile_(tmp_path, *arguments, environment={"PYTHONHASHSEED": "7"})

    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "again.yaml").read_bytes() == compiled.read_bytes()


def test_kfp_parses_it_strictly(spec):
    parsed = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())

    assert (parsed.schema_version, parsed.pipeline_info.name) == ("2.1.0", "mnist")


def test_a_person_finds_what_they_want_to_change_on_the_run_form(spec):
    form = spec["root"]["inputDefinitions"]["parameters"]

    assert {name: (f["parameterType"], f["defaultValue"]) for name, f in form.items()} == {
        "data_uri": ("STRING", "minio://mlpipeline/v2/artifacts/tfx-mobile/data"),
        "train_steps": ("NUMBER_INTEGER", 5000),
        "eval_steps": ("NUMBER_INTEGER", 100),
        "batch_size": ("NUMBER_INTEGER", 40),
        "min_accuracy": ("NUMBER_DOUBLE", 0.8),
        "push_to": ("STRING", ""),
    }
    assert all(f["description"] and f["isOptional"] for f in form.values())


def test_run_parameters_reach_the_nodes_of_every_branch(spec):
    def takers(name):
        return {
            node
            for node, task in spec["root"]["dag"]["tasks"].items()
            if {"componentInputParameter": name} in task["inputs"].get("parameters", {}).values()
        }

    for name in ("train_steps", "eval_steps", "batch_size"):
        assert takers(name) == {"trainer-keras", "trainer-lite", "comparison"}
    assert takers("min_accuracy") == {"evaluator-keras", "evaluator-lite", "comparison"}
    assert takers("push_to") == {"pusher-keras", "pusher-lite"}
    assert takers("data_uri") == {"data"}


def test_the_tasks_know_what_is_learnt(spec):
    tasks = spec["root"]["dag"]["tasks"]

    def constant(node, name):
        return json.loads(tasks[node]["inputs"]["parameters"][name]["runtimeValue"]["constant"])

    task = mnist.TASK.to_dict()
    assert constant("data-fingerprint", "task") == task
    for node in ("transform", "trainer-keras", "trainer-lite"):
        assert constant(node, "custom_config")["task"] == task, node
    for node in ("comparison", "validator-lite", "evaluator-keras"):
        assert constant(node, "task") == task, node


@pytest.mark.parametrize("task", [PHOTOS, TABLE], ids=lambda task: task.name)
@pytest.mark.parametrize("branches", [["keras", "lite"], ["keras", "lite", "lite-int8"]], ids=len)
def test_another_task_is_compiled(task, branches):
    from kubeflow.compiler import compile as compiler

    loaded = settings.validate(
        {
            "branches": branches,
            "training": {"augment": {"flip": True}, "mobilenet": {"alpha": 0.5}},
            "evaluation": {"min_accuracy": 0.6, "max_error": 5},
        }
    )
    (spec,) = compiler.compile_pipeline(loaded, task, golden_file.IMAGE)  # checked by `check.spec`

    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    form = spec["root"]["inputDefinitions"]["parameters"]
    gate = {"photos": ("min_accuracy", 0.6), "table": ("max_error", 5.0)}[task.name]
    assert [
        (name, field["parameterType"], field["defaultValue"])
        for name, field in form.items()
        if name in ("min_accuracy", "max_error")
    ] == [(gate[0], "NUMBER_DOUBLE", gate[1])]
    tasks = spec["root"]["dag"]["tasks"]
    for branch in branches:
        given = tasks[f"evaluator-{branch}"]["inputs"]["parameters"]
        assert given[gate[0]] == {"componentInputParameter": gate[0]}
    titles = {
        output["artifactType"].get("schemaTitle")
        for output in spec["components"]["comparison"]["outputDefinitions"]["artifacts"].values()
    }
    is_classification = task.head.kind == "classification"
    assert ("system.ClassificationMetrics" in titles) == is_classification
    assert {"system.Metrics", "system.HTML"} <= titles


def test_the_containers_know_what_the_tasks_declare(spec):
    for name, component in spec["components"].items():
        container = spec["deploymentSpec"]["executors"][component["executorLabel"]].get("container")
        if container is None or container["command"][-1] != "kubeflow.adapter":
            continue
        args = container["args"]
        assert args[:2] == ["--task", name]
        declared = json.loads(args[args.index("--json_serialized_inputs_spec_args") + 1])
        assert declared == component["inputDefinitions"]


def test_every_container_has_the_image_resources_and_our_command(spec):
    containers = [
        e["container"] for e in spec["deploymentSpec"]["executors"].values() if "container" in e
    ]

    assert len(containers) == 14
    assert {c["image"] for c in containers} == {golden_file.IMAGE}
    assert {tuple(c["command"]) for c in containers} == {
        ("python", "-m", "kubeflow.adapter"),
        ("python", "-m", "kubeflow.fingerprint"),
    }
    assert [c["resources"] for c in containers] == [
        {"cpuRequest": 1.0, "memoryRequest": 2 * 1024**3 / 1e9}
    ] * 14
    assert not any("lifecycle" in c for c in containers)


def test_only_the_look_at_the_data_and_the_comparison_are_never_cached(spec):
    cached = {
        name: task["cachingOptions"].get("enableCache", False)
        for name, task in spec["root"]["dag"]["tasks"].items()
    }

    assert [name for name, yes in cached.items() if not yes] == ["comparison", "data-fingerprint"]


def test_the_comparison_records_its_own_run_and_dataset(spec):
    given = spec["root"]["dag"]["tasks"]["comparison"]["inputs"]["parameters"]

    assert given["run"] == {"runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}}
    assert given["dataset"] == {
        "taskOutputParameter": {
            "producerTask": "data-fingerprint",
            "outputParameterKey": "dataset_summary",
        }
    }


def test_every_component_that_runs_our_code_has_it_in_its_cache_key(spec):
    tasks = spec["root"]["dag"]["tasks"]
    keyed = {name for name, task in tasks.items() if "code" in task["inputs"].get("parameters", {})}

    assert keyed == {
        "transform",
        "comparison",
        "validator-lite",
        *(f"{kind}-{b}" for kind in ("trainer", "evaluator", "pusher") for b in ("keras", "lite")),
    }


def test_types_of_the_ui_have_their_exact_title(spec):
    outputs = spec["components"]["comparison"]["outputDefinitions"]["artifacts"]

    assert {key: output["artifactType"].get("schemaTitle") for key, output in outputs.items()} == {
        "comparison": None,
        "metrics": "system.Metrics",
        "page": "system.HTML",
        "confusion_keras": "system.ClassificationMetrics",
        "confusion_lite": "system.ClassificationMetrics",
    }
    assert "mobile.BranchComparison" in outputs["comparison"]["artifactType"]["instanceSchema"]


# ---------------------------------------------------------------- finishing, on a small example


@pytest.fixture
def tfx_spec():
    """What TFX would compile of an ExampleGen, a Trainer, an Evaluator and a comparison."""

    def executor(name):
        return {
            "container": {
                "image": "image",
                "command": ["python", "-m", "kubeflow.adapter"],
                "args": ["--executor_class_path", name, "--json_serialized_inputs_spec_args", "{}"],
            }
        }

    def constant(value):
        return {"runtimeValue": {"constant": value}}

    text = {"parameterType": "STRING"}
    trainer = {
        "train_args": '{"num_steps": 1}',
        "eval_args": '{"num_steps": 1}',
        "custom_config": '{"training": {"batch_size": 1}}',
    }
    gates = {"SparseCategoricalAccuracy": "lower_bound", "MeanAbsoluteError": "upper_bound"}
    config = {
        "metrics_specs": [
            {
                "metrics": [
                    {"class_name": "ExampleCount"},
                    *(
                        {
                            "class_name": name,
                            "per_slice_thresholds": [
                                {"threshold": {"value_threshold": {bound: 0.5}}}
                            ],
                        }
                        for name, bound in gates.items()
                    ),
                ]
            }
        ]
    }
    tasks = {
        "example-gen": {"input_base": constant("")},
        "evaluator-lite": {"eval_config": constant(json.dumps(config))},
        "trainer-lite": {name: constant(value) for name, value in trainer.items()},
        "comparison": {
            "settings": constant(
                '{"training": {"steps": 1, "eval_steps": 1, "batch_size": 1}, '
                '"evaluation": {"min_accuracy": 1, "max_error": 0}}'
            ),
            "dataset": constant(""),
            "run": constant(""),
        },
    }
    spec = {
        "pipelineInfo": {"name": "small"},
        "root": {
            "dag": {
                "tasks": {
                    name: {
                        "taskInfo": {"name": name},
                        "componentRef": {"name": name},
                        "inputs": {"parameters": given},
                        "dependentTasks": [],
                    }
                    for name, given in tasks.items()
                }
            }
        },
        "components": {
            name: {
                "executorLabel": f"{name}_executor",
                "inputDefinitions": {"parameters": dict.fromkeys(given, text)},
            }
            for name, given in tasks.items()
        },
        "deploymentSpec": {"executors": {f"{name}_executor": executor(name) for name in tasks}},
    }
    container = spec["deploymentSpec"]["executors"]["example-gen_executor"]["container"]
    container["lifecycle"] = {"preCacheCheck": {}}
    return spec


def finished(tfx_spec, task=mnist.TASK, **kubeflow):
    return finish.finish(tfx_spec, settings.validate({"kubeflow": kubeflow}), task, "image")


def test_finishing_is_pure(tfx_spec):
    before = copy.deepcopy(tfx_spec)
    first, second = finished(tfx_spec), finished(tfx_spec)

    assert tfx_spec == before
    assert first == second


def test_data_comes_by_an_importer(tfx_spec):
    made = finished(tfx_spec)
    tasks = made["root"]["dag"]["tasks"]

    assert tasks["example-gen"]["inputs"]["artifacts"] == {
        "data": {"taskOutputArtifact": {"producerTask": "data", "outputArtifactKey": "artifact"}}
    }
    assert tasks["example-gen"]["dependentTasks"] == ["data", "data-fingerprint"]
    assert tasks["data-fingerprint"]["dependentTasks"] == ["data"]
    importer = made["deploymentSpec"]["executors"]["data_executor"]["importer"]
    assert importer["artifactUri"] == {"runtimeParameter": "uri"}
    assert "reimport" not in importer


def test_data_may_be_read_by_the_task_itself(tfx_spec):
    made = finished(tfx_spec, data_access="direct", data="gs://bucket/data")
    tasks = made["root"]["dag"]["tasks"]

    assert set(tasks) == {*tfx_spec["root"]["dag"]["tasks"], "data-fingerprint"}
    uri = {"componentInputParameter": "data_uri"}
    assert tasks["example-gen"]["inputs"]["parameters"]["input_base"] == uri
    assert tasks["data-fingerprint"]["inputs"]["parameters"]["data_uri"] == uri
    assert "artifacts" not in tasks["example-gen"]["inputs"]
    form = made["root"]["inputDefinitions"]["parameters"]
    assert form["data_uri"]["defaultValue"] == "gs://bucket/data"


@pytest.mark.parametrize("access", ["importer", "direct"])
def test_changed_data_is_another_parameter_of_the_example_gen(tfx_spec, access):
    given = finished(tfx_spec, data_access=access)["root"]["dag"]["tasks"]["example-gen"]["inputs"]

    assert given["parameters"]["data_fingerprint"] == {
        "taskOutputParameter": {
            "producerTask": "data-fingerprint",
            "outputParameterKey": "data_fingerprint",
        }
    }


def test_no_two_runs_share_the_look_at_the_data(tfx_spec):
    task = finished(tfx_spec)["root"]["dag"]["tasks"]["data-fingerprint"]

    assert task["inputs"]["parameters"]["run"] == {
        "runtimeValue": {"constant": "{{$.pipeline_job_uuid}}"}
    }
    assert task["cachingOptions"] == {}


def test_the_driver_that_kfp_never_runs_is_the_adapters(tfx_spec):
    executors = finished(tfx_spec)["deploymentSpec"]["executors"]

    assert "--example_gen_driver" in executors["example-gen_executor"]["container"]["args"]
    assert "--example_gen_driver" not in executors["trainer-lite_executor"]["container"]["args"]
    assert "lifecycle" not in executors["example-gen_executor"]["container"]


@pytest.mark.parametrize(
    ("cpu", "memory", "cores", "gigabytes"),
    [
        ("1", "2Gi", 1.0, 2.147483648),
        ("500m", "512Mi", 0.5, 0.536870912),
        ("1.5", "2G", 1.5, 2.0),
        ("2", "1000000000", 2.0, 1.0),
        ("2", "4000000k", 2.0, 4.0),
    ],
)
def test_resources(tfx_spec, cpu, memory, cores, gigabytes):
    made = finished(tfx_spec, cpu=cpu, memory=memory)

    container = made["deploymentSpec"]["executors"]["trainer-lite_executor"]["container"]
    assert container["resources"]["cpuRequest"] == cores
    assert container["resources"]["memoryRequest"] == pytest.approx(gigabytes, rel=1e-12)


def test_environment_root_and_uncached_tasks(tfx_spec):
    made = finished(
        tfx_spec,
        environment={"B": "2", "A": "1"},
        pipeline_root="gs://bucket/root",
        uncached=["trainer-lite"],
    )

    container = made["deploymentSpec"]["executors"]["data-fingerprint_executor"]["container"]
    assert container["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert made["defaultPipelineRoot"] == "gs://bucket/root"
    assert made["root"]["dag"]["tasks"]["trainer-lite"]["cachingOptions"] == {}


def test_an_unknown_uncached_task_is_named(tfx_spec):
    with pytest.raises(SettingsError, match="names 'pusher-lit', and the tasks are comparison, d"):
        finished(tfx_spec, uncached=["pusher-lit"])


def test_a_parameter_that_nothing_would_read_is_an_error(tfx_spec):
    given = tfx_spec["root"]["dag"]["tasks"]["trainer-lite"]["inputs"]["parameters"]
    given["train_args"] = {"runtimeValue": {"constant": "{}"}}

    with pytest.raises(KeyError, match="num_steps"):
        finished(tfx_spec)


@pytest.mark.parametrize(
    ("task", "gate"), [(PHOTOS, {"min_accuracy": 0.5}), (TABLE, {"max_error": 0.0})]
)
def test_every_default_is_that_of_its_setting(task, gate):
    loaded = settings.validate({"training": {"steps": 7}, "evaluation": {"min_accuracy": 0.5}})
    defaults = {p.name: p.default(loaded) for p in parameters.form(task)}

    assert defaults == {
        "train_steps": 7,
        "eval_steps": 100,
        "batch_size": 40,
        **gate,
        "push_to": "",
    }
    assert {type(defaults[name]) for name in gate} == {float}, "a number, not a whole number"


# ---------------------------------------------------------------- the task


@pytest.mark.parametrize(
    ("task", "gate", "other"),
    [(PHOTOS, "min_accuracy", "max_error"), (TABLE, "max_error", "min_accuracy")],
)
def test_the_run_form_has_the_gate_of_the_head(tfx_spec, task, gate, other):
    made = finished(tfx_spec, task)

    check.spec(made)
    form = made["root"]["inputDefinitions"]["parameters"]
    assert form[gate]["parameterType"] == "NUMBER_DOUBLE"
    assert other not in form
    for node in ("evaluator-lite", "comparison"):
        given = made["root"]["dag"]["tasks"][node]["inputs"]["parameters"]
        assert given[gate] == {"componentInputParameter": gate}
        assert other not in given
        assert other not in made["components"][node]["inputDefinitions"]["parameters"]


def test_a_gate_without_its_metric_is_an_error(tfx_spec):
    given = tfx_spec["root"]["dag"]["tasks"]["evaluator-lite"]["inputs"]["parameters"]
    config = given["eval_config"]["runtimeValue"]
    config["constant"] = config["constant"].replace("MeanAbsoluteError", "MeanSquaredError")

    with pytest.raises(LookupError, match="there is no metric MeanAbsoluteError"):
        finished(tfx_spec, TABLE)


@pytest.mark.parametrize(
    ("task", "value", "typed"),
    [(PHOTOS, {"min_accuracy": "1"}, 1.0), (TABLE, {"max_error": 7}, 7.0)],
)
def test_a_run_is_given_the_gate_of_its_form(tfx_spec, task, value, typed):
    (name,) = value
    package = Package([finished(tfx_spec, task)])

    assert package.arguments(value) == {name: typed}
    with pytest.raises(SettingsError, match=f"{name} cannot be -1"):
        package.arguments({name: -1})
    (other,) = {"min_accuracy", "max_error"} - {name}
    with pytest.raises(SettingsError, match=f"has no parameter {other!r}"):
        package.arguments({other: 1})


@pytest.mark.parametrize("task", [mnist.TASK, PHOTOS, TABLE], ids=lambda task: task.name)
def test_the_look_at_the_data_knows_the_task(tfx_spec, task):
    made = finished(tfx_spec, task)["root"]["dag"]["tasks"]["data-fingerprint"]

    constant = made["inputs"]["parameters"]["task"]["runtimeValue"]["constant"]
    assert Task.from_dict(json.loads(constant)) == task


# ---------------------------------------------------------------- platform document


def test_no_platform_document_unless_asked_for(tfx_spec):
    assert platform.build(finished(tfx_spec), settings.load()) is None


def test_platform_document(tfx_spec):
    asked = settings.validate(
        {
            "kubeflow": {
                "image_pull_policy": "Always",
                "image_pull_secrets": ["registry"],
                "node_selector": {"pool": "train"},
                "tolerations": [{"key": "gpu", "effect": "NoSchedule"}],
                "secrets": [
                    {"secret": "s3", "key": "id", "variable": "AWS_ACCESS_KEY_ID"},
                    {"secret": "s3", "key": "secret", "variable": "AWS_SECRET_ACCESS_KEY"},
                    {"secret": "ca", "key": "path", "variable": "AWS_CA_BUNDLE"},
                ],
            }
        }
    )
    document = platform.build(finished(tfx_spec), asked)

    executors = document["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(executors) == {
        "comparison_executor",
        "data-fingerprint_executor",
        "evaluator-lite_executor",
        "example-gen_executor",
        "trainer-lite_executor",
    }
    assert executors["trainer-lite_executor"] == {
        "imagePullPolicy": "Always",
        "imagePullSecret": [{"secretName": "registry"}],
        "nodeSelector": {"labels": {"pool": "train"}},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "secretAsEnv": [
            {
                "secretName": "s3",
                "keyToEnv": [
                    {"secretKey": "id", "envVar": "AWS_ACCESS_KEY_ID"},
                    {"secretKey": "secret", "envVar": "AWS_SECRET_ACCESS_KEY"},
                ],
            },
            {
                "secretName": "ca",
                "keyToEnv": [{"secretKey": "path", "envVar": "AWS_CA_BUNDLE"}],
            },
        ],
    }


CLUSTER = {
    "runner": "portable",
    "job_endpoint": "jobs:8099",
    "environment": "EXTERNAL",
    "environment_config": "localhost:50000",
    "staging": "/mnt/beam",
}


def test_platform_document_mounts_the_volume_of_beam(tfx_spec):
    asked = settings.validate({"beam": {**CLUSTER, "staging_claim": "shared"}})
    document = platform.build(finished(tfx_spec), asked)

    pods = document["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values()
    assert [pod["pvcMount"] for pod in pods] == [
        [{"constant": "shared", "mountPath": "/mnt/beam"}] for _ in pods
    ]


# ---------------------------------------------------------------- Beam elsewhere


def build(**values):
    """What TFX makes of settings of Beam."""
    from kubeflow.compiler import tfx_spec as tfx

    return tfx.build(settings.validate({"beam": values}), mnist.TASK, DIGEST)


def test_components_that_use_beam_stage_their_files():
    made = build(**CLUSTER)

    executors = made["deploymentSpec"]["executors"]
    staged = {
        label.removesuffix("_executor")
        for label, executor in executors.items()
        if "--beam_staging=/mnt/beam" in executor["container"]["args"]
    }
    assert staged == {
        "statistics-gen",
        "transform",
        "evaluator-keras",
        "evaluator-lite",
    }
    for executor in executors.values():
        assert "--job_endpoint=jobs:8099" in executor["container"]["args"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"staging": ""}, "needs beam.staging"),
        ({"environment": "LOOPBACK", "environment_config": ""}, "LOOPBACK is this machine's own"),
    ],
)
def test_a_cluster_that_sees_no_files_is_refused(changed, sentence):
    with pytest.raises(SettingsError, match=sentence):
        build(**{**CLUSTER, **changed})


@pytest.mark.parametrize("runner", ["flink", "spark"])
def test_java_in_a_task_is_refused(runner):
    with pytest.raises(SettingsError, match="take the runner portable"):
        build(runner=runner, master="local", job_server_jar="server.jar")


# ---------------------------------------------------------------- checks


@pytest.mark.parametrize(
    "reference",
    [
        DIGEST,
        "tfx-mobile:1.0.0",
        "localhost:5000/tfx-mobile:v1.2.3-rc1",
        "a/b:3f9d2c1",
        f"a/b:latest@sha256:{'0' * 64}",
    ],
)
def test_images_that_stay_what_they_are(reference):
    check.image(reference, allow_mutable_tag=False)


@pytest.mark.parametrize(
    "reference",
    ["tfx-mobile", "tfx-mobile:latest", "localhost:5000/tfx-mobile", "a/b:main", "a/b:1.2", "a:v3"],
)
def test_images_that_may_change(reference):
    with pytest.raises(SettingsError, match=r"may be moved to another image.*--allow-mutable-tag"):
        check.image(reference, allow_mutable_tag=False)
    check.image(reference, allow_mutable_tag=True)


@pytest.mark.parametrize(
    "reference", ["", "A/B:1.0.0", "a b:1.0.0", "a:1.0.0:2", "http://a/b", "-"]
)
def test_what_is_no_image(reference):
    with pytest.raises(SettingsError, match=r"no image is given|is not an image"):
        check.image(reference, allow_mutable_tag=True)


def test_a_finished_specification_passes(tfx_spec):
    check.spec(finished(tfx_spec))


def _rename(spec):
    spec["root"]["dag"]["tasks"]["trainer_lite"] = spec["root"]["dag"]["tasks"].pop("trainer-lite")


def _resolver(spec):
    spec["deploymentSpec"]["executors"]["trainer-lite_executor"] = {"resolver": {}}


def _lifecycle(spec):
    spec["deploymentSpec"]["executors"]["trainer-lite_executor"]["container"]["lifecycle"] = {}


def _no_default(spec):
    del spec["root"]["inputDefinitions"]["parameters"]["train_steps"]["defaultValue"]


def _wrong_default(spec):
    spec["root"]["inputDefinitions"]["parameters"]["train_steps"]["defaultValue"] = 2.5


def _other_type(spec):
    spec["root"]["inputDefinitions"]["parameters"]["train_steps"]["parameterType"] = "STRING"
    spec["root"]["inputDefinitions"]["parameters"]["train_steps"]["defaultValue"] = "1"


def _undeclared(spec):
    spec["root"]["dag"]["tasks"]["trainer-lite"]["inputs"]["parameters"]["x"] = {}


def _wrong_constant(spec):
    given = spec["root"]["dag"]["tasks"]["trainer-lite"]["inputs"]["parameters"]
    given["train_args"]["runtimeValue"]["constant"] = 3


def _secret_in_text(spec):
    given = spec["root"]["dag"]["tasks"]["trainer-lite"]["inputs"]["parameters"]
    given["train_args"]["runtimeValue"]["constant"] = "AKIA" + "A" * 16


def _secret_in_environment(spec):
    spec["deploymentSpec"]["executors"]["trainer-lite_executor"]["container"]["env"] = [
        {"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}
    ]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_rename, "the task 'trainer_lite' cannot run"),
        (_resolver, "trainer-lite_executor is a resolver"),
        (_lifecycle, "trainer-lite_executor has a pre-cache check"),
        (_no_default, "the run's parameter 'train_steps' has no default"),
        (_wrong_default, "'train_steps' is 2.5, which is no NUMBER_INTEGER"),
        (_other_type, "takes 'train_steps' as NUMBER_INTEGER, and the run's parameter"),
        (_undeclared, "is given a parameter 'x' that it does not declare"),
        (_wrong_constant, "is given 3 for 'train_args', not a STRING"),
        (_secret_in_text, "looks like a secret: give it as kubeflow.secrets"),
        (_secret_in_environment, "AWS_SECRET_ACCESS_KEY of trainer-lite_executor looks like"),
    ],
)
def test_what_would_not_run_is_refused(tfx_spec, spoil, sentence):
    made = finished(tfx_spec)
    spoil(made)

    with pytest.raises(SettingsError) as caught:
        check.spec(made)

    assert sentence in str(caught.value)
    assert "AKIA" not in str(caught.value)


# ---------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no image is given: use --image, or the setting kubeflow.image"),
        (["--image", "a:latest"], "--allow-mutable-tag"),
        (["--image", "a:1.0.0", "--set", "kubeflow.cpus=2"], "did you mean 'kubeflow.cpu'?"),
        (["--image", "a:1.0.0", "--set", "kubeflow.memory=lots"], "kubeflow.memory: "),
    ],
)
def test_wrong_usage_is_told_at_once(tmp_path, arguments, sentence):
    ended = compile_(tmp_path, *arguments)

    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == []


def test_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    ended = compile_(tmp_path, "--image", "a:1.0.0", "-o", "file/made.yaml")

    assert ended.returncode == 2
    assert ended.stderr == "tfx-mobile: cannot write file/made.yaml: file is a file\n"
    assert os.listdir(tmp_path) == ["file"]


def test_settings_reach_the_file(tmp_path):
    (tmp_path / "settings.yaml").write_text(
        "name: digits\n"
        "branches: [keras, lite, lite-int8]\n"
        "kubeflow: {image: 'a:1.0.0', image_pull_policy: Always, environment: {A: b}}\n"
    )
    ended = compile_(tmp_path, "--settings", "settings.yaml")

    assert ended.returncode == 0, ended.stderr
    spec, document = yaml.safe_load_all((tmp_path / "pipeline.yaml").read_text())
    assert spec["pipelineInfo"]["name"] == "digits"
    assert {"trainer-lite-int8", "validator-lite-int8"} <= set(spec["root"]["dag"]["tasks"])
    executors = document["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors["comparison_executor"] == {"imagePullPolicy": "Always"}
