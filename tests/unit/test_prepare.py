"""A dataset on disk: what is written, when, and what a failure leaves."""

import gzip
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from PIL import Image

from modules import mnist
from modules.task import Task
from pipelines import settings
from pipelines.data import dataset as dataset_module
from pipelines.data import idx, prepare, shards
from pipelines.data.byte_pictures import BytePictures
from pipelines.data.manifest import Manifest
from pipelines.data.source import Batch
from pipelines.errors import DataError, OutputError
from tests.unit import mnist_examples
from tests.unit.idx_files import write_idx
from tests.unit.mnist_examples import Examples
from tests.users import as_ordinary_user


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
        mnist_examples.write(few[part], directory / name)
    return directory


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


def prepared(source: str, directory: Path, eval_fraction: float) -> tuple[Manifest, str]:
    """The manifest of what `prepare` returns, which is the current dataset, and the note."""
    data = settings.Data(source=source, eval_fraction=eval_fraction)
    made, note = prepare.prepare(data, settings.Task(), directory)
    assert dataset_module.load(directory) == made
    assert made.find_fault() == ""
    return made.manifest, note


def current(dataset: Path) -> Path:
    """The directory of the current dataset."""
    return dataset_module.load(dataset).directory


def read(dataset: Path, split: str) -> Examples:
    return mnist_examples.read(current(dataset) / split / "data.tfrecord.gz")


def names(dataset: Path) -> list[str]:
    """Everything below a directory that is a file, with the names of datasets as NAME."""
    found = (f.relative_to(dataset).as_posix() for f in dataset.rglob("*") if f.is_file())
    return sorted(re.sub("datasets/[0-9a-f]{16}/", "datasets/NAME/", name) for name in found)


ONE_DATASET = [
    "dataset.json",
    "datasets/NAME/eval/data.tfrecord.gz",
    "datasets/NAME/manifest.json",
    "datasets/NAME/train/data.tfrecord.gz",
]


def test_manifest_and_files_of_digits(dataset: Path, all_digits: Examples) -> None:
    manifest, note = prepared("digits", dataset, 0.2)
    assert names(dataset) == ONE_DATASET
    assert "digits" in note
    assert (manifest.source, manifest.count("train"), manifest.count("eval")) == (
        "digits",
        1438,
        359,
    )
    for split in ("train", "eval"):
        written = read(dataset, split)
        assert len(written) == manifest.count(split)
        assert manifest.examples[split].class_balance == written.class_balance()
        assert manifest.examples[split].sha256 == written.fingerprint()
    both = np.concatenate([read(dataset, split).labels for split in ("train", "eval")])
    assert np.bincount(both).tolist() == np.bincount(all_digits.labels).tolist()
    stored = json.loads((current(dataset) / "manifest.json").read_text())
    assert stored == {"format": 3, **manifest.model_dump()}
    assert set(stored) == {"format", "source", "task", "examples", "fingerprint", "files"}
    assert stored["files"]["train/data.tfrecord.gz"]["size"] > 1_000_000
    assert current(dataset).name == manifest.name


def test_own_records(dataset: Path, source: Path, few: Examples) -> None:
    manifest, note = prepared(str(source), dataset, 0.25)
    assert manifest.source == str(source)
    assert note == f"{source} (task mnist: 10 classes, 28x28 grey)"
    assert (manifest.count("train"), manifest.count("eval")) == (30, 10)
    both = np.concatenate([read(dataset, split).images for split in ("train", "eval")])
    assert sorted(map(bytes, both)) == sorted(map(bytes, few.images[:40]))


def test_fingerprint_does_not_depend_on_compression_or_place(
    tmp_path: Path, source: Path, dataset: Path
) -> None:
    first, _ = prepared(str(source), dataset, 0.25)
    plain = tmp_path / "plain"
    plain.mkdir()
    for file in source.iterdir():
        (plain / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    second, _ = prepared(str(plain), tmp_path / "other", 0.25)
    assert (second.fingerprint, second.examples) == (first.fingerprint, first.examples)


def test_fingerprint_sees_which_examples_are_for_evaluation(
    tmp_path: Path, source: Path, dataset: Path
) -> None:
    first, _ = prepared(str(source), dataset, 0.25)
    second, _ = prepared(str(source), tmp_path / "other", 0.5)
    assert second.fingerprint != first.fingerprint


@pytest.mark.parametrize("which", ["digits", "directory"])
def test_unchanged_source_is_not_written_again(dataset: Path, source: Path, which: str) -> None:
    name = "digits" if which == "digits" else str(source)
    first, _ = prepared(name, dataset, 0.2)
    before = snapshot(dataset)
    second, note = prepared(name, dataset, 0.2)
    assert second == first
    assert note.endswith("unchanged")
    assert snapshot(dataset) == before


def test_relative_path_is_the_same_source(
    dataset: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(str(source), dataset, 0.2)
    before = snapshot(dataset)
    monkeypatch.chdir(source.parent)
    assert prepared(source.name, dataset, 0.2)[1].endswith("unchanged")
    assert snapshot(dataset) == before


def change_file(source: Path, few: Examples) -> None:
    mnist_examples.write(few, source / "a.tfrecord.gz")


def add_file(source: Path, few: Examples) -> None:
    mnist_examples.write(few, source / "c.tfrecord.gz")


def remove_file(source: Path, few: Examples) -> None:
    (source / "b.tfrecord.gz").unlink()


@pytest.mark.parametrize(
    ("change", "examples"), [(change_file, 65), (add_file, 90), (remove_file, 25)]
)
def test_changed_source_is_written_again(
    dataset: Path, source: Path, few: Examples, change: Callable[..., None], examples: int
) -> None:
    first, _ = prepared(str(source), dataset, 0.2)
    change(source, few)
    second, note = prepared(str(source), dataset, 0.2)
    assert "unchanged" not in note
    assert second.count("train") + second.count("eval") == examples
    assert len(read(dataset, "train")) == second.count("train")
    assert second.fingerprint != first.fingerprint


def test_other_fraction_is_another_dataset(dataset: Path, source: Path) -> None:
    prepared(str(source), dataset, 0.25)
    assert prepared(str(source), dataset, 0.5)[0].count("eval") == 20
    assert len(read(dataset, "eval")) == 20


def test_source_of_another_kind_replaces_the_dataset(dataset: Path, source: Path) -> None:
    prepared("digits", dataset, 0.2)
    manifest, _ = prepared(str(source), dataset, 0.2)
    assert manifest.count("train") == len(read(dataset, "train")) == 32
    assert names(dataset).count("datasets/NAME/manifest.json") == 2, "the old one stays"


@pytest.mark.parametrize("lost", ["train/data.tfrecord.gz", "eval/data.tfrecord.gz"])
def test_dataset_that_lost_a_file_is_made_whole(dataset: Path, source: Path, lost: str) -> None:
    first, _ = prepared(str(source), dataset, 0.2)
    (current(dataset) / lost).unlink()
    manifest, note = prepared(str(source), dataset, 0.2)
    assert manifest == first
    assert f"(made again: {current(dataset) / lost} is missing)" in note
    assert len(read(dataset, lost.split("/")[0])) == first.count(lost.split("/")[0])


def test_finished_dataset_is_a_source_with_its_own_split(
    tmp_path: Path, dataset: Path, source: Path
) -> None:
    first, _ = prepared(str(source), dataset, 0.25)
    second, _ = prepared(str(dataset), tmp_path / "copy", 0.9)
    assert second.examples == first.examples
    assert second.fingerprint == first.fingerprint


@pytest.mark.parametrize(
    "content",
    [
        {"mine.txt": "keep me"},
        {"manifest.json": '{"name": "a browser extension"}'},
        {"manifest.json": "not JSON"},
        {"manifest.json": '{"format": 99}'},
        {"manifest.json": '{"format": 1}', "mine.txt": ""},
        {"manifest.json": '{"format": 1}', "train": "a file"},
        {"manifest.json": '{"format": 1}', "train/mine.txt": ""},
        {"manifest.json": '{"format": 1}', "train/data.tfrecord.gz": "", "train/mine.txt": ""},
        {"train/data.tfrecord.gz": "", "eval/data.tfrecord.gz": ""},
        {"dataset.json": "not JSON"},
        {"dataset.json": '{"format": 99}'},
        {"dataset.json/mine.txt": ""},
        {"datasets": "a file"},
        {"datasets/mine/file": ""},
        {"datasets/0123456789abcdef/manifest.json": "", "datasets/mine.txt": ""},
        {"datasets/0123456789abcdef/manifest.json": "", "mine.txt": ""},
    ],
)
def test_foreign_directory_is_refused_and_left_alone(
    dataset: Path, content: dict[str, str]
) -> None:
    dataset.mkdir()
    for name, text in content.items():
        (dataset / name).parent.mkdir(parents=True, exist_ok=True)
        (dataset / name).write_text(text)
    before = snapshot(dataset.parent)
    with pytest.raises(OutputError, match=r"dataset holds .*, which is no dataset of tfx-mobile"):
        prepared("digits", dataset, 0.2)
    assert snapshot(dataset.parent) == before


def test_empty_directory_is_filled(dataset: Path, source: Path) -> None:
    dataset.mkdir()
    prepared(str(source), dataset, 0.2)
    assert names(dataset) == ONE_DATASET


def test_directories_above_are_made(tmp_path: Path, source: Path) -> None:
    prepared(str(source), tmp_path / "a" / "b" / "c", 0.2)
    assert names(tmp_path / "a" / "b" / "c") == ONE_DATASET
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
    prepared("digits", dataset, 0.2)
    before = snapshot(dataset.parent)
    real, done = shards.write, []

    def write(task: Task, batches: Iterable[Batch], directory: Path, examples: int) -> None:
        if len(done) == writes:
            (directory / "data.tfrecord.gz").write_bytes(b"half a fi")
            raise error("in the middle")
        done.append(directory)
        real(task, batches, directory, examples)

    monkeypatch.setattr(shards, "write", write)
    with pytest.raises(OutputError if error is OSError else error):
        prepared(str(source), dataset, 0.2)
    assert snapshot(dataset.parent) == before
    assert sorted(os.listdir(dataset.parent)) == ["dataset", "source"]

    monkeypatch.undo()
    assert prepared(str(source), dataset, 0.2)[0].count("train") == 32


def test_bad_source_leaves_the_old_dataset_whole(dataset: Path, source: Path) -> None:
    prepared("digits", dataset, 0.2)
    before = snapshot(dataset)
    (source / "b.tfrecord.gz").write_bytes(b"nothing of use")
    with pytest.raises(DataError, match=r"b\.tfrecord\.gz is truncated or not a TFRecord file"):
        prepared(str(source), dataset, 0.2)
    assert snapshot(dataset) == before


def test_bad_source_makes_no_dataset(dataset: Path, source: Path) -> None:
    (source / "b.tfrecord.gz").write_bytes(b"nothing of use")
    with pytest.raises(DataError):
        prepared(str(source), dataset, 0.2)
    assert os.listdir(dataset.parent) == ["source"]


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
        mnist_examples.write(few[part], source / name / "data.tfrecord.gz")
    manifest, _ = prepared(str(source), dataset, 0.2)
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
    manifest, _ = prepared(str(tmp_path / "images"), dataset, 0.2)
    assert (manifest.count("train"), manifest.count("eval")) == (40, 10)
    both = np.concatenate([read(dataset, split).images for split in ("train", "eval")])
    np.testing.assert_allclose(sorted(both.sum(axis=1)), sorted(few.images.sum(axis=1)), rtol=1e-4)


def test_images_in_folders_with_a_split(tmp_path: Path, dataset: Path, few: Examples) -> None:
    save_images(tmp_path / "images" / "train", few[:30])
    save_images(tmp_path / "images" / "test", few[30:])
    manifest, _ = prepared(str(tmp_path / "images"), dataset, 0.5)
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
        images[:, 0, 0] = np.arange(count)
        write_idx(tmp_path / "idx" / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / "idx" / f"{prefix}-labels-idx1-ubyte.gz", labels)
    manifest, _ = prepared(str(tmp_path / "idx"), dataset, 0.2)
    assert (manifest.count("train"), manifest.count("eval")) == counts


def test_idx_files_of_unknown_parts(tmp_path: Path, dataset: Path) -> None:
    for prefix in ("one", "two"):
        write_idx(tmp_path / "idx" / f"{prefix}-images-idx3-ubyte", np.zeros((2, 28, 28)))
        write_idx(tmp_path / "idx" / f"{prefix}-labels-idx1-ubyte", np.zeros(2))
    with pytest.raises(DataError, match=r"IDX files called one, two: give a folder"):
        prepared(str(tmp_path / "idx"), dataset, 0.2)


@pytest.fixture
def no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mirror refuses the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    monkeypatch.setattr(idx, "MIRRORS", (closed,))


@pytest.mark.usefixtures("no_mirror")
def test_auto_falls_back_to_digits_and_says_so(dataset: Path) -> None:
    manifest, note = prepared("auto", dataset, 0.2)
    assert manifest.source == "digits"
    assert "digits" in note
    assert "MNIST could not be downloaded" in note


@pytest.mark.usefixtures("no_mirror")
def test_mnist_does_not_fall_back(dataset: Path) -> None:
    with pytest.raises(DataError, match=r"MNIST cannot be downloaded .*Connection refused"):
        prepared("mnist", dataset, 0.2)
    assert not os.listdir(dataset.parent)


def test_auto_takes_mnist_where_it_can_be_had(
    dataset: Path, few: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.round((few.images + 0.5) * 255).astype(np.uint8).reshape(-1, 28, 28)
    parts = {
        name: BytePictures(name, mnist.TASK, pixels[:size], few.labels[:size])
        for name, size in (("train", 50), ("eval", 20))
    }
    monkeypatch.setattr(idx, "download", lambda seconds: parts)
    manifest, note = prepared("auto", dataset, 0.9)
    assert manifest.source == "mnist"
    assert "downloaded" in note
    assert (manifest.count("train"), manifest.count("eval")) == (50, 20)


@pytest.mark.parametrize("name", ["missing", "mnst", "gs://bucket/prefix"])
def test_no_such_source(dataset: Path, name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no data at .*: give digits, mnist or"):
        prepared(name, dataset, 0.2)
    assert not os.listdir(tmp_path)


def test_file_in_the_place_of_a_directory(source: Path, dataset: Path) -> None:
    file = source / "a.tfrecord.gz"
    with pytest.raises(DataError, match=re.escape(f"{file} is a file: give the directory")):
        prepared(str(file), dataset, 0.2)


@pytest.mark.parametrize("name", [None, "notes.md"])
def test_directory_without_data(tmp_path: Path, dataset: Path, name: str | None) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    if name:
        (empty / name).write_text("nothing here")
    with pytest.raises(DataError, match=re.escape(f"{empty} holds no data")):
        prepared(str(empty), dataset, 0.2)
    assert os.listdir(tmp_path) == ["empty"]


def test_too_few_examples(tmp_path: Path, dataset: Path, few: Examples) -> None:
    (tmp_path / "one").mkdir()
    mnist_examples.write(few[:1], tmp_path / "one" / "data.tfrecord")
    with pytest.raises(DataError, match="holds 1 examples, too few"):
        prepared(str(tmp_path / "one"), dataset, 0.2)


def test_dataset_below_a_file(tmp_path: Path, source: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(OutputError, match=r"cannot write .*: Not a directory"):
        prepared(str(source), file / "dataset", 0.2)
    assert file.read_text() == "mine"


def test_directory_that_may_not_be_read(anyones: Path, dataset: Path) -> None:
    secret = anyones / "secret"
    secret.mkdir(mode=0)
    with pytest.raises(DataError, match="secret cannot be read: permission denied"):
        as_ordinary_user(lambda: prepared(str(secret), anyones / "dataset", 0.2))


def test_place_that_may_not_be_written(anyones: Path, few: Examples) -> None:
    (anyones / "source").mkdir()
    mnist_examples.write(few, anyones / "source" / "data.tfrecord")
    anyones.chmod(0o555)
    with pytest.raises(OutputError, match=r"cannot write .*dataset: Permission denied"):
        as_ordinary_user(lambda: prepared(str(anyones / "source"), anyones / "dataset", 0.2))
    assert os.listdir(anyones) == ["source"]


def test_dataset_of_ours_keeps_its_source_name(tmp_path: Path, dataset: Path) -> None:
    made, _ = prepared("digits", tmp_path / "made", 0.2)
    again, _ = prepared(str(tmp_path / "made"), dataset, 0.5)
    assert again.source == "digits"
    assert again.fingerprint == made.fingerprint
    assert again.examples == made.examples


def test_dataset_of_ours_itself_is_a_source(tmp_path: Path, dataset: Path) -> None:
    made, _ = prepared("digits", tmp_path / "made", 0.2)
    again, _ = prepared(str(current(tmp_path / "made")), dataset, 0.5)
    assert again == made


def test_other_datasets_beside_the_current_one_are_not_read(
    tmp_path: Path, dataset: Path, source: Path
) -> None:
    prepared("digits", tmp_path / "made", 0.2)
    made, _ = prepared(str(source), tmp_path / "made", 0.2)
    (tmp_path / "made" / "_notes.txt").write_text("mine")
    (current(tmp_path / "made") / "train" / "more.tfrecord.gz").write_text("no records")
    assert prepared(str(tmp_path / "made"), dataset, 0.2)[0] == made
    assert (tmp_path / "made" / "_notes.txt").read_text() == "mine"


def copy_eval_over_train(made: Path) -> None:
    shutil.copy(made / "eval" / "data.tfrecord.gz", made / "train" / "data.tfrecord.gz")


def remove_train(made: Path) -> None:
    (made / "train" / "data.tfrecord.gz").unlink()


def change_fingerprint(made: Path) -> None:
    text = (made / "manifest.json").read_text()
    (made / "manifest.json").write_text(re.sub('"fingerprint": ".', '"fingerprint": "_', text))


def remove_manifest(made: Path) -> None:
    (made / "manifest.json").unlink()


def empty_manifest(made: Path) -> None:
    (made / "manifest.json").write_text("")


def damage_manifest(made: Path) -> None:
    (made / "manifest.json").write_text("{}")


def damage_pointer(made: Path) -> None:
    (made.parent.parent / "dataset.json").write_text("[]")


def swap_manifest(made: Path) -> None:
    text = (made / "manifest.json").read_text()
    (made / "manifest.json").write_text(text.replace('"size": ', '"size": 9'))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            copy_eval_over_train,
            r"train/data\.tfrecord\.gz has [\d,]+ bytes, and manifest\.json says",
        ),
        (remove_train, r"train/data\.tfrecord\.gz is missing"),
        (change_fingerprint, r"does not hold what its manifest\.json says"),
        (remove_manifest, r"dataset\.json names a dataset that is not there"),
        (empty_manifest, r"dataset\.json names a dataset that is not there"),
        (damage_manifest, r"manifest\.json has the format None, and this release reads 3"),
        (damage_pointer, r"dataset\.json is damaged: it is no JSON object"),
        (swap_manifest, r"holds the manifest of another dataset"),
    ],
)
def test_damaged_dataset_as_a_source(
    tmp_path: Path, dataset: Path, damage: Callable[[Path], None], sentence: str
) -> None:
    prepared("digits", tmp_path / "made", 0.2)
    damage(current(tmp_path / "made"))
    with pytest.raises(DataError, match=f"{sentence}.*: write the dataset again"):
        prepared(str(tmp_path / "made"), dataset, 0.2)
    assert not dataset.exists()


@pytest.mark.parametrize(
    "damage",
    [
        copy_eval_over_train,
        remove_train,
        change_fingerprint,
        remove_manifest,
        empty_manifest,
        damage_manifest,
        damage_pointer,
        swap_manifest,
    ],
)
def test_damaged_dataset_is_made_again(
    dataset: Path, source: Path, damage: Callable[[Path], None]
) -> None:
    first, _ = prepared(str(source), dataset, 0.2)
    damage(current(dataset))
    again, note = prepared(str(source), dataset, 0.2)
    if damage is not change_fingerprint:  # the files are right, and nobody reads it
        assert again == first
        assert "(made again: " in note
    assert names(dataset) == ONE_DATASET


def test_pointer_of_another_release_is_made_again(dataset: Path, source: Path) -> None:
    prepared(str(source), dataset, 0.2)
    (dataset / "dataset.json").write_text('{"format": 99}')
    _, note = prepared(str(source), dataset, 0.2)
    assert "dataset.json has the format 99, and this release reads 1" in note


def test_same_examples_from_elsewhere_are_the_same_dataset(
    tmp_path: Path, dataset: Path, source: Path
) -> None:
    prepared(str(source), dataset, 0.2)
    before = snapshot(dataset / "datasets")
    source.rename(tmp_path / "moved")
    prepared(str(tmp_path / "moved"), dataset, 0.2)
    assert snapshot(dataset / "datasets") == before


def write_flat(directory: Path, few: Examples) -> None:
    """As the previous release wrote it."""
    for split in ("train", "eval"):
        (directory / split).mkdir(parents=True)
        mnist_examples.write(few, directory / split / "data.tfrecord.gz")
    (directory / "manifest.json").write_text('{"format": 1, "source": "digits"}')


@pytest.mark.parametrize("gone", [None, "train", "eval", "both"])
def test_layout_of_the_previous_release_is_replaced(
    dataset: Path, source: Path, few: Examples, gone: str | None
) -> None:
    write_flat(dataset, few)
    (dataset / ".mine").write_text("hidden")
    for split in {"both": ("train", "eval"), None: ()}.get(gone, (gone,)):
        shutil.rmtree(dataset / split)
    _, note = prepared(str(source), dataset, 0.2)
    assert "replaces the dataset that an earlier release wrote" in note
    assert names(dataset) == [".mine", *ONE_DATASET]
    assert sorted(os.listdir(dataset)) == [".mine", "dataset.json", "datasets"]


def test_what_cannot_be_removed_of_the_previous_release_is_no_hindrance(
    dataset: Path, source: Path, few: Examples
) -> None:
    write_flat(dataset, few)
    (dataset / "train" / ".hidden").write_text("mine")
    first, _ = prepared(str(source), dataset, 0.2)
    assert prepared(str(source), dataset, 0.2)[0] == first
    assert (dataset / "train" / ".hidden").read_text() == "mine"
    (dataset / "train" / ".hidden").unlink()
    prepared(str(source), dataset, 0.2)
    assert sorted(os.listdir(dataset)) == ["dataset.json", "datasets"]


def remove_once(monkeypatch: pytest.MonkeyPatch, remove: Callable[[Path], None]) -> None:
    """A prune that removes a dataset just before the pointer names it."""
    real, done = prepare.files.write_text, []

    def write_text(file: Path, text: str) -> None:
        if not done:
            done.append(file)
            remove(next((file.parent / "datasets").glob("[0-9a-f]*")))
        real(file, text)

    monkeypatch.setattr(prepare.files, "write_text", write_text)


@pytest.mark.parametrize("remove", [shutil.rmtree, empty_manifest])
def test_dataset_that_is_pruned_before_it_is_named_is_written_again(
    dataset: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    remove: Callable[[Path], None],
) -> None:
    remove_once(monkeypatch, remove)
    prepared(str(source), dataset, 0.2)


def test_previous_release_is_left_alone_where_the_source_is_bad(
    dataset: Path, few: Examples, tmp_path: Path
) -> None:
    write_flat(dataset, few)
    before = snapshot(dataset)
    with pytest.raises(DataError):
        prepared(str(tmp_path / "nowhere"), dataset, 0.2)
    assert snapshot(dataset) == before


def test_datasets_are_for_the_reader_that_the_umask_says(dataset: Path, source: Path) -> None:
    before = os.umask(0o022)
    try:
        prepared(str(source), dataset, 0.2)
    finally:
        os.umask(before)
    modes = {f.stat().st_mode & 0o777 for f in dataset.rglob("*") if f.is_file()}
    assert modes == {0o644}
    assert {d.stat().st_mode & 0o777 for d in dataset.rglob("*") if d.is_dir()} == {0o755}


def test_leftovers_of_killed_writers_go_when_they_are_old(dataset: Path, source: Path) -> None:
    prepared("digits", dataset, 0.2)
    for age, name in ((4000, "old"), (10, "live")):
        left = dataset / "datasets" / f".{name}.partial" / "train" / "data.tfrecord.gz"
        left.parent.mkdir(parents=True)
        left.write_text("half")
        pointer = dataset / f".dataset.json.{name}.partial"
        pointer.write_text("{")
        for path in (left, left.parent, left.parent.parent, pointer):
            os.utime(path, (time.time() - age,) * 2)
    mine = dataset / ".mine.partial"
    mine.write_text("a person's own")
    os.utime(mine, (1, 1))
    prepared(str(source), dataset, 0.2)
    assert {f.name for f in dataset.glob(".*")} == {".mine.partial", ".dataset.json.live.partial"}
    assert [f.name for f in (dataset / "datasets").glob(".*")] == [".live.partial"]
