"""A dataset on disk: what is written, when, and what a failure leaves."""

import dataclasses
import gzip
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.data import idx, prepare, records
from pipelines.data.examples import Examples
from pipelines.errors import DataError, OutputError
from tests.unit.idx_files import write_idx


def snapshot(directory: Path) -> MappingProxyType[str, tuple[int, bytes]]:
    """Everything below a directory, hidden files too, with its time of change."""
    return MappingProxyType(
        {
            str(f.relative_to(directory)): (f.stat().st_mtime_ns, f.read_bytes())
            for f in sorted(directory.rglob("*"))
            if f.is_file()
        }
    )


@pytest.fixture
def source(tmp_path: Path, few: Examples) -> Path:
    """A person's own TFRecords: forty examples in two files."""
    directory = tmp_path / "source"
    directory.mkdir()
    for name, part in (("a.tfrecord.gz", slice(0, 25)), ("b.tfrecord.gz", slice(25, 40))):
        records.write(Examples(few.images[part], few.labels[part]), directory / name)
    return directory


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


def read(dataset: Path, split: str) -> Examples:
    return records.read([dataset / split / "data.tfrecord.gz"])


def test_manifest_and_files_of_digits(dataset: Path, all_digits: Examples) -> None:
    manifest, note = prepare.prepare("digits", dataset, 0.2)
    assert sorted(str(f.relative_to(dataset)) for f in dataset.rglob("*") if f.is_file()) == [
        "eval/data.tfrecord.gz",
        "manifest.json",
        "train/data.tfrecord.gz",
    ]
    assert "digits" in note
    assert prepare.Manifest.read(dataset) == manifest
    assert (manifest.source, manifest.count("train"), manifest.count("eval")) == (
        "digits",
        1438,
        359,
    )
    for split in ("train", "eval"):
        written = read(dataset, split)
        assert len(written) == manifest.count(split)
        assert manifest.examples[split]["class_balance"] == written.class_balance()
        assert manifest.examples[split]["sha256"] == written.fingerprint()
    both = np.concatenate([read(dataset, split).labels for split in ("train", "eval")])
    assert np.bincount(both).tolist() == np.bincount(all_digits.labels).tolist()
    stored = json.loads((dataset / "manifest.json").read_text())
    assert stored == {"format": 1, **dataclasses.asdict(manifest)}


def test_own_records(dataset: Path, source: Path, few: Examples) -> None:
    manifest, note = prepare.prepare(str(source), dataset, 0.25)
    assert note == manifest.source == str(source)
    assert (manifest.count("train"), manifest.count("eval")) == (30, 10)
    both = np.concatenate([read(dataset, split).images for split in ("train", "eval")])
    assert sorted(map(bytes, both)) == sorted(map(bytes, few.images[:40]))


def test_fingerprint_does_not_depend_on_compression_or_place(
    tmp_path: Path, source: Path, dataset: Path
) -> None:
    first, _ = prepare.prepare(str(source), dataset, 0.25)
    plain = tmp_path / "plain"
    plain.mkdir()
    for file in source.iterdir():
        (plain / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    second, _ = prepare.prepare(str(plain), tmp_path / "other", 0.25)
    assert (second.fingerprint, second.examples) == (first.fingerprint, first.examples)


def test_fingerprint_sees_which_examples_are_for_evaluation(
    tmp_path: Path, source: Path, dataset: Path
) -> None:
    first, _ = prepare.prepare(str(source), dataset, 0.25)
    second, _ = prepare.prepare(str(source), tmp_path / "other", 0.5)
    assert second.fingerprint != first.fingerprint


@pytest.mark.parametrize("which", ["digits", "directory"])
def test_unchanged_source_is_not_written_again(dataset: Path, source: Path, which: str) -> None:
    name = "digits" if which == "digits" else str(source)
    first, _ = prepare.prepare(name, dataset, 0.2)
    before = snapshot(dataset)
    second, note = prepare.prepare(name, dataset, 0.2)
    assert second == first
    assert note.endswith("unchanged")
    assert snapshot(dataset) == before


def test_relative_path_is_the_same_source(
    dataset: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare.prepare(str(source), dataset, 0.2)
    before = snapshot(dataset)
    monkeypatch.chdir(source.parent)
    assert prepare.prepare(source.name, dataset, 0.2)[1].endswith("unchanged")
    assert snapshot(dataset) == before


def change_file(source: Path, few: Examples) -> None:
    records.write(few, source / "a.tfrecord.gz")


def add_file(source: Path, few: Examples) -> None:
    records.write(few, source / "c.tfrecord.gz")


def remove_file(source: Path, few: Examples) -> None:
    (source / "b.tfrecord.gz").unlink()


@pytest.mark.parametrize(
    ("change", "examples"), [(change_file, 65), (add_file, 90), (remove_file, 25)]
)
def test_changed_source_is_written_again(
    dataset: Path, source: Path, few: Examples, change: Callable[..., None], examples: int
) -> None:
    first, _ = prepare.prepare(str(source), dataset, 0.2)
    change(source, few)
    second, note = prepare.prepare(str(source), dataset, 0.2)
    assert "unchanged" not in note
    assert second.count("train") + second.count("eval") == examples
    assert len(read(dataset, "train")) == second.count("train")
    assert second.fingerprint != first.fingerprint


def test_other_fraction_is_another_dataset(dataset: Path, source: Path) -> None:
    prepare.prepare(str(source), dataset, 0.25)
    assert prepare.prepare(str(source), dataset, 0.5)[0].count("eval") == 20
    assert len(read(dataset, "eval")) == 20


def test_source_of_another_kind_replaces_the_dataset(dataset: Path, source: Path) -> None:
    prepare.prepare("digits", dataset, 0.2)
    manifest, _ = prepare.prepare(str(source), dataset, 0.2)
    assert manifest.count("train") == len(read(dataset, "train")) == 32
    assert sorted(os.listdir(dataset.parent)) == ["dataset", "source"]


@pytest.mark.parametrize("lost", ["train/data.tfrecord.gz", "eval/data.tfrecord.gz"])
def test_dataset_that_lost_a_file_is_made_whole(dataset: Path, source: Path, lost: str) -> None:
    first, _ = prepare.prepare(str(source), dataset, 0.2)
    (dataset / lost).unlink()
    assert prepare.prepare(str(source), dataset, 0.2)[0] == first
    assert len(read(dataset, lost.split("/")[0])) == first.count(lost.split("/")[0])


def test_finished_dataset_is_a_source_with_its_own_split(
    tmp_path: Path, dataset: Path, source: Path
) -> None:
    first, _ = prepare.prepare(str(source), dataset, 0.25)
    second, _ = prepare.prepare(str(dataset), tmp_path / "copy", 0.9)
    assert second.examples == first.examples
    assert second.fingerprint == first.fingerprint


@pytest.mark.parametrize(
    "content",
    [
        {"mine.txt": "keep me"},
        {"manifest.json": '{"name": "a browser extension"}'},
        {"manifest.json": "not JSON"},
        {"manifest.json": '{"format": 99}'},
        {".hidden": ""},
    ],
)
def test_foreign_directory_is_refused_and_left_alone(
    dataset: Path, content: dict[str, str]
) -> None:
    dataset.mkdir()
    for name, text in content.items():
        (dataset / name).write_text(text)
    before = snapshot(dataset.parent)
    with pytest.raises(OutputError, match="is not empty and holds no dataset"):
        prepare.prepare("digits", dataset, 0.2)
    assert snapshot(dataset.parent) == before


def test_empty_directory_is_filled(dataset: Path, source: Path) -> None:
    dataset.mkdir()
    prepare.prepare(str(source), dataset, 0.2)
    assert sorted(os.listdir(dataset)) == ["eval", "manifest.json", "train"]


def test_directories_above_are_made(tmp_path: Path, source: Path) -> None:
    prepare.prepare(str(source), tmp_path / "a" / "b" / "c", 0.2)
    assert (tmp_path / "a" / "b" / "c" / "manifest.json").is_file()
    assert os.listdir(tmp_path / "a" / "b") == ["c"]


class Crash(Exception):
    """What a test throws into the middle of writing."""


@pytest.mark.parametrize(
    ("error", "writes"), [(Crash, 0), (Crash, 1), (KeyboardInterrupt, 1), (OSError, 1)]
)
def test_crash_while_writing_leaves_the_old_dataset_whole(
    dataset: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
    writes: int,
) -> None:
    prepare.prepare("digits", dataset, 0.2)
    before = snapshot(dataset.parent)
    real, done = records.write, []

    def write(examples: Examples, file: Path) -> None:
        if len(done) == writes:
            file.write_bytes(b"half a fi")
            raise error("in the middle")
        done.append(file)
        real(examples, file)

    monkeypatch.setattr(records, "write", write)
    with pytest.raises(OutputError if error is OSError else error):
        prepare.prepare(str(source), dataset, 0.2)
    assert snapshot(dataset.parent) == before
    assert sorted(os.listdir(dataset.parent)) == ["dataset", "source"]

    monkeypatch.undo()
    assert prepare.prepare(str(source), dataset, 0.2)[0].count("train") == 32


def test_bad_source_leaves_the_old_dataset_whole(dataset: Path, source: Path) -> None:
    prepare.prepare("digits", dataset, 0.2)
    before = snapshot(dataset)
    (source / "b.tfrecord.gz").write_bytes(b"nothing of use")
    with pytest.raises(DataError, match=r"b\.tfrecord\.gz is truncated or not a TFRecord file"):
        prepare.prepare(str(source), dataset, 0.2)
    assert snapshot(dataset) == before


def test_bad_source_makes_no_dataset(dataset: Path, source: Path) -> None:
    (source / "b.tfrecord.gz").write_bytes(b"nothing of use")
    with pytest.raises(DataError):
        prepare.prepare(str(source), dataset, 0.2)
    assert os.listdir(dataset.parent) == ["source"]


@pytest.mark.parametrize("leftover", [".dataset.partial", ".dataset.old"])
def test_leftovers_of_a_killed_run_are_no_hindrance(
    dataset: Path, source: Path, leftover: str
) -> None:
    (dataset.parent / leftover / "train").mkdir(parents=True)
    (dataset.parent / leftover / "train" / "data.tfrecord.gz").write_bytes(b"half a fi")
    prepare.prepare(str(source), dataset, 0.2)
    assert sorted(os.listdir(dataset.parent)) == ["dataset", "source"]
    assert len(read(dataset, "train")) == 32


@pytest.mark.parametrize(
    ("train", "evaluation"),
    [("train", "eval"), ("train", "test"), ("Split-train", "Split-eval")],
)
def test_split_of_the_source_is_kept(
    tmp_path: Path, dataset: Path, few: Examples, train: str, evaluation: str
) -> None:
    source = tmp_path / "split"
    parts = {train: slice(0, 12), evaluation: slice(12, 50)}
    for name, part in parts.items():
        (source / name).mkdir(parents=True)
        records.write(
            Examples(few.images[part], few.labels[part]), source / name / "data.tfrecord.gz"
        )
    manifest, _ = prepare.prepare(str(source), dataset, 0.2)
    assert (manifest.count("train"), manifest.count("eval")) == (12, 38)
    assert read(dataset, "train").labels.tolist() == few.labels[:12].tolist()
    assert read(dataset, "eval").labels.tolist() == few.labels[12:].tolist()


def save_images(directory: Path, examples: Examples) -> None:
    for i, (image, label) in enumerate(zip(examples.images, examples.labels, strict=True)):
        folder = directory / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = ((image + 0.5) * 255).round().astype(np.uint8).reshape(28, 28)
        Image.fromarray(pixels).save(folder / f"{i}.png")


def test_images_in_folders(tmp_path: Path, dataset: Path, few: Examples) -> None:
    save_images(tmp_path / "images", few)
    manifest, _ = prepare.prepare(str(tmp_path / "images"), dataset, 0.2)
    assert (manifest.count("train"), manifest.count("eval")) == (40, 10)
    both = np.concatenate([read(dataset, split).images for split in ("train", "eval")])
    np.testing.assert_allclose(sorted(both.sum(axis=1)), sorted(few.images.sum(axis=1)), rtol=1e-4)


def test_images_in_folders_with_a_split(tmp_path: Path, dataset: Path, few: Examples) -> None:
    save_images(tmp_path / "images" / "train", Examples(few.images[:30], few.labels[:30]))
    save_images(tmp_path / "images" / "test", Examples(few.images[30:], few.labels[30:]))
    manifest, _ = prepare.prepare(str(tmp_path / "images"), dataset, 0.5)
    assert (manifest.count("train"), manifest.count("eval")) == (30, 20)


@pytest.mark.parametrize(
    ("prefixes", "counts"), [(["train", "t10k"], (40, 10)), (["t10k"], (8, 2)), (["mine"], (8, 2))]
)
def test_idx_files(
    tmp_path: Path, dataset: Path, prefixes: list[str], counts: tuple[int, int]
) -> None:
    for prefix in prefixes:
        count = 40 if prefix == "train" else 10
        labels = np.arange(count).astype(np.uint8) % 10
        images = np.zeros((count, 28, 28), np.uint8)
        write_idx(tmp_path / "idx" / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / "idx" / f"{prefix}-labels-idx1-ubyte.gz", labels)
    manifest, _ = prepare.prepare(str(tmp_path / "idx"), dataset, 0.2)
    assert (manifest.count("train"), manifest.count("eval")) == counts


def test_idx_files_of_unknown_parts(tmp_path: Path, dataset: Path) -> None:
    for prefix in ("one", "two"):
        write_idx(tmp_path / "idx" / f"{prefix}-images-idx3-ubyte", np.zeros((2, 28, 28)))
        write_idx(tmp_path / "idx" / f"{prefix}-labels-idx1-ubyte", np.zeros(2))
    with pytest.raises(DataError, match=r"IDX files called two, one: train and t10k are known"):
        prepare.prepare(str(tmp_path / "idx"), dataset, 0.2)


@pytest.fixture
def no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mirror refuses the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    monkeypatch.setattr(idx, "MIRRORS", (closed,))


@pytest.mark.usefixtures("no_mirror")
def test_auto_falls_back_to_digits_and_says_so(dataset: Path) -> None:
    manifest, note = prepare.prepare("auto", dataset, 0.2)
    assert manifest.source == "digits"
    assert "digits" in note
    assert "MNIST could not be downloaded" in note


@pytest.mark.usefixtures("no_mirror")
def test_mnist_does_not_fall_back(dataset: Path) -> None:
    with pytest.raises(DataError, match=r"MNIST cannot be downloaded .*Connection refused"):
        prepare.prepare("mnist", dataset, 0.2)
    assert not os.listdir(dataset.parent)


def test_auto_takes_mnist_where_it_can_be_had(
    dataset: Path, few: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = {"train": few, "t10k": Examples(few.images[:20], few.labels[:20])}
    monkeypatch.setattr(idx, "download", lambda seconds: parts)
    manifest, note = prepare.prepare("auto", dataset, 0.9)
    assert manifest.source == "mnist"
    assert "downloaded" in note
    assert (manifest.count("train"), manifest.count("eval")) == (50, 20)


@pytest.mark.parametrize("name", ["missing", "mnst", "gs://bucket/prefix"])
def test_no_such_source(dataset: Path, name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no data at .*: give digits, mnist or"):
        prepare.prepare(name, dataset, 0.2)
    assert not os.listdir(tmp_path)


def test_file_in_the_place_of_a_directory(source: Path, dataset: Path) -> None:
    file = source / "a.tfrecord.gz"
    with pytest.raises(DataError, match=re.escape(f"{file} is a file: give the directory")):
        prepare.prepare(str(file), dataset, 0.2)


@pytest.mark.parametrize("name", [None, "notes.md"])
def test_directory_without_data(tmp_path: Path, dataset: Path, name: str | None) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    if name:
        (empty / name).write_text("nothing here")
    with pytest.raises(DataError, match=re.escape(f"{empty} holds no data")):
        prepare.prepare(str(empty), dataset, 0.2)
    assert os.listdir(tmp_path) == ["empty"]


def test_too_few_examples(tmp_path: Path, dataset: Path, few: Examples) -> None:
    (tmp_path / "one").mkdir()
    records.write(Examples(few.images[:1], few.labels[:1]), tmp_path / "one" / "data.tfrecord")
    with pytest.raises(DataError, match="holds 1 examples, too few"):
        prepare.prepare(str(tmp_path / "one"), dataset, 0.2)


def test_dataset_below_a_file(tmp_path: Path, source: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(OutputError, match=r"cannot write .*: Not a directory"):
        prepare.prepare(str(source), file / "dataset", 0.2)
    assert file.read_text() == "mine"


@pytest.fixture
def anyones() -> Iterator[Path]:
    """A directory that every user may enter, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def as_ordinary_user(function: Callable[[], Any]) -> Any:
    """Runs it as `nobody` where these tests run as root, for whom no permission is denied."""
    if os.getuid() != 0:
        return function()
    try:
        os.setresuid(65534, 65534, 0)
    except OSError:
        pytest.skip("root here may not become another user")
    try:
        return function()
    finally:
        os.setresuid(0, 0, 0)


def test_directory_that_may_not_be_read(anyones: Path, dataset: Path) -> None:
    secret = anyones / "secret"
    secret.mkdir(mode=0)
    with pytest.raises(DataError, match="secret cannot be read: permission denied"):
        as_ordinary_user(lambda: prepare.prepare(str(secret), anyones / "dataset", 0.2))


def test_place_that_may_not_be_written(anyones: Path, few: Examples) -> None:
    (anyones / "source").mkdir()
    records.write(few, anyones / "source" / "data.tfrecord")
    anyones.chmod(0o555)
    with pytest.raises(OutputError, match=r"cannot write .*dataset: Permission denied"):
        as_ordinary_user(lambda: prepare.prepare(str(anyones / "source"), anyones / "dataset", 0.2))
    assert os.listdir(anyones) == ["source"]


def test_dataset_of_ours_keeps_its_source_name(tmp_path: Path, dataset: Path) -> None:
    made, _ = prepare.prepare("digits", tmp_path / "made", 0.2)
    again, _ = prepare.prepare(str(tmp_path / "made"), dataset, 0.5)
    assert again.source == "digits"
    assert again.fingerprint == made.fingerprint
    assert again.examples == made.examples


def test_dataset_that_contradicts_its_manifest(tmp_path: Path, dataset: Path) -> None:
    prepare.prepare("digits", tmp_path / "made", 0.2)
    train, evaluation = (
        tmp_path / "made" / name / "data.tfrecord.gz" for name in ("train", "eval")
    )
    shutil.copy(evaluation, train)
    with pytest.raises(DataError, match=r"does not hold what its manifest\.json says"):
        prepare.prepare(str(tmp_path / "made"), dataset, 0.2)
    assert not dataset.exists()
