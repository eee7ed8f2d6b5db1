"""The server of the tests, by the real SDK: it does what KFP's own does."""

import contextlib
import copy
import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import kfp
import kfp_server_api
import pytest
import urllib3
import yaml
from kfp_server_api import ApiException

from tests.kubeflow.client import api_cron
from tests.kubeflow.client.api_access import Bearer, IdentityAwareProxy, Session
from tests.kubeflow.client.api_faults import KillAt, dropped, unavailable
from tests.kubeflow.client.api_server import ApiServer
from tests.kubeflow.storage.servers import make_certificate

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


@pytest.fixture(autouse=True)
def _nothing_kept_by_the_sdk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees what the SDK keeps about whoever runs it."""
    monkeypatch.setattr(kfp.Client, "_LOCAL_KFP_CONTEXT", str(tmp_path / "no-context.json"))
    for name in ("KF_PIPELINES_ENDPOINT", "KF_PIPELINES_IAP_OAUTH2_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)


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


def where(key: str, value: str, operation: str = "EQUALS") -> str:
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

    assert named(where("display_name", "nightly 1")) == ["nightly 1"]
    assert named(where("name", "NIGHT", "IS_SUBSTRING")) == ["nightly 1", "nightly 2"]
    assert named(where("state", "SUCCEEDED")) == []
    assert len(named(where("status", "Pending"))) == 3


def test_names_in_filters_are_decoded_twice(client: kfp.Client) -> None:
    client.create_experiment("a b")
    assert client.get_experiment(experiment_name="a+b").display_name == "a b"
    with pytest.raises(ApiException) as caught:
        client.get_experiment(experiment_name="100%")
    assert 'invalid URL escape "%' in refusal(caught)[1]


def test_a_page_of_another_list(client: kfp.Client, package: str) -> None:
    for name in ("one", "two"):
        start(client, package, name)
    token = client.list_runs(page_size=1, sort_by="name").next_page_token
    client.list_runs(page_size=1, sort_by="name", page_token=token)
    with pytest.raises(ApiException) as caught:
        client.list_runs(page_size=1, sort_by="name desc", page_token=token)
    assert "page token does not match" in refusal(caught)[1]
    with pytest.raises(ApiException) as caught:
        client.list_runs(page_size=1, sort_by="experiment_id")
    assert 'cannot sort by field "ExperimentUUID"' in refusal(caught)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filter": where("colour", "red")}, 'filtering on unrecognized field "colour"'),
        ({"filter": where("name", "x", "IN")}, "cannot use IN operator with scalar type"),
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


def changed(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    spec = copy.deepcopy(SPEC)
    change(spec)
    return spec


@pytest.mark.parametrize("release", ["2.5", "2.17"])
def test_taken_names(release: str, package: str) -> None:
    with ApiServer(release=release) as server:
        client = kfp.Client(host=server.url)
        pipeline = client.upload_pipeline(package, "mnist")
        with pytest.raises(ApiException) as one:
            client.upload_pipeline(package, "mnist")
        with pytest.raises(ApiException) as other:
            client.upload_pipeline_version(package, "mnist", pipeline_id=pipeline.pipeline_id)

        said = [refusal(one), refusal(other)]
        assert [status for status, _ in said] == [409, 409]
        # The newer server no longer says why.
        assert all(("already exist" in message) == (release == "2.5") for _, message in said)
        assert len(server.store.versions) == 1


@pytest.mark.parametrize(("release", "status"), [("2.5", 500), ("2.17", 400)])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda spec: spec.update(schemaVersion="2.0.0"), "only supports schema version 2.1.0"),
        (lambda spec: spec.update(colour="red"), "unknown template format"),
        (lambda spec: spec["pipelineInfo"].update(name="Mnist"), "must contain only lowercase"),
    ],
)
def test_specifications_that_are_refused(
    tmp_path: Path, release: str, status: int, change: Callable[[Any], None], message: str
) -> None:
    package = written(tmp_path, changed(change))
    with ApiServer(release=release) as server:
        with pytest.raises(ApiException) as caught:
            kfp.Client(host=server.url).upload_pipeline(package, "mnist")
        assert refusal(caught)[0] == status
        assert message in refusal(caught)[1]
        assert not server.store.pipelines


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "parameter data is not optional"),
        ({"data": 1}, "data requires type string"),
        ({"data": "x", "steps": "3"}, "steps requires type double or integer"),
        ({"data": "x", "steps": True}, "steps requires type double or integer"),
        ({"data": "x", "fast": 1}, "fast requires type bool"),
        ({"data": "x", "colour": "red"}, "parameter(s) provided are not required by pipeline: col"),
    ],
)
@pytest.mark.parametrize("begin", [start, schedule])
def test_parameters_that_are_refused(
    client: kfp.Client,
    package: str,
    begin: Callable[..., Any],
    parameters: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(ApiException) as caught:
        begin(client, package, params=parameters)
    status, said = refusal(caught)
    assert status == 400
    assert message in said


def test_names_of_tasks_are_refused_by_a_run_only(client: kfp.Client, tmp_path: Path) -> None:
    def change(spec: dict[str, Any]) -> None:
        tasks = spec["root"]["dag"]["tasks"]
        tasks["da_ta"] = tasks.pop("data")
        del tasks["gen"], tasks["trainer"]

    package = written(tmp_path, changed(change))
    client.upload_pipeline(package, "mnist")
    with pytest.raises(ApiException) as caught:
        start(client, package)
    assert refusal(caught) == (500, "Internal Server Error")
    assert "'da_ta' is invalid" in json.loads(caught.value.body)["message"]


def test_what_is_not_there(client: kfp.Client, package: str) -> None:
    run = start(client, package)
    reference = run.pipeline_version_reference
    for call in (
        lambda: client.get_pipeline("no"),
        lambda: client.list_pipeline_versions("no"),
        lambda: client.get_pipeline_version(reference.pipeline_id, "no"),
        lambda: client.get_experiment("no"),
        lambda: client.terminate_run("no"),
        lambda: client.list_runs(experiment_id="no"),
        lambda: client.get_recurring_run("no"),
        lambda: client.enable_recurring_run("no"),
        lambda: client.delete_recurring_run("no"),
    ):
        with pytest.raises(ApiException) as caught:
            call()
        assert refusal(caught)[0] == 404
        assert refusal(caught)[1].endswith("no not found")
    with pytest.raises(ApiException) as caught:
        client.run_pipeline(
            run.experiment_id, "x", pipeline_id=reference.pipeline_id, version_id="no"
        )
    assert caught.value.status == 500
    assert "PipelineVersion no not found" in json.loads(caught.value.body)["message"]


def test_a_run_that_has_ended_cannot_be_ended(
    client: kfp.Client, server: ApiServer, package: str
) -> None:
    run = start(client, package)
    server.advance(run.run_id, {}, "SUCCEEDED")
    with pytest.raises(ApiException) as caught:
        client.terminate_run(run.run_id)
    assert refusal(caught)[0] == 400
    assert "Row not found" in refusal(caught)[1]


CRON = ["0 0 3 * * *", "0 3 * * *", "*/5 0 0 ? JAN-mar mon,FRI", "1/2 * * * * *", "@daily"]


@pytest.mark.parametrize("expression", [*CRON, "@every 1h30m"])
def test_cron_that_is_taken(expression: str) -> None:
    api_cron.check(expression)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0 3 * *", "Expected 5 to 6 fields, found 4"),
        ("", "Empty spec string"),
        ("60 * * * * *", "End of range (60) above maximum (59)"),
        ("0 0 0 0 * *", "Beginning of range (0) below minimum (1)"),
        ("0 0 0 * * 7", "End of range (7) above maximum (6)"),
        ("0 0 5-3 * * *", "Beginning of range (5) beyond end of range (3)"),
        ("*/0 * * * * *", "Step of range should be a positive number"),
        ("a * * * * *", "Failed to parse int from a"),
        ("-1 * * * * *", "Failed to parse int from :"),
        ("1/2/3 * * * * *", "Too many slashes"),
        ("1-2-3 * * * * *", "Too many hyphens"),
        ("@fortnightly", "Unrecognized descriptor"),
        ("@every day", "Failed to parse duration"),
    ],
)
def test_cron_that_is_refused(expression: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        api_cron.check(expression)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cron_expression": "0 3 * *"}, "Expected 5 to 6 fields, found 4"),
        ({"interval_second": -1}, "Set at interval to least 1 second"),
        ({"max_concurrency": 0}, "at least 1 and at most 10. Received 0"),
        ({"max_concurrency": 11}, "at least 1 and at most 10. Received 11"),
    ],
)
def test_schedules_that_are_refused(
    client: kfp.Client, package: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ApiException) as caught:
        schedule(client, package, **arguments)
    assert refusal(caught)[0] == 400
    assert message in refusal(caught)[1]


def test_five_fields_are_taken(client: kfp.Client, package: str) -> None:
    """The trap: they are seconds, minutes, hours, day and month."""
    made = schedule(client, package, cron_expression="0 3 * * *")
    assert made.trigger.cron_schedule.cron == "0 3 * * *"


def create_raw(client: kfp.Client, body: Any) -> Any:
    """A recurring run that the SDK would not make; its methods have other names now."""
    api = client._recurring_run_api
    old = getattr(api, "create_recurring_run", None)
    return (old or api.recurring_run_service_create_recurring_run)(body)


def latest(client: kfp.Client, package: str, **arguments: Any) -> Any:
    run = start(client, package)
    reference = kfp_server_api.V2beta1PipelineVersionReference(
        pipeline_id=run.pipeline_version_reference.pipeline_id
    )
    cron = kfp_server_api.V2beta1CronSchedule(cron="0 0 3 * * *")
    fields = {
        "display_name": "Latest one",
        "experiment_id": run.experiment_id,
        "pipeline_version_reference": reference,
        "runtime_config": kfp_server_api.V2beta1RuntimeConfig(parameters={"data": "x"}),
        "trigger": kfp_server_api.V2beta1Trigger(cron_schedule=cron),
        "max_concurrency": "1",
        "mode": "ENABLE",
        **arguments,
    }
    return create_raw(client, kfp_server_api.V2beta1RecurringRun(**fields))


NIGHT = datetime(2026, 2, 1, 3, tzinfo=timezone.utc)


def test_a_pinned_schedule_runs_its_version(
    client: kfp.Client, server: ApiServer, package: str
) -> None:
    made = schedule(client, package, name="Every night!")
    pipeline_id = made.pipeline_version_reference.pipeline_id
    client.upload_pipeline_version(package, "newer", pipeline_id=pipeline_id)

    run = client.get_run(server.tick(made.recurring_run_id, NIGHT).run_id)

    assert run.recurring_run_id == made.recurring_run_id
    assert run.pipeline_version_reference == made.pipeline_version_reference
    assert run.display_name.startswith("everynight")
    assert (run.state, run.service_account) == ("RUNNING", None)
    assert run.scheduled_at.timestamp() == NIGHT.timestamp()
    assert run.runtime_config.parameters == {"data": "minio://b/k"}


def test_another_schedule_runs_the_latest_version(
    client: kfp.Client, server: ApiServer, package: str
) -> None:
    made = latest(client, package)
    assert made.pipeline_version_reference.pipeline_version_id is None
    pipeline_id = made.pipeline_version_reference.pipeline_id
    newer = client.upload_pipeline_version(package, "newer", pipeline_id=pipeline_id)

    run = server.tick(made.recurring_run_id, NIGHT)

    reference = client.get_run(run.run_id).pipeline_version_reference
    assert reference.pipeline_version_id == newer.pipeline_version_id
    assert (run.state, run.service_account) == ("PENDING", "pipeline-runner")


def test_a_schedule_that_does_not_run(client: kfp.Client, server: ApiServer, package: str) -> None:
    made = schedule(client, package)
    first = server.tick(made.recurring_run_id, NIGHT)
    assert server.tick(made.recurring_run_id, NIGHT) is None, "one runs already"
    server.advance(first.run_id, {}, "SUCCEEDED")
    second = server.tick(made.recurring_run_id, NIGHT)
    assert second.display_name != first.display_name
    server.advance(second.run_id, {"gen": "FAILED"})
    client.disable_recurring_run(made.recurring_run_id)
    assert server.tick(made.recurring_run_id, NIGHT) is None, "it is not enabled"


def reported(client: kfp.Client, run: Any) -> list[tuple[str, str | None]]:
    """The names and states of what the server calls tasks, the workflow's own name shortened."""
    details = client.get_run(run.run_id).run_details.task_details
    assert len({detail.task_id for detail in details}) == len(details)
    return sorted(
        (re.sub(r"^mnist-\w+", "mnist", one.display_name), one.state or "") for one in details
    )


@pytest.mark.parametrize("release", ["2.5", "2.17"])
def test_a_run_goes_on(release: str, package: str) -> None:
    with ApiServer(release=release) as server:
        go_on(kfp.Client(host=server.url), server, package)


def go_on(client: kfp.Client, server: ApiServer, package: str) -> None:
    run = start(client, package)
    server.advance(run.run_id, {}, "RUNTIME_STATE_UNSPECIFIED")
    assert client.get_run(run.run_id).state is None
    server.now += timedelta(seconds=10)

    server.advance(run.run_id, {"gen": "RUNNING"})

    assert client.get_run(run.run_id).state == "RUNNING"
    nodes = [
        ("data", "SUCCEEDED"),
        ("executor", "RUNNING"),
        ("gen", "RUNNING"),
        ("gen-driver", "SUCCEEDED"),
        ("mnist", "RUNNING"),
        ("root", "RUNNING"),
        ("root-driver", "SUCCEEDED"),
    ]
    attempts = [(f"{name}(0)", state) for name, state in nodes]
    assert reported(client, run) == sorted(nodes + attempts * (server.release == "2.17"))
    server.now += timedelta(seconds=20)
    server.advance(run.run_id, {"gen": "CACHED", "trainer": "RUNNING"})
    assert ("executor", "SKIPPED") in reported(client, run)
    assert ("gen", "SUCCEEDED") in reported(client, run)
    server.now += timedelta(seconds=30)
    server.advance(run.run_id, {"trainer": "SUCCEEDED"})

    ended = client.get_run(run.run_id)
    assert ended.state == "SUCCEEDED"
    assert ended.finished_at.timestamp() == server.now.timestamp()
    assert [one.state for one in ended.state_history] == ["PENDING", None, "RUNNING", "SUCCEEDED"]
    tasks = {one.display_name: one for one in ended.run_details.task_details}
    assert tasks["trainer"].end_time - tasks["trainer"].start_time == timedelta(seconds=30)
    assert tasks["gen"].end_time - tasks["gen"].start_time == timedelta(seconds=20)
    assert tasks["data"].child_tasks[0].pod_name.startswith("mnist-")


def test_what_runs_has_no_end(client: kfp.Client, server: ApiServer, package: str) -> None:
    run = start(client, package)
    server.advance(run.run_id, {"data": "RUNNING"})
    tasks = client.get_run(run.run_id).run_details.task_details
    assert {one.end_time.year for one in tasks if one.state == "RUNNING"} == {1}


def test_a_run_fails(client: kfp.Client, server: ApiServer, package: str) -> None:
    run = start(client, package)
    server.advance(run.run_id, {"gen": "FAILED"})
    assert client.get_run(run.run_id).state == "FAILED"
    names = {("executor", "FAILED"), ("trainer", ""), ("trainer-driver", ""), ("root", "FAILED")}
    assert names <= set(reported(client, run))


def test_a_run_that_is_ended_fails(client: kfp.Client, server: ApiServer, package: str) -> None:
    run = start(client, package)
    server.advance(run.run_id, {"gen": "RUNNING"})
    client.terminate_run(run.run_id)
    server.advance(run.run_id, {"gen": "RUNNING"})
    assert client.get_run(run.run_id).state == "CANCELING"
    server.advance(run.run_id, {}, "FAILED")
    assert ("gen", "FAILED") in reported(client, run)


def health(server: ApiServer, **settings: Any) -> Any:
    """Asks without `kfp.Client`, whose constructor waits for half a minute after a refusal."""
    cookie = settings.pop("cookie", None)
    configuration = kfp_server_api.Configuration(host=server.url, **settings)
    if "api_key" in settings:
        configuration.api_key_prefix["authorization"] = "Bearer"
    configuration.ssl_ca_cert = settings.get("ssl_ca_cert")
    api = kfp_server_api.HealthzServiceApi(kfp_server_api.ApiClient(configuration, cookie=cookie))
    old = getattr(api, "get_healthz", None)
    return (old or api.healthz_service_get_healthz)()


@pytest.mark.parametrize(
    ("access", "token", "status", "message"),
    [
        (Bearer("good", expired="old"), "old", 401, "Jwt is expired"),
        (Bearer("good"), "bad", 401, "Jwt verification fails"),
        (Bearer("good"), None, 403, "RBAC: access denied"),
        (IdentityAwareProxy("good"), "x", 401, "Invalid IAP credentials: Unable to parse JWT"),
        (IdentityAwareProxy("good"), None, 401, "Invalid IAP credentials: empty token"),
    ],
)
def test_tokens(access: Any, token: str | None, status: int, message: str) -> None:
    with ApiServer(access=access) as server:
        with pytest.raises(ApiException) as caught:
            health(server, **({"api_key": {"authorization": token}} if token else {}))
        assert (caught.value.status, caught.value.body) == (status, message)
        assert health(server, api_key={"authorization": "good"}).multi_user is False
        assert [one.user for one in server.requests] == ["", "user@example.com"]
        assert kfp.Client(host=server.url, existing_token="good").list_runs().total_size is None


def test_a_session(package: str) -> None:
    with ApiServer(access=Session("good")) as server:
        # The SDK follows to the login page, and takes it for an answer that says nothing.
        assert health(server).multi_user is None
        assert health(server, cookie="authservice_session=bad").multi_user is None
        assert health(server, cookie="authservice_session=good").multi_user is False
        client = kfp.Client(host=server.url, cookies="authservice_session=good")
        assert start(client, package).run_id in server.store.runs
    assert server.requests[1].path == "/dex/auth/local/login"


def test_a_certificate_of_its_own(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with ApiServer(certificate=certificate) as server:
        assert server.url.startswith("https://")
        client = kfp.Client(host=server.url, ssl_ca_cert=str(certificate.ca))
        assert client.list_experiments().total_size == 1
        with pytest.raises(urllib3.exceptions.MaxRetryError, match="certificate verify failed"):
            health(server)


def test_a_server_that_is_too_old() -> None:
    with ApiServer(release="1.8") as server:
        with pytest.raises(ApiException) as caught:
            health(server)
        assert (caught.value.status, caught.value.body) == (404, "Not Found\n")
        answer = urllib3.PoolManager().request("GET", f"{server.url}/apis/v1beta1/healthz")
        assert json.loads(answer.data)["tag_name"] == "1.8.0"


def test_namespaces(package: str) -> None:
    with ApiServer(namespaces=["team"], access=Bearer("good")) as server:
        client = kfp.Client(host=server.url, namespace="team", existing_token="good")
        assert client.get_kfp_healthz().multi_user is True
        run = start(client, package)
        assert client.get_experiment(run.experiment_id).namespace == "team"
        assert client.list_runs().total_size == 1
        made = schedule(client, package)
        assert made.namespace == "team"
        with pytest.raises(ApiException) as nowhere:
            client.list_recurring_runs()
        with pytest.raises(ApiException) as elsewhere:
            client.create_experiment("x", namespace="others")
    status, said = refusal(nowhere)
    assert (status, said) == (
        400,
        "a recurring run cannot have an empty namespace in multi-user mode",
    )
    status, said = refusal(elsewhere)
    assert status == 403
    assert said.startswith("User 'user@example.com' is not authorized")


@pytest.mark.parametrize(
    ("kind", "verb", "call"),
    [
        ("pipelines", "create", lambda client, run: upload_again(client)),
        ("pipelines", "list", lambda client, run: client.list_pipelines(namespace="team")),
        ("pipelines", "delete", lambda client, run: delete_version(client, run)),
        ("experiments", "create", lambda client, run: client.create_experiment("x")),
        ("runs", "terminate", lambda client, run: client.terminate_run(run.run_id)),
        ("runs", "list", lambda client, run: client.list_runs(namespace="team")),
        ("jobs", "list", lambda client, run: client.list_recurring_runs(namespace="team")),
    ],
)
def test_verbs(package: str, monkeypatch: Any, kind: str, verb: str, call: Any) -> None:
    """Each request needs its verb, as in a Role."""
    monkeypatch.chdir(Path(package).parent)
    with ApiServer(namespaces=["team"], access=lambda request: "ada") as server:
        client = kfp.Client(host=server.url, namespace="team")
        run = start_in(client, package)
        every = ("create", "get", "list", "delete", "terminate")
        rights = {name: set(every) for name in ("pipelines", "experiments", "runs", "jobs")}
        rights[kind].remove(verb)
        server.store.rights = rights
        with pytest.raises(ApiException) as caught:
            call(client, run)
        assert caught.value.status in (400, 403)
        rights[kind].add(verb)
        call(client, run)


def start_in(client: kfp.Client, package: str) -> Any:
    """A run of a pipeline that belongs to a namespace."""
    pipeline = client.upload_pipeline(package, "mnist", namespace="team")
    versions = client.list_pipeline_versions(pipeline.pipeline_id).pipeline_versions
    return client.run_pipeline(
        client.create_experiment("tests").experiment_id,
        "first",
        pipeline_id=pipeline.pipeline_id,
        version_id=versions[0].pipeline_version_id,
        params={"data": "x"},
    )


def upload_again(client: kfp.Client) -> None:
    client.upload_pipeline("mnist.yaml", "x", namespace="team")


def delete_version(client: kfp.Client, run: Any) -> None:
    reference = run.pipeline_version_reference
    client.delete_pipeline_version(reference.pipeline_id, reference.pipeline_version_id)


def test_who_may_delete_in_a_shared_pipeline(package: str) -> None:
    """Newer releases ask for the right in the namespace of KFP itself."""
    for release, is_refused in (("2.5", False), ("2.17", True)):
        with ApiServer(release=release, namespaces=["team"], access=lambda _: "ada") as server:
            client = kfp.Client(host=server.url, namespace="team")
            pipeline = client.upload_pipeline(package, "mnist")
            (version,) = client.list_pipeline_versions(pipeline.pipeline_id).pipeline_versions
            refused = pytest.raises(ApiException, match="not authorized")
            with refused if is_refused else contextlib.nullcontext():
                client.delete_pipeline_version(pipeline.pipeline_id, version.pipeline_version_id)


def test_nobody_says_who_asks() -> None:
    with ApiServer(namespaces=["team"]) as server:
        with pytest.raises(ApiException) as caught:
            kfp.Client(host=server.url, namespace="team").list_experiments()
        assert refusal(caught)[0] == 401


def test_a_namespace_is_nothing_to_a_single_user(client: kfp.Client) -> None:
    assert client.create_experiment("x", namespace="team").namespace is None


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize(
    ("fault", "error"),
    [(unavailable, ApiException), (dropped, urllib3.exceptions.ProtocolError)],
)
def test_faults(
    client: kfp.Client, server: ApiServer, package: str, fault: Any, error: Any, is_done: bool
) -> None:
    server.faults.append(fault("upload_pipeline", is_done=is_done))

    with pytest.raises(error):
        client.upload_pipeline(package, "mnist")

    assert bool(server.store.pipelines) == is_done
    assert len(server.asked("upload_pipeline")) == 1
    assert bool(client.upload_pipeline(package, "other").pipeline_id)


def test_what_fails_in_passing(client: kfp.Client, server: ApiServer) -> None:
    server.faults.append(unavailable("list_runs", first=2, times=2))
    client.list_runs()
    for _ in range(2):
        with pytest.raises(ApiException) as caught:
            client.list_runs()
        assert caught.value.status == 503
    client.list_runs()


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("change", [1, 2, 3])
def test_a_client_that_is_killed(
    client: kfp.Client, server: ApiServer, package: str, change: int, is_done: bool
) -> None:
    killed: list[str] = []
    server.faults.append(KillAt(change, lambda: killed.append("now"), is_done=is_done))

    with contextlib.suppress(urllib3.exceptions.HTTPError):
        start(client, package)

    done = len(server.store.pipelines) + len(server.store.experiments) - 1 + len(server.store.runs)
    assert done == change - (not is_done)
    assert killed == ["now"]
    with pytest.raises(urllib3.exceptions.HTTPError):
        client.list_runs()
    server.faults.clear()
    start(client, package)
    assert len(server.store.runs) >= 1


@pytest.mark.parametrize(
    ("body", "lost"),
    [
        ({"display_name": "x", "colour": "red"}, "V2beta1Experiment.colour"),
        ({"display_name": ["x"]}, "V2beta1Experiment.display_name"),
        ({"display_name": "x", "created_at": "2026-01-01"}, "V2beta1Experiment.created_at"),
    ],
)
def test_what_the_models_do_not_know_is_a_problem(body: dict[str, Any], lost: str) -> None:
    with pytest.raises(AssertionError, match=lost), ApiServer() as server:  # noqa: PT012
        answer = urllib3.PoolManager().request(
            "POST",
            f"{server.url}/apis/v2beta1/experiments",
            body=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status == 400
        assert len(server.store.experiments) == 1


def test_an_unknown_path_is_a_problem() -> None:
    with ApiServer() as server:
        answer = urllib3.PoolManager().request("GET", f"{server.url}/apis/v2beta1/colours")
        assert answer.status == 404
        assert server.problems == ["GET /apis/v2beta1/colours: this server has no such route"]
        server.problems.clear()


def test_the_clock(client: kfp.Client, server: ApiServer) -> None:
    server.now = NIGHT
    made = client.create_experiment("tests")
    assert made.created_at.timestamp() == NIGHT.timestamp()
    assert server.now == NIGHT + timedelta(seconds=1)
