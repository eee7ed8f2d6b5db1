"""The server of the tests, by the real SDK: it does what KFP's own does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kfp
import pytest
import yaml
from kfp_server_api import ApiException

from tests.kubeflow.client.api_server import ApiServer

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

SPEC: dict[str, Any] = {
    "pipelineInfo": {"name": "mnist"},
    "schemaVersion": "2.1.0",
    "sdkVersion": "tfx-1.16.0",
    "deploymentSpec": {
        "executors": {
            "exec-gen": {"container": {"image": "x", "command": ["a"]}},
            "exec-trainer": {"container": {"image": "x", "command": ["b"]}},
            "exec-importer": {"importer": {"artifactUri": {"constant": "minio://b/k"}}},
        }
    },
    "components": {
        "comp-gen": {"executorLabel": "exec-gen"},
        "comp-trainer": {"executorLabel": "exec-trainer"},
        "comp-importer": {"executorLabel": "exec-importer"},
    },
    "root": {
        "dag": {
            "tasks": {
                "trainer": {
                    "taskInfo": {"name": "trainer"},
                    "componentRef": {"name": "comp-trainer"},
                    "dependentTasks": ["gen"],
                },
                "gen": {
                    "taskInfo": {"name": "gen"},
                    "componentRef": {"name": "comp-gen"},
                    "dependentTasks": ["data"],
                },
                "data": {
                    "taskInfo": {"name": "data"},
                    "componentRef": {"name": "comp-importer"},
                },
            }
        },
        "inputDefinitions": {
            "parameters": {
                "data": {"parameterType": "STRING"},
                "steps": {"parameterType": "NUMBER_INTEGER", "defaultValue": 3},
                "fast": {"parameterType": "BOOLEAN", "isOptional": True},
            }
        },
    },
}
PLATFORM = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-gen": {}}}}}}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as running:
        yield running


@pytest.fixture
def client(server: ApiServer) -> kfp.Client:
    return kfp.Client(host=server.url)


@pytest.fixture
def package(tmp_path: Path) -> str:
    return written(tmp_path, SPEC)


def written(directory: Path, *documents: Any, name: str = "mnist.yaml") -> str:
    (directory / name).write_text(yaml.safe_dump_all(documents))
    return str(directory / name)


def equals(key: str, value: str, operation: int = 1) -> str:
    predicate = {"operation": operation, "key": key, "stringValue": value}
    return json.dumps({"predicates": [predicate]})


def start(client: kfp.Client, package: str, name: str = "first", **arguments: Any) -> Any:
    """Uploads the package if it is not there, and runs it."""
    pipeline_id = client.get_pipeline_id("mnist")
    if pipeline_id is None:
        pipeline_id = client.upload_pipeline(package, "mnist").pipeline_id
    version = client.list_pipeline_versions(pipeline_id, sort_by="created_at desc")
    return client.run_pipeline(
        client.create_experiment("tests").experiment_id,
        name,
        pipeline_id=pipeline_id,
        version_id=version.pipeline_versions[0].pipeline_version_id,
        **{"params": {"data": "minio://b/k"}, **arguments},
    )


def schedule(client: kfp.Client, package: str, name: str = "nightly", **arguments: Any) -> Any:
    run = start(client, package)
    reference = run.pipeline_version_reference
    return client.create_recurring_run(
        run.experiment_id,
        name,
        pipeline_id=reference.pipeline_id,
        version_id=reference.pipeline_version_id,
        **{
            "params": {"data": "minio://b/k"},
            "cron_expression": None if "interval_second" in arguments else "0 0 3 * * *",
            **arguments,
        },
    )


def refusal(caught: pytest.ExceptionInfo[ApiException]) -> tuple[int, str]:
    body = json.loads(caught.value.body)
    if "error_message" in body:
        return caught.value.status, body["error_message"]
    return caught.value.status, body["details"][0]["message"]


def test_upload_and_versions(client: kfp.Client, server: ApiServer, tmp_path: Path) -> None:
    package = written(tmp_path, SPEC, PLATFORM)

    pipeline = client.upload_pipeline(package, "mnist", description="digits")
    second = client.upload_pipeline_version(package, "second", pipeline_id=pipeline.pipeline_id)

    assert client.get_pipeline_id("mnist") == pipeline.pipeline_id
    assert client.get_pipeline_id("other") is None
    assert client.get_pipeline(pipeline.pipeline_id).description == "digits"
    listed = client.list_pipeline_versions(pipeline.pipeline_id, sort_by="created_at desc")
    assert [one.display_name for one in listed.pipeline_versions] == ["second", "mnist"]
    got = client.get_pipeline_version(pipeline.pipeline_id, second.pipeline_version_id)
    assert got.pipeline_spec["pipeline_spec"]["pipelineInfo"] == {"name": "mnist"}
    assert got.pipeline_spec["platform_spec"] == PLATFORM
    asked = server.requests[2]
    assert (asked.method, asked.path) == ("POST", "/apis/v2beta1/pipelines/upload_version")
    assert asked.query == {"name": "second", "pipelineid": pipeline.pipeline_id}
    assert list(yaml.safe_load_all(asked.body)) == [SPEC, PLATFORM]


def test_delete(client: kfp.Client, package: str) -> None:
    pipeline = client.upload_pipeline(package, "mnist")
    version = client.list_pipeline_versions(pipeline.pipeline_id).pipeline_versions[0]
    with pytest.raises(ApiException) as caught:
        client.delete_pipeline(pipeline.pipeline_id)
    assert "as it has existing pipeline versions" in refusal(caught)[1]

    client.delete_pipeline_version(pipeline.pipeline_id, version.pipeline_version_id)
    client.delete_pipeline(pipeline.pipeline_id)

    assert client.list_pipelines().pipelines is None


def test_experiments(client: kfp.Client) -> None:
    made = client.create_experiment("tests", description="of tests")

    assert client.create_experiment("tests").experiment_id == made.experiment_id
    assert client.get_experiment(experiment_name="tests").description == "of tests"
    assert client.get_experiment(made.experiment_id).storage_state == "AVAILABLE"
    names = [one.display_name for one in client.list_experiments(sort_by="name").experiments]
    assert names == ["Default", "tests"]


def test_a_run_from_its_start_to_its_deletion(client: kfp.Client, package: str) -> None:
    run = start(client, package, params={"data": "x", "steps": 0, "fast": False})

    got = client.get_run(run.run_id)
    assert (got.state, got.finished_at.year, got.service_account) == (
        "PENDING",
        1970,
        "pipeline-runner",
    )
    assert got.runtime_config.parameters == {"data": "x", "steps": 0, "fast": False}
    client.terminate_run(run.run_id)
    assert client.get_run(run.run_id).state == "CANCELING"
    client.archive_run(run.run_id)
    assert client.get_run(run.run_id).storage_state == "ARCHIVED"
    client.delete_run(run.run_id)
    with pytest.raises(ApiException) as caught:
        client.get_run(run.run_id)
    assert refusal(caught) == (404, f"Run {run.run_id} not found")


def test_a_run_of_a_package(client: kfp.Client, package: str, server: ApiServer) -> None:
    run = client.create_run_from_pipeline_package(
        package, {"data": "x"}, run_name="here", experiment_name="tests"
    )

    assert client.get_run(run.run_id).pipeline_spec["pipelineInfo"] == {"name": "mnist"}
    (kept,) = server.store.runs.values()
    assert kept.display_name == "here"


def test_recurring_runs(client: kfp.Client, package: str) -> None:
    made = schedule(client, package, enabled=False, no_catchup=True, max_concurrency=2)

    got = client.get_recurring_run(made.recurring_run_id)
    assert (got.status, got.mode, got.no_catchup) == ("DISABLED", "DISABLE", True)
    assert (got.max_concurrency, got.namespace) == ("2", "kubeflow")
    assert got.trigger.cron_schedule.cron == "0 0 3 * * *"
    client.enable_recurring_run(made.recurring_run_id)
    assert client.get_recurring_run(made.recurring_run_id).status == "ENABLED"
    client.disable_recurring_run(made.recurring_run_id)
    (listed,) = client.list_recurring_runs(experiment_id=made.experiment_id).recurring_runs
    assert listed.status == "DISABLED"
    client.delete_recurring_run(made.recurring_run_id)
    assert client.list_recurring_runs().recurring_runs is None


@pytest.mark.parametrize("order", ["", "created_at desc", "display_name", "run_id desc"])
def test_paging_goes_through_all_once(client: kfp.Client, package: str, order: str) -> None:
    names = [start(client, package, f"run {number}").display_name for number in range(5)]
    seen, token = [], ""
    while True:
        page = client.list_runs(page_size=2, sort_by=order, page_token=token)
        assert page.total_size == 5
        seen += [run.display_name for run in page.runs]
        if not (token := page.next_page_token):
            break
    assert sorted(seen) == names
    if order != "run_id desc":
        assert seen == (names[::-1] if order.endswith("desc") else names)


def test_filters(client: kfp.Client, package: str) -> None:
    for name in ("nightly 1", "nightly 2", "Weekly"):
        start(client, package, name)

    def named(text: str) -> list[str]:
        return [run.display_name for run in client.list_runs(filter=text).runs or []]

    assert named(equals("display_name", "nightly 1")) == ["nightly 1"]
    assert named(equals("name", "NIGHT", operation=8)) == ["nightly 1", "nightly 2"]
    assert named(equals("state", "SUCCEEDED")) == []
    assert len(named(equals("status", "Pending"))) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filter": equals("colour", "red")}, 'filtering on unrecognized field "colour"'),
        ({"filter": equals("name", "x", operation=7)}, "cannot use IN operator with scalar type"),
        ({"filter": "{"}, "failed to parse valid filter"),
        ({"sort_by": "colour"}, 'Invalid sorting field: "colour" on listable type Run'),
        ({"sort_by": "name up"}, "Received invalid sort by format"),
        ({"page_size": -1}, "The page size should be greater than 0"),
        ({"page_token": "x"}, "Invalid p"),
    ],
)
def test_lists_that_are_refused(
    client: kfp.Client, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ApiException) as caught:
        client.list_runs(**arguments)
    status, said = refusal(caught)
    assert status == 400
    assert message in said
