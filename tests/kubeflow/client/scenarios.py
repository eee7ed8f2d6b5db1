"""The requests to record: those that our client and the SDK make, and those that a server refuses.

Each scenario starts with an empty server and need not clean up.
"""

import json
from collections.abc import Callable
from typing import Any

import yaml

from tests.kubeflow.client.exchange import Recorder

USER, STRANGER = "user@example.com", ""
NAMESPACE, OTHER_NAMESPACE = "team", "others"
MISSING = "none"
"""The id of nothing."""

SPEC: dict[str, Any] = {
    "pipelineInfo": {"name": "mnist"},
    "schemaVersion": "2.1.0",
    "deploymentSpec": {"executors": {"exec-gen": {"container": {"image": "x"}}}},
    "components": {"comp-gen": {"executorLabel": "exec-gen"}},
    "root": {
        "dag": {
            "tasks": {"gen": {"taskInfo": {"name": "gen"}, "componentRef": {"name": "comp-gen"}}}
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
EMPTY_SPEC = {"pipelineInfo": {"name": "mnist"}, "schemaVersion": "2.1.0", "root": {"dag": {}}}
PLATFORM = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-gen": {}}}}}}
CONFIG: dict[str, Any] = {"parameters": {"data": "minio://b/k"}}
CRON = {"cron_schedule": {"cron": "0 0 3 * * *"}}


def health(server: Recorder) -> None:
    """The server itself."""
    server.get("healthz")
    server.get_version_1("healthz")
    server.get("colours")
    server.post("colours")
    server.delete("experiments")


def experiments(server: Recorder) -> None:
    """Experiments."""
    default = server.get("experiments")["experiments"][0]["experiment_id"]
    sent = {"display_name": "nightly", "description": "of tests"}
    nightly = server.post("experiments", sent)["experiment_id"]
    server.post("experiments", sent)
    server.post("experiments", {"description": "without a name"})
    server.post("experiments", {"display_name": "a b"})
    server.post("experiments", {"display_name": "of a single user", "namespace": NAMESPACE})
    server.get(f"experiments/{nightly}")
    server.get(f"experiments/{MISSING}")
    server.get("experiments", namespace=NAMESPACE)
    server.get("experiments", filter=where("display_name", "nightly"))
    server.get("experiments", filter=where("display_name", "a+b"))
    server.get("experiments", filter=where("display_name", "100%"))
    server.get("experiments", filter=where("colour", "red"))
    turn_pages(server, "experiments", sort_by="created_at desc", page_size="2")
    turn_pages(server, "experiments", sort_by="name", page_size="3")
    server.post(f"experiments/{nightly}:archive")
    server.get(f"experiments/{nightly}")
    server.get("experiments", filter=where("storage_state", "ARCHIVED"))
    server.post(f"experiments/{nightly}:unarchive")
    server.get(f"experiments/{nightly}")
    server.post(f"experiments/{MISSING}:archive")
    server.post(f"experiments/{MISSING}:unarchive")
    server.delete(f"experiments/{nightly}")
    server.delete(f"experiments/{nightly}")
    server.delete(f"experiments/{default}")
    server.post("experiments", {"display_name": "x", "colour": "red"})
    server.post("experiments", {"display_name": ["x"]})


def pipelines(server: Recorder) -> None:
    """Pipelines."""
    server.get("pipelines")
    mnist = upload(server, "upload", EMPTY_SPEC, PLATFORM, name="mnist", description="digits")
    mnist = mnist["pipeline_id"]
    upload(server, "upload", EMPTY_SPEC, name="mnist")
    upload(server, "upload", EMPTY_SPEC, name="MNIST")
    upload(server, "upload", EMPTY_SPEC, name="shown", display_name="Shown otherwise")
    upload(server, "upload", EMPTY_SPEC)
    empty = server.post("pipelines", {"display_name": "empty", "description": "no versions"})
    server.post("pipelines", {"display_name": "mnist"})
    server.post("pipelines", {"description": "without a name"})
    server.get(f"pipelines/{mnist}")
    server.get(f"pipelines/{MISSING}")
    server.get("pipelines/names/mnist")
    server.get("pipelines/names/other")
    server.get("pipelines")
    server.delete(f"pipelines/{mnist}")
    server.delete(f"pipelines/{empty['pipeline_id']}")
    server.delete(f"pipelines/{empty['pipeline_id']}")
    version = server.get(f"pipelines/{mnist}/versions")["pipeline_versions"][0]
    server.delete(f"pipelines/{mnist}/versions/{version['pipeline_version_id']}")
    server.get(f"pipelines/{mnist}/versions")
    server.delete(f"pipelines/{mnist}")
    server.get(f"pipelines/{mnist}")
    other = server.get("pipelines")["pipelines"][0]["pipeline_id"]
    server.delete(f"pipelines/{other}", cascade="true")


def specifications(server: Recorder) -> None:
    """Uploads that are accepted or refused for their content."""
    upload(server, "upload", changed(schemaVersion="2.0.0"), name="schema")
    upload(server, "upload", changed(colour="red"), name="field")
    upload(server, "upload", {"pipelineSpec": EMPTY_SPEC, "runtimeConfig": {}}, name="job")
    upload(server, "upload", changed(pipelineInfo={}), name="nameless")
    upload(server, "upload", changed(pipelineInfo={"name": "Mnist"}), name="letters")
    upload(server, "upload", changed(pipelineInfo={"name": "m" * 129}), name="long")
    upload(server, "upload", EMPTY_SPEC, EMPTY_SPEC, name="twice")
    upload(server, "upload", PLATFORM, name="platform")
    upload(server, "upload", {"colour": "red"}, name="other")
    send_file(server, "upload", "", name="empty")
    send_file(server, "upload", "some words", name="words")
    send_file(server, "upload", json.dumps(EMPTY_SPEC), file="mnist.json", name="json")
    send_file(server, "upload", write_yaml(EMPTY_SPEC), file="mnist.txt", name="ending")
    send_file(server, "upload", write_yaml(EMPTY_SPEC), part="other", name="part")
    server.post("pipelines/upload", {"name": "no form"})
    server.get("pipelines", sort_by="created_at")


def versions(server: Recorder) -> None:
    """Versions of a pipeline."""
    mnist = upload(server, "upload", EMPTY_SPEC, name="mnist")["pipeline_id"]
    other = upload(server, "upload", EMPTY_SPEC, name="other")["pipeline_id"]
    query = {"pipelineid": mnist, "name": "second", "description": "x"}
    second = upload(server, "upload_version", EMPTY_SPEC, PLATFORM, **query)
    second = second["pipeline_version_id"]
    upload(server, "upload_version", EMPTY_SPEC, pipelineid=mnist, name="second")
    upload(
        server, "upload_version", EMPTY_SPEC, pipelineid=mnist, name="third", display_name="Third"
    )
    upload(server, "upload_version", EMPTY_SPEC, pipelineid=other, name="second")
    upload(server, "upload_version", EMPTY_SPEC, pipelineid=MISSING, name="second")
    upload(server, "upload_version", EMPTY_SPEC, name="second")
    upload(server, "upload_version", EMPTY_SPEC, pipelineid=mnist)
    upload(server, "upload_version", changed(schemaVersion="2.0.0"), pipelineid=mnist, name="bad")
    path = f"pipelines/{mnist}/versions"
    turn_pages(server, path, sort_by="created_at desc", page_size="2")
    server.get(path, filter=where("display_name", "second"))
    server.get(path, filter=where("name", "third"))
    server.get(path, filter=where("colour", "red"))
    server.get(f"pipelines/{MISSING}/versions")
    server.get(f"{path}/{second}")
    server.get(f"pipelines/{other}/versions/{second}")
    server.get(f"pipelines/{MISSING}/versions/{second}")
    server.get(f"{path}/{MISSING}")
    server.delete(f"pipelines/{other}/versions/{second}")
    server.delete(f"{path}/{second}")
    server.delete(f"{path}/{MISSING}")
    server.get(path, sort_by="created_at")


def lists(server: Recorder) -> None:
    """Pages, orders and filters, which the server implements once for all lists."""
    for name in ("nightly 1", "nightly 2", "Weekly"):
        server.post("experiments", {"display_name": name})
    names = ["nightly 1", "Weekly"]
    for predicate in (
        {"operation": "EQUALS", "key": "display_name", "stringValue": "weekly"},
        {"operation": "IN", "key": "display_name", "stringValues": {"values": names}},
        {"operation": "IS_SUBSTRING", "key": "display_name", "stringValue": "NIGHT"},
        {"operation": "IS_SUBSTRING", "key": "display_name", "stringValue": "w_e%l"},
        {"operation": "GREATER_THAN", "key": "created_at", "timestampValue": EARLY},
        {"operation": 9, "key": "display_name", "stringValue": "week"},
        {"operation": "LIKE", "key": "display_name", "stringValue": "x"},
        {"key": "display_name", "stringValue": "x"},
        {"operation": "EQUALS", "key": "display_name"},
        {"operation": "EQUALS", "key": "display_name", "colour": "red"},
        {"operation": "EQUALS", "key": "display_name", "stringValues": {"values": names}},
        {"operation": "IN", "key": "display_name", "stringValue": "x"},
        {"operation": "IS_SUBSTRING", "key": "display_name", "intValue": 1},
        {"operation": "EQUALS", "key": "created_at", "timestampValue": "yesterday"},
    ):
        server.get("experiments", filter=json.dumps({"predicates": [predicate]}))
    equals = {"operation": "EQUALS", "key": "display_name", "stringValue": "Weekly"}
    contains = {"operation": "IS_SUBSTRING", "key": "display_name", "stringValue": "e"}
    server.get("experiments", filter=json.dumps({"predicates": [equals, contains]}))
    for text in ("{", "null", "%zz"):
        server.get("experiments", filter=text)
    for order in ("name", "NAME desc", "display_name up", "colour"):
        turn_pages(server, "experiments", sort_by=order, page_size="3")
    for size in ("-1", "x", "99999999999"):
        server.get("experiments", page_size=size)
    found = {"sort_by": "display_name", "filter": where("display_name", "night", "IS_SUBSTRING")}
    token = server.get("experiments", page_size="1", **found)["next_page_token"]
    server.get("experiments", page_token=token)
    server.get("experiments", page_token=token, page_size="1", **found)
    server.get("experiments", page_token=token, sort_by="display_name")
    server.get("experiments", page_token=token, sort_by="display_name desc")
    several = json.dumps({"predicates": [
        {"operation": "IN", "key": "display_name", "stringValues": {"values": names}}
    ]})  # fmt: skip
    token = server.get("experiments", page_size="1", filter=several)["next_page_token"]
    server.get("experiments", page_size="1", filter=several, page_token=token)
    server.get("experiments", page_size="1", page_token=token)
    server.get("experiments", page_token="x")
    server.get("experiments", colour="red", page_size="1")


def runs(server: Recorder) -> None:
    """Runs. They stay pending because no agent reports their workflows."""
    experiment = server.post("experiments", {"display_name": "tests"})["experiment_id"]
    mnist = upload(server, "upload", SPEC, name="mnist")["pipeline_id"]
    other = upload(server, "upload", EMPTY_SPEC, name="other")["pipeline_id"]
    version = upload(server, "upload_version", SPEC, pipelineid=mnist, name="second")
    version = version["pipeline_version_id"]
    reference = {"pipeline_id": mnist, "pipeline_version_id": version}
    sent = {
        "display_name": "first",
        "experiment_id": experiment,
        "pipeline_version_reference": reference,
        "runtime_config": CONFIG,
    }
    first = server.post("runs", {**sent, "description": "of tests"})["run_id"]

    def post(**fields: Any) -> Any:
        merged = {**sent, **fields}
        return server.post("runs", {key: value for key, value in merged.items() if value})

    post(pipeline_version_reference={"pipeline_id": mnist})
    post(pipeline_version_reference={"pipeline_version_id": version})
    post(pipeline_version_reference={"pipeline_id": mnist, "pipeline_version_id": ""})
    post(pipeline_version_reference=None, pipeline_spec=SPEC)
    full = {"parameters": {"data": "x", "steps": 0, "fast": False}, "pipeline_root": "minio://b/r"}
    post(display_name="second", runtime_config=full, service_account="runner")
    # What its controller sends for a recurring run of the latest version.
    trigger = {"trigger": CRON, "max_concurrency": "1", "mode": "DISABLE"}
    recurring = server.post("recurringruns", {**sent, **trigger})["recurring_run_id"]
    post(recurring_run_id=recurring)
    post(recurring_run_id=recurring)
    post(recurring_run_id=MISSING)

    post(display_name=None)
    post(experiment_id=MISSING)
    post(pipeline_version_reference=None)
    post(pipeline_version_reference={"pipeline_id": MISSING})
    post(pipeline_version_reference={"pipeline_id": mnist, "pipeline_version_id": MISSING})
    post(pipeline_version_reference={"pipeline_id": other, "pipeline_version_id": version})
    post(pipeline_version_reference=None, pipeline_spec=changed(schemaVersion="2.0.0"))
    for parameters in PARAMETERS:
        post(runtime_config={"parameters": parameters})
    tasks = {"da_ta": SPEC["root"]["dag"]["tasks"]["gen"]}
    wrong = {**SPEC, "root": {**SPEC["root"], "dag": {"tasks": tasks}}}
    post(pipeline_version_reference=None, pipeline_spec=wrong)
    empty = server.post("pipelines", {"display_name": "empty"})["pipeline_id"]
    post(pipeline_version_reference={"pipeline_id": empty})

    server.get(f"runs/{first}")
    server.get(f"runs/{MISSING}")
    server.get("runs", experiment_id=experiment, sort_by="created_at desc", page_size="1")
    server.get("runs", experiment_id=MISSING)
    page = server.get("runs", page_size="1", sort_by="created_at desc")
    server.get("runs", page_size="1", page_token=page["next_page_token"])
    server.get("runs", filter=where("display_name", "sec", "IS_SUBSTRING"))
    for key, value in (
        ("state", "PENDING"),
        ("recurring_run_id", recurring),
        ("pipeline_id", mnist),
    ):
        server.get("runs", filter=where(key, value), page_size="1")
    server.get("runs", sort_by="experiment_id", page_size="1")
    server.post(f"runs/{first}:terminate")
    server.get(f"runs/{first}")
    server.post(f"runs/{first}:terminate")
    server.post(f"runs/{MISSING}:terminate")
    server.post(f"runs/{first}:archive")
    server.get(f"runs/{first}")
    server.post(f"runs/{first}:unarchive")
    server.post(f"experiments/{experiment}:archive")
    server.post(f"runs/{first}:unarchive")
    server.get(f"runs/{first}")
    server.post(f"runs/{MISSING}:archive")
    server.delete(f"runs/{first}")
    server.delete(f"runs/{first}")
    server.get(f"runs/{first}")
    post(colour="red")


def recurring_runs(server: Recorder) -> None:
    """Recurring runs. They never fire because no controller reads them."""
    experiment = server.post("experiments", {"display_name": "tests"})["experiment_id"]
    mnist = upload(server, "upload", SPEC, name="mnist")["pipeline_id"]
    version = server.get(f"pipelines/{mnist}/versions")["pipeline_versions"][0]
    version = version["pipeline_version_id"]
    pinned = {"pipeline_id": mnist, "pipeline_version_id": version}
    sent = {
        "display_name": "nightly",
        "experiment_id": experiment,
        "pipeline_version_reference": {"pipeline_id": mnist, "pipeline_version_id": ""},
        "runtime_config": CONFIG,
        "trigger": CRON,
        "max_concurrency": "1",
        "mode": "ENABLE",
    }
    full = {**sent, "description": "of tests", "no_catchup": True}
    nightly = server.post("recurringruns", full)["recurring_run_id"]

    def post(**fields: Any) -> Any:
        merged = {**sent, **fields}
        return server.post("recurringruns", {key: v for key, v in merged.items() if v is not None})

    post(display_name="Pinned & long: a name of more than twenty-five", mode="DISABLE")
    paused = post(pipeline_version_reference=pinned, mode="DISABLE", no_catchup=False)
    post(pipeline_version_reference=None, pipeline_spec=SPEC, service_account="runner")
    post(mode=None, max_concurrency="10")
    times = {"start_time": "2030-01-01T00:00:00Z", "end_time": "2031-01-01T00:00:00.5Z"}
    post(trigger={"cron_schedule": {"cron": "0 0 3 * * *", **times}})
    for cron in ("0 3 * * *", "@every 1h30m"):
        post(trigger={"cron_schedule": {"cron": cron}})
    parameters = {"data": "x", "steps": 0, "fast": False}
    post(runtime_config={"parameters": parameters, "pipeline_root": "minio://b/r"})

    for cron in ("0 3 * *", ""):
        post(trigger={"cron_schedule": {"cron": cron}})
    post(trigger={"periodic_schedule": {"interval_second": "0"}})
    post(trigger={"periodic_schedule": {"interval_second": "3600"}})
    post(trigger=None)
    post(trigger={})
    for concurrency in ("11", None):
        post(max_concurrency=concurrency)
    post(display_name=None)
    post(experiment_id=None, display_name="in the default experiment", mode="DISABLE")
    post(experiment_id=MISSING)
    post(pipeline_version_reference=None)
    post(pipeline_version_reference={"pipeline_id": MISSING})
    post(pipeline_version_reference={"pipeline_id": mnist, "pipeline_version_id": MISSING})
    post(pipeline_version_reference=None, pipeline_spec=changed(schemaVersion="2.0.0"))
    post(runtime_config=None)
    post(runtime_config=None, pipeline_version_reference=pinned)
    tasks = {"da_ta": SPEC["root"]["dag"]["tasks"]["gen"]}
    wrong = {**SPEC, "root": {**SPEC["root"], "dag": {"tasks": tasks}}}
    post(pipeline_version_reference=None, pipeline_spec=wrong)

    server.get(f"recurringruns/{nightly}")
    server.get(f"recurringruns/{MISSING}")
    page = server.get("recurringruns", page_size="1", sort_by="created_at asc")
    server.get("recurringruns", page_size="1", page_token=page["next_page_token"])
    server.get("recurringruns", experiment_id=MISSING)
    server.get("recurringruns", filter=where("display_name", "&", "IS_SUBSTRING"))
    server.post(f"recurringruns/{nightly}:disable")
    server.get(f"recurringruns/{nightly}")
    server.post(f"recurringruns/{paused['recurring_run_id']}:enable")
    server.get(f"recurringruns/{paused['recurring_run_id']}")
    server.post(f"experiments/{experiment}:archive")
    server.get(f"recurringruns/{paused['recurring_run_id']}")
    server.post(f"recurringruns/{MISSING}:enable")
    server.delete(f"recurringruns/{nightly}")
    server.delete(f"recurringruns/{nightly}")
    server.get(f"recurringruns/{nightly}")
    post(trigger={**CRON, "periodic_schedule": {"interval_second": "60"}})
    post(trigger={"cron_schedule": {"cron": "0 0 3 * * *", "start_time": "tomorrow"}})
    post(mode="SOMETIMES")
    post(colour="red")
    post(max_concurrency="x")


def namespaces(server: Recorder) -> None:
    """What a user may do in a namespace, and others may not."""
    mine = {"display_name": "tests", "namespace": NAMESPACE}
    server.get("healthz")
    server.get("experiments", USER)
    server.get("experiments", USER, namespace=NAMESPACE)
    experiment = server.post("experiments", mine, user=USER)["experiment_id"]
    server.post("experiments", {**mine, "namespace": OTHER_NAMESPACE}, user=USER)
    server.post("experiments", {"display_name": "nowhere"}, user=USER)
    server.post("experiments", mine)
    server.get(f"experiments/{experiment}", USER)
    server.get(f"experiments/{experiment}", STRANGER)
    upload(server, "upload", EMPTY_SPEC, user=USER, name="mnist")
    own = upload(server, "upload", SPEC, user=USER, name="mnist", namespace=NAMESPACE)
    upload(server, "upload", EMPTY_SPEC, user=USER, name="mnist", namespace=OTHER_NAMESPACE)
    upload(server, "upload", EMPTY_SPEC, user=STRANGER, name="x", namespace=NAMESPACE)
    own = own["pipeline_id"]
    server.get("pipelines", USER, namespace=NAMESPACE)
    server.get("pipelines", USER, namespace=OTHER_NAMESPACE)
    server.get("pipelines/names/mnist", USER)
    server.get(f"pipelines/{own}", STRANGER)
    run = {
        "display_name": "first",
        "experiment_id": experiment,
        "pipeline_version_reference": {"pipeline_id": own},
        "runtime_config": CONFIG,
    }
    first = server.post("runs", run, user=USER)["run_id"]
    server.post("runs", run)
    server.post("runs", {**run, "experiment_id": ""}, user=USER)
    server.get("runs", USER)
    server.get("runs", USER, namespace=NAMESPACE)
    server.post(f"runs/{first}:terminate", user=STRANGER)
    nightly = {**run, "trigger": CRON, "max_concurrency": "1", "mode": "DISABLE"}
    recurring = server.post("recurringruns", nightly, user=USER)["recurring_run_id"]
    server.get("recurringruns", USER)
    server.get("recurringruns", USER, namespace=NAMESPACE)
    server.post(f"recurringruns/{recurring}:enable", user=STRANGER)
    server.delete(f"recurringruns/{recurring}", STRANGER)
    server.delete(f"pipelines/{own}", STRANGER)


PARAMETERS: list[dict[str, Any]] = [
    {},
    {"data": "x", "steps": "3"},
    {"data": "x", "colour": "red"},
]
"""Arguments that a server does not take for `SPEC`."""
EARLY = "2000-01-01T00:00:00Z"

SCENARIOS: dict[bool, list[Callable[[Recorder], None]]] = {
    False: [health, experiments, pipelines, specifications, versions, lists, runs, recurring_runs],
    True: [namespaces],
}
"""By whether the server has many users."""


def where(key: str, value: str, operation: str = "EQUALS") -> str:
    """A filter with one predicate."""
    predicate = {"operation": operation, "key": key, "stringValue": value}
    return json.dumps({"predicates": [predicate]})


def changed(**fields: Any) -> dict[str, Any]:
    """An empty specification with other fields."""
    return {**EMPTY_SPEC, **fields}


def upload(server: Recorder, route: str, *documents: Any, user: str = "", **query: str) -> Any:
    """Upload a specification, and return the body of the answer."""
    return send_file(server, route, write_yaml(*documents), user=user, **query)


def write_yaml(*documents: Any) -> str:
    """The documents in YAML, one a line."""
    return str(yaml.safe_dump_all(documents, default_flow_style=True, width=10_000))


def send_file(
    server: Recorder,
    route: str,
    text: str,
    *,
    file: str = "mnist.yaml",
    part: str = "uploadfile",
    user: str = "",
    **query: str,
) -> Any:
    """Upload a file, and return the body of the answer."""
    files = {part: (file, text)}
    return server.post(f"pipelines/{route}", user=user, query=query, files=files)


def turn_pages(server: Recorder, path: str, **query: str) -> None:
    """Read a list to its end."""
    while token := server.get(path, **query).get("next_page_token"):
        query["page_token"] = token
