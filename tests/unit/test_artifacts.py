"""What of earlier runs is made again: artifacts that lack a file, pushes that were removed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ml_metadata import proto
from ml_metadata.metadata_store import MetadataStore

from pipelines.judging.verdict import Verdict
from pipelines.local import artifacts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two artifacts, one with a file inside a directory, and what TFX keeps beside them."""
    root = tmp_path / "pipeline"
    for name in (
        "trainer/model/6/Format-Serving/saved_model.pb",
        "trainer/model/6/Format-Serving/variables/variables.index",
        "trainer/model_run/6/logs",
        "trainer/.system/executor_execution/6/state",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "comparison/metrics/7").mkdir(parents=True)
    artifacts.record(root)
    return root


def remaining(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.glob("[!.]*/[!.]*/*")}


ALL = {"trainer/model/6", "trainer/model_run/6", "comparison/metrics/7"}


def test_whole_artifacts_stay(root: Path) -> None:
    (root / "trainer/model/6/Format-Serving/more").touch()
    assert artifacts.discard_damaged(root) == []
    assert remaining(root) == ALL


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda path: path.write_text("garbage"),
        lambda path: path.rename(path.with_name("moved")),
    ],
    ids=["removed", "changed", "renamed"],
)
def test_an_artifact_that_lacks_a_file_is_removed(
    root: Path, damage: Callable[[Path], object]
) -> None:
    file = root / "trainer/model/6/Format-Serving/variables/variables.index"
    damage(file)
    (sentence,) = artifacts.discard_damaged(root)
    assert sentence == f"{file} was removed or changed; its artifact is made again"
    assert remaining(root) == ALL - {"trainer/model/6"}
    artifacts.record(root)
    assert artifacts.discard_damaged(root) == []


def test_an_artifact_that_is_gone_needs_nothing(root: Path) -> None:
    for path in sorted((root / "trainer").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert artifacts.discard_damaged(root) == []


def test_a_record_that_is_damaged_is_named(root: Path) -> None:
    (root / ".contents.json").write_text("{")
    (sentence,) = artifacts.discard_damaged(root)
    assert sentence.startswith(f"{root / '.contents.json'} is damaged")
    assert remaining(root) == ALL


def test_nothing_to_record(tmp_path: Path) -> None:
    artifacts.record(tmp_path / "pipeline")
    assert artifacts.discard_damaged(tmp_path / "pipeline") == []
    assert list(tmp_path.iterdir()) == []


def test_a_verdict_that_cannot_be_read_is_removed(root: Path) -> None:
    good, bad = (root / f"validator-lite/blessing/{i}/verdict.json" for i in (8, 9))
    for file in (good, bad):
        file.parent.mkdir(parents=True)
    verdict = Verdict(
        model_bytes=1, latency_us=1.0, operators=1, delegated=1, failures=[], warnings=[]
    )
    good.write_text(verdict.to_json())
    bad.write_text("{}")
    (sentence,) = artifacts.discard_damaged(root)
    assert sentence.startswith(f"{bad} has the format None")
    assert remaining(root) == {*ALL, "validator-lite/blessing/8"}


def test_a_push_that_was_removed_is_made_again(tmp_path: Path) -> None:
    config = proto.ConnectionConfig()
    config.fake_database.SetInParent()
    store = MetadataStore(config)
    assert artifacts.discard_removed_pushes(store) == []
    type_id = store.put_artifact_type(proto.ArtifactType(name="PushedModel"))
    places = {name: tmp_path / "serving" / name for name in ("kept", "removed", "not-pushed")}
    for name, place in places.items():
        (tmp_path / name).mkdir()
        artifact = proto.Artifact(type_id=type_id, uri=str(tmp_path / name))
        if name != "not-pushed":
            artifact.custom_properties["pushed_destination"].string_value = str(place)
        store.put_artifacts([artifact])
    places["kept"].mkdir(parents=True)
    (sentence,) = artifacts.discard_removed_pushes(store)
    assert sentence == f"{places['removed']} was removed; a run of its model pushes it again"
    assert {path.name for path in tmp_path.iterdir()} == {"serving", "kept", "not-pushed"}
