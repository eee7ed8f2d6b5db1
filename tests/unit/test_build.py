"""The report of a run: what is read of it, joined, written."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ml_metadata import proto
from ml_metadata.metadata_store import MetadataStore
from rich.console import Console

from pipelines.errors import DocumentError, OutputError, UsageError
from pipelines.local.layout import Layout
from pipelines.report import build, metadata, table
from tests.unit.report_data import branch, comparison, regression_report, report

DONE, CACHED = proto.Execution.COMPLETE, proto.Execution.CACHED
FAILED, RUNNING = proto.Execution.FAILED, proto.Execution.RUNNING


class Runs:
    """Writes runs into a database as TFX does."""

    def __init__(self, database: Path) -> None:
        config = proto.ConnectionConfig()
        config.sqlite.filename_uri = str(database)
        config.sqlite.connection_mode = proto.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        self.store = MetadataStore(config)
        self.run_type = self.store.put_context_type(proto.ContextType(name="pipeline_run"))
        self.node_type = self.store.put_context_type(proto.ContextType(name="node"))
        self.execution_type = self.store.put_execution_type(proto.ExecutionType(name="work"))
        self.artifact_type = self.store.put_artifact_type(proto.ArtifactType(name="thing"))

    def add(self, name: str, nodes: dict[str, Any], **outputs: dict[str, dict[str, Any]]) -> None:
        run = proto.Context(type_id=self.run_type, name=name)
        run.id = self.store.put_contexts([run])[0]
        for node_id, state in nodes.items():
            node = self.store.get_context_by_type_and_name("node", f"mnist.{node_id}")
            if node is None:
                node = proto.Context(type_id=self.node_type, name=f"mnist.{node_id}")
                node.id = self.store.put_contexts([node])[0]
            execution = proto.Execution(type_id=self.execution_type, last_known_state=state)
            pairs = []
            for key, properties in outputs.get(node_id.replace("-", "_"), {}).items():
                artifact = proto.Artifact(type_id=self.artifact_type, uri=properties["uri"])
                for k, value in properties.items():
                    if isinstance(value, int):
                        artifact.custom_properties[k].int_value = value
                    else:
                        artifact.custom_properties[k].string_value = value
                event = proto.Event(type=proto.Event.OUTPUT)
                event.path.steps.add().key = key
                event.path.steps.add().index = 0
                pairs.append((artifact, event))
            self.store.put_execution(execution, pairs, [run, node])


def out(uri: object, **properties: Any) -> dict[str, Any]:
    return {"uri": str(uri), **properties}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture
def runs(layout: Layout) -> Runs:
    return Runs(layout.metadata)


def test_nodes_of_the_newest_complete_run(layout: Layout, runs: Runs) -> None:
    runs.add("1", {"data": DONE, "final": DONE}, final={"result": out("/old")})
    runs.add(
        "2",
        {"data": CACHED, "my-pusher": DONE, "final": DONE},
        my_pusher={"model": out("/model", pushed=1, place="/serving/1")},
        final={"result": out("/new")},
    )
    nodes = metadata.complete_run(layout.metadata, "final")
    assert set(nodes) == {"data", "my-pusher", "final"}
    assert nodes["final"].outputs["result"].uri == "/new"
    assert (nodes["data"].cached, nodes["final"].cached) == (True, False)
    pushed = nodes["my-pusher"].outputs["model"]
    assert pushed.properties == {"uri": "/model", "pushed": 1, "place": "/serving/1"}
    assert all(0 <= node.seconds < 5 for node in nodes.values())


@pytest.mark.parametrize("state", [FAILED, RUNNING])
def test_unfinished_runs_are_passed_over(layout: Layout, runs: Runs, state: int) -> None:
    runs.add("1", {"final": DONE}, final={"result": out("/complete")})
    runs.add("2", {"data": DONE, "final": state}, final={"result": out("/incomplete")})
    runs.add("3", {"data": DONE})
    nodes = metadata.complete_run(layout.metadata, "final")
    assert nodes["final"].outputs["result"].uri == "/complete"


def test_no_complete_run(layout: Layout, runs: Runs) -> None:
    runs.add("1", {"data": DONE, "final": FAILED})
    with pytest.raises(UsageError, match=f"no finished run in {layout.root}: make one with"):
        metadata.complete_run(layout.metadata, "final")


def test_no_database_is_not_made(layout: Layout) -> None:
    with pytest.raises(UsageError, match=f"no finished run in {layout.root}: make one with"):
        metadata.complete_run(layout.metadata, "final")
    assert os.listdir(layout.root) == []


@pytest.fixture
def finished(layout: Layout, runs: Runs) -> Layout:
    """A run whose Keras model was pushed and whose TFLite model was refused for its size."""
    shown = report()
    shown["branches"]["lite"]["refusals"] = ["model_bytes is 9, 1 above 8"]
    places = {name: layout.pipeline / name for name in ("comparison", "pusher")}
    for place in places.values():
        place.mkdir(parents=True)
    (places["comparison"] / "comparison.json").write_text(comparison(shown).to_json())
    destination = layout.serving / "keras" / "1"
    destination.mkdir(parents=True)
    pushed = out(places["pusher"], pushed=1, pushed_destination=str(destination))
    runs.add(
        "1",
        {
            "example-gen": CACHED,
            "pusher-keras": DONE,
            "pusher-lite": DONE,
            "comparison": DONE,
        },
        pusher_keras={"pushed_model": pushed},
        pusher_lite={"pushed_model": out(places["pusher"], pushed=0)},
        comparison={"comparison": out(places["comparison"])},
    )
    return layout


def test_report_joins_dataset_comparison_and_outcome(finished: Layout) -> None:
    built = build.build(finished)
    recorded = ("task", "run", "dataset", "settings", "anomalies", "stack")
    assert {key: built[key] for key in recorded} == {key: report()[key] for key in recorded}
    keras, lite = built["branches"]["keras"], built["branches"]["lite"]
    outcomes = [(b["blessed"], b["pushed"], b["pushed_uri"]) for b in (keras, lite)]
    assert outcomes == [
        (True, "yes", str(finished.serving / "keras" / "1")),
        (False, "refused", None),
    ]
    assert lite["refusals"] == ["model_bytes is 9, 1 above 8"]
    assert set(built["stack"]) == {"name", "python", "tfx", "tensorflow"}
    assert built["stack"]["name"] in {"legacy", "current"}
    assert set(built["seconds"]) >= {"example-gen", "pusher-keras", "comparison"}
    assert built["cached"] == ["example-gen"]
    assert build.refusals(built) == ["lite was not pushed: model_bytes is 9, 1 above 8"]


def test_pushed_model_that_was_removed(finished: Layout) -> None:
    (finished.serving / "keras" / "1").rmdir()
    keras = build.build(finished)["branches"]["keras"]
    assert (keras["blessed"], keras["pushed"], keras["pushed_uri"]) == (True, "removed", None)


def test_json_has_the_documented_keys_and_no_images(finished: Layout) -> None:
    built = build.build(finished)
    stored = build.read(finished)
    assert {"format": 4, **stored} == json.loads(finished.report_json.read_text())
    for name, values in stored["branches"].items():
        assert values == built["branches"][name]
        assert set(values) >= {
            "accuracy",
            "loss",
            "examples",
            "per_class_accuracy",
            "model_bytes",
            "latency_us",
            "operators",
            "delegated",
            "warnings",
            "blessed",
            "evaluation_uri",
            "pushed_uri",
        }
        assert set(values["latency_us"]) == {"p50", "p95", "batch", "threads"}
    compared = stored["comparison"]["lite"]
    assert set(compared) == {
        *("accuracy_delta", "ci95", "agreement", "mcnemar_p"),
        *("disagreement_count", "disagreements"),
    }
    assert "examples" not in stored
    for item in compared["disagreements"]:
        assert set(item) == {"index", "label", "keras", "other"}


def test_table_of_what_was_written(finished: Layout) -> None:
    """The commands show the table of `report.json`, in which a number may be a text."""
    shown = regression_report(mean_absolute_error="NaN", r2="-Infinity")
    shown["comparison"]["lite"]["error_delta"] = "NaN"
    file = finished.pipeline / "comparison" / "comparison.json"
    file.write_text(comparison(shown).to_json())
    build.build(finished)
    console = Console(width=120, record=True)
    console.print(table.render(build.read(finished)))
    text = console.export_text()
    assert "lite     NaN NaN [-0.1212, +0.6212] -Infinity" in text


def test_page_is_written_beside(finished: Layout) -> None:
    build.build(finished)
    html = finished.report_html.read_text()
    assert html.count("<img") == 2
    assert "model_bytes is 9, 1 above 8" in html
    assert not [name for name in os.listdir(finished.root) if "partial" in name]


def test_building_again_gives_the_same_files(finished: Layout) -> None:
    build.build(finished)
    before = finished.report_json.read_bytes(), finished.report_html.read_bytes()
    finished.report_html.unlink()
    build.build(finished)
    assert (finished.report_json.read_bytes(), finished.report_html.read_bytes()) == before


def test_a_report_shows_what_its_run_recorded(finished: Layout, runs: Runs) -> None:
    """A run that has only come to its data changes nothing in the report of the one before."""
    before = build.build(finished)
    finished.data.mkdir()
    (finished.data / "dataset.json").write_text("another dataset")
    runs.add("2", {"example-gen": DONE})
    assert build.build(finished) == before


def test_the_report_of_one_run(finished: Layout, runs: Runs, layout: Layout) -> None:
    other = layout.pipeline / "other"
    other.mkdir()
    shown = report()
    shown["run"]["id"] = "two"
    (other / "comparison.json").write_text(comparison(shown).to_json())
    pusher = {"pushed_model": out(other, pushed=0)}
    runs.add(
        "2",
        {"pusher-keras": DONE, "pusher-lite": DONE, "comparison": DONE},
        pusher_keras=pusher,
        pusher_lite=pusher,
        comparison={"comparison": out(other)},
    )
    assert build.build(finished)["run"]["id"] == "two"
    assert build.build(finished, "1")["run"]["id"] == report()["run"]["id"]
    with pytest.raises(UsageError, match="no finished run"):
        build.build(finished, "3")


def test_a_comparison_that_was_removed(finished: Layout) -> None:
    (finished.pipeline / "comparison" / "comparison.json").unlink()
    with pytest.raises(UsageError, match="is gone: run again"):
        build.build(finished)
    assert not finished.report_json.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"branches": {}, "comparison": {}, "stack": {}}', "has the format None"),
        ("", "is damaged"),
        (comparison().to_json()[:-400], "is damaged"),
        (comparison().to_json().replace('"model_bytes"', '"model_size"'), "is damaged"),
    ],
)
def test_a_comparison_of_another_release_or_damaged(
    finished: Layout, content: str, says: str
) -> None:
    file = finished.pipeline / "comparison" / "comparison.json"
    file.write_text(content)
    with pytest.raises(DocumentError, match=f"^{file} {says}.*: run again$"):
        build.build(finished)
    assert not finished.report_json.exists()


def test_report_that_cannot_be_written(finished: Layout) -> None:
    (finished.root / "report.html").mkdir()
    with pytest.raises(OutputError, match=f"cannot write {finished.report_html}"):
        build.build(finished)
    assert not [name for name in os.listdir(finished.root) if "partial" in name]


def test_refusals() -> None:
    shown = report(blessed=False, refusals=["one", "two"])
    shown["branches"]["other"] = branch("lite", 0.5, blessed=False, refusals=["three"])
    assert build.refusals(shown) == ["lite was not pushed: one; two", "other was not pushed: three"]
    shown["branches"]["keras"] |= {"blessed": False, "refusals": ["three"]}
    assert build.refusals(shown) == [
        "keras, other were not pushed: three",
        "lite was not pushed: one; two",
    ]
    assert build.refusals(report()) == []
