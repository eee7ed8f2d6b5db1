"""What is read of a folder of examples, what is passed over, and what the user is told of it."""

import errno
import os
import shutil
import socket
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines import settings
from pipelines.data import prepare, sources
from pipelines.data.dataset import Dataset
from pipelines.errors import DataError
from tests.unit import mnist_examples
from tests.unit.idx_files import write_idx
from tests.unit.mnist_examples import Examples
from tests.users import as_ordinary_user


def draw(number: int) -> Image.Image:
    """A different image for each number below 784."""
    pixels = np.zeros(784, np.uint8)
    pixels[: number + 1] = 255
    return Image.fromarray(pixels.reshape(28, 28))


def write_images(directory: Path, count: int = 20, suffix: str = "png") -> Path:
    """Images of the digits in turn, `DIGIT/NUMBER.SUFFIX`."""
    for number in range(count):
        folder = directory / str(number % 10)
        folder.mkdir(parents=True, exist_ok=True)
        draw(number).save(folder / f"{number}.{suffix}")
    return directory


def write_records(file: Path, few: Examples, part: slice = slice(None)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    mnist_examples.write(few[part], file)


AUTO = settings.Task()
TASK = "task mnist: 10 classes, 28x28 grey"


def data_of(directory: Path | str) -> settings.Data:
    return settings.Data(source=str(directory), eval_fraction=0.25)


def load(directory: Path, *outputs: Path) -> tuple[Dataset, str]:
    """The dataset that a folder becomes, and what is said beside its task."""
    written = directory.parent / f".{uuid.uuid4().hex}"
    made, note = prepare.prepare(data_of(directory), AUTO, written, outputs)
    assert made.find_fault() == ""
    start, _, rest = note.partition(f" ({TASK}")
    assert start == str(directory)
    told = rest.removesuffix(")").removeprefix("; ")
    return made, f"({told})" if told else ""


def count(made: Dataset) -> tuple[int, int]:
    return made.manifest.count("train"), made.manifest.count("eval")


def read(made: Dataset, split: str) -> Examples:
    return mnist_examples.read(*(made.directory / f for f in made.manifest.split_files(split)))


def refusal(directory: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(directory)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nothing_is_said_where_nothing_is_passed_over(tmp_path: Path) -> None:
    made, note = load(write_images(tmp_path / "images"))
    assert count(made) == (15, 5)
    assert note == ""


def as_a_mac_leaves_it(source: Path) -> None:
    for folder in ("0", "1"):
        (source / folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        (source / folder / f"._{folder}.png").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    (source / "__MACOSX" / "0").mkdir(parents=True)
    (source / "__MACOSX" / "0" / "._0.png").write_bytes(b"\0\5\x16\7")


def as_windows_leaves_it(source: Path) -> None:
    (source / "3" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (source / "3" / "desktop.ini").write_text("[.ShellClassInfo]")


def as_a_phone_leaves_it(source: Path) -> None:
    for number in range(3):
        heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
        (source / "4" / f"IMG_{number}.HEIC").write_bytes(heic)
    (source / "4" / "IMG_0.MOV").write_bytes(b"\0\0\0\x14ftypqt  " + bytes(64))
    (source / "4" / "IMG_0.AAE").write_text("<?xml version='1.0'?>")


def as_tools_leave_it(source: Path) -> None:
    (source / ".ipynb_checkpoints").mkdir()
    shutil.copy(source / "0" / "0.png", source / ".ipynb_checkpoints" / "0-checkpoint.png")
    (source / ".git").mkdir()
    (source / ".git" / "config").write_text("")
    (source / "labels.csv").write_text("file,label")
    (source / "README").write_text("mine")
    (source / "SHA256SUMS").write_text("0 *0/0.png")
    (source / "0" / "0.png.md5").write_text("0")
    (source / "0" / ".#0.png").symlink_to("user@host.1234:5678")  # Emacs is open


@pytest.mark.parametrize(
    ("leave", "expected"),
    [
        (
            as_a_mac_leaves_it,
            "(passed over 4 files (2 .DS_Store, 2 ._*) and the folder __MACOSX/)",
        ),
        (as_windows_leaves_it, "(passed over 2 files (1 Thumbs.db, 1 desktop.ini))"),
        (as_a_phone_leaves_it, "(passed over 5 files (3 *.heic, 1 *.aae, 1 *.mov))"),
        (
            as_tools_leave_it,
            "(passed over 5 files (1 .#0.png, 1 *.md5, 1 README, 1 SHA256SUMS, 1 *.csv) and the "
            "folders .git/, .ipynb_checkpoints/)",
        ),
    ],
    ids=["Mac", "Windows", "phone", "tools"],
)
def test_what_systems_leave_is_passed_over_and_told(
    tmp_path: Path, leave: Callable[[Path], None], expected: str
) -> None:
    source = write_images(tmp_path / "images")
    clean, _ = load(source)
    leave(source)
    made, note = load(source)
    assert made.manifest == clean.manifest
    assert note == expected


def test_leftovers_beside_records_are_passed_over(tmp_path: Path, few: Examples) -> None:
    source = tmp_path / "records"
    write_records(source / "data-00000-of-00001", few)
    (source / "data.tfrecord.index").write_text("0 3200\n3200 3200\n")
    (source / "data.idx").write_text("0 3200\n")
    (source / "_SUCCESS").write_text("")
    (source / "data.tfrecord.gz.md5").write_text("0")
    made, note = load(source)
    assert sum(count(made)) == 50
    assert note == "(passed over 4 files (1 _SUCCESS, 1 *.md5, 1 *.idx, 1 *.index))"


def test_images_are_told_by_content(tmp_path: Path) -> None:
    source = write_images(tmp_path / "images", 10)
    write_images(source, 20, "TIF")
    draw(30).save(source / "3" / "scan.dat", "PNG")
    draw(31).save(source / "3" / "no suffix", "BMP")
    draw(32).save(source / "3" / "photo.png", "JPEG")
    made, note = load(source)
    assert sum(count(made)) == 33
    assert note == ""


def test_text_that_is_called_an_image_is_named(tmp_path: Path) -> None:
    source = write_images(tmp_path / "images")
    (source / "5" / "note.png").write_text("not an image")
    assert f"{source}/5/note.png is not an image that can be read" in refusal(source)


def test_images_below_the_folder_of_a_digit_have_its_label(tmp_path: Path) -> None:
    source = write_images(tmp_path / "images", 10)
    for number in range(10, 20):
        folder = source / str(number % 10) / "scanned" / "2024"
        folder.mkdir(parents=True)
        draw(number).save(folder / "a.png")
    made, note = load(source)
    balances = [made.manifest.examples[split].class_balance for split in ("train", "eval")]
    assert {sum(balance[str(d)] for balance in balances) for d in range(10)} == {2}
    assert note == ""


@pytest.mark.parametrize("name", ["part-0", "data.bin", "records.tfrecord", "x.gz"])
@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_records_are_told_by_content(
    tmp_path: Path, few: Examples, name: str, compression: str
) -> None:
    import tensorflow as tf

    write_records(tmp_path / "once", few)
    source = tmp_path / "records"
    source.mkdir()
    with tf.io.TFRecordWriter(str(source / name), compression) as writer:
        for record in tf.data.TFRecordDataset(str(tmp_path / "once"), "GZIP"):
            writer.write(record.numpy())
    made, note = load(source)
    assert sum(count(made)) == 50
    assert note == ""


def test_empty_shards_are_fine(tmp_path: Path, few: Examples) -> None:
    source = tmp_path / "records"
    write_records(source / "data.tfrecord-00000-of-00003.gz", few)
    write_records(source / "data.tfrecord-00001-of-00003.gz", few, slice(0, 0))
    (source / "data.tfrecord-00002-of-00003").write_bytes(b"")
    assert sum(count(load(source)[0])) == 50


def test_records_in_deeper_folders(tmp_path: Path, few: Examples) -> None:
    source = tmp_path / "records"
    for shard in ("a", "b"):
        write_records(source / shard / "data.tfrecord", few, slice(0, 25))
    assert sum(count(load(source)[0])) == 50
    write_records(source / "data.tfrecord", few, slice(25, 50))
    made, note = load(source)
    assert sum(count(made)) == 25
    assert note == "(passed over 2 files (2 *.tfrecord))"


def write_pair(directory: Path, images: str, labels: str, size: int) -> None:
    pixels = np.stack([np.asarray(draw(number)) for number in range(size)])
    write_idx(directory / images, pixels)
    write_idx(directory / labels, np.arange(size, dtype=np.uint8) % 10)


@pytest.mark.parametrize(
    ("folder", "pattern", "names"),
    [
        ("", "{0}-{1}-idx{2}-ubyte.gz", ("train", "t10k")),
        ("", "{0}-{1}.idx{2}-ubyte", ("train", "t10k")),
        ("", "{0}-{1}-idx{2}-ubyte", ("train", "test")),
        ("MNIST/raw", "{0}-{1}-idx{2}-ubyte", ("train", "t10k")),
        ("gzip", "emnist-mnist-{0}-{1}-idx{2}-ubyte.gz", ("train", "test")),
    ],
)
def test_usual_names_of_mnists_files(
    tmp_path: Path, folder: str, pattern: str, names: tuple[str, str]
) -> None:
    source = tmp_path / "mnist"
    for name, size in zip(names, (40, 10), strict=True):
        files = (pattern.format(name, *kind) for kind in (("images", 3), ("labels", 1)))
        write_pair(source / folder, *files, size)
    made, note = load(source)
    assert count(made) == (40, 10)
    assert note == ""


def test_torchvisions_folder_holds_each_file_twice(tmp_path: Path) -> None:
    for suffix in ("", ".gz"):
        for name, size in (("train", 40), ("t10k", 10)):
            files = (f"{name}-images-idx3-ubyte{suffix}", f"{name}-labels-idx1-ubyte{suffix}")
            write_pair(tmp_path / "data" / "MNIST" / "raw", *files, size)
    made, note = load(tmp_path / "data")
    assert count(made) == (40, 10)
    assert note == "(passed over 4 files (4 *.gz))"


@pytest.mark.parametrize(
    ("train", "evaluation"),
    [
        ("train", "eval"),
        ("Train", "Test"),
        ("TRAIN", "VAL"),
        ("training", "testing"),
        ("train", "valid"),
        ("train", "validation"),
        ("Split-train", "Split-eval"),
        ("outer/train", "outer/test"),
        ("train/images", "val/images"),
    ],
)
def test_usual_names_of_splits(tmp_path: Path, train: str, evaluation: str) -> None:
    write_images(tmp_path / "source" / train, 30)
    write_images(tmp_path / "source" / evaluation, 10)
    made, note = load(tmp_path / "source")
    assert count(made) == (30, 10)
    assert note == ""


def test_test_is_preferred_to_validation_and_the_rest_is_told(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name, size in (("train", 30), ("val", 20), ("test", 10)):
        write_images(source / name, size)
    (source / "model.bin").write_bytes(b"\x80\4")
    made, note = load(source)
    assert count(made) == (30, 10)
    assert note == "(passed over 1 file (1 *.bin) and the folder val/)"


def test_train_alone_is_split(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_images(source / "Train")
    (source / "unlabelled").mkdir()
    draw(1).save(source / "unlabelled" / "a.png")
    made, note = load(source)
    assert count(made) == (15, 5)
    assert note == "(passed over the folder unlabelled/)"


def test_formats_of_the_splits_may_differ(tmp_path: Path, few: Examples) -> None:
    write_images(tmp_path / "source" / "train", 30)
    write_records(tmp_path / "source" / "eval" / "data.tfrecord", few)
    assert count(load(tmp_path / "source")[0]) == (30, 50)


def test_several_formats_are_refused(tmp_path: Path, few: Examples) -> None:
    source = write_images(tmp_path / "source")
    write_records(source / "data.tfrecord", few)
    assert refusal(source) == (
        f"{source} holds images such as {source}/0/0.png and TFRecord files such as "
        f"{source}/data.tfrecord: give a directory with one of these formats"
    )


def test_what_lies_in_folders_beside_the_digits_is_passed_over(
    tmp_path: Path, few: Examples
) -> None:
    source = write_images(tmp_path / "source")
    write_records(source / "older run" / "data.tfrecord", few)
    draw(3).save(source / "overview.png")
    made, note = load(source)
    assert sum(count(made)) == 20
    assert note == "(passed over 2 files (1 *.png, 1 *.tfrecord))"


def test_pictures_beside_records_are_passed_over(tmp_path: Path, few: Examples) -> None:
    source = tmp_path / "source"
    write_records(source / "data.tfrecord", few)
    (source / "docs").mkdir()
    draw(3).save(source / "docs" / "plot.png")
    made, note = load(source)
    assert sum(count(made)) == 50
    assert note == "(passed over 1 file (1 *.png))"


def empty(source: Path) -> None:
    """Nothing."""


def loose_images(source: Path) -> None:
    for number in range(3):
        draw(number).save(source / f"{number}.png")


def heic_alone(source: Path) -> None:
    (source / "4").mkdir()
    as_a_phone_leaves_it(source)
    (source / ".DS_Store").write_bytes(b"")


def keras_file(source: Path) -> None:
    np.savez(source / "mnist.npz", x_train=np.zeros(3))


@pytest.mark.parametrize(
    ("fill", "found"),
    [
        (empty, "it is empty"),
        (loose_images, "it holds 3 images in no folder"),
        (heic_alone, "it holds 6 files (3 *.heic, 1 .DS_Store, 1 *.aae, 1 *.mov)"),
        (keras_file, "it holds 1 file (1 *.npz)"),
    ],
    ids=["nothing", "loose images", "HEIC", "npz"],
)
def test_no_data_says_what_was_found_and_what_is_needed(
    tmp_path: Path, fill: Callable[[Path], None], found: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    fill(source)
    assert refusal(source) == (
        f"{source} holds no data: {found}; images in a folder for each class, CSV or Parquet "
        "files, TFRecords or MNIST's IDX files are needed"
    )


def test_a_split_without_data_is_named(tmp_path: Path) -> None:
    write_images(tmp_path / "source" / "train")
    (tmp_path / "source" / "eval").mkdir()
    (tmp_path / "source" / "eval" / "a").write_bytes(b"?")
    assert refusal(tmp_path / "source").startswith(
        f"the eval split of {tmp_path}/source holds no data: it holds 1 file (1 without a suffix)"
    )


def test_an_empty_split_is_an_error_and_not_drawn(tmp_path: Path) -> None:
    write_images(tmp_path / "source" / "train")
    (tmp_path / "source" / "val").mkdir()
    assert refusal(tmp_path / "source").startswith(
        f"the eval split of {tmp_path}/source holds no data: it is empty; "
    )


def test_images_that_are_all_equal_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for number in range(20):
        (source / str(number % 10)).mkdir(parents=True, exist_ok=True)
        draw(5).save(source / str(number % 10) / f"{number}.png")
    assert refusal(source) == (
        f"all 15 images for train in {source} are equal: check how they were made"
    )


def test_records_that_are_all_equal_are_refused(tmp_path: Path, few: Examples) -> None:
    write_records(tmp_path / "source" / "train" / "a.tfrecord", few)
    equal = Examples(np.repeat(few.images[:1], 9, axis=0), few.labels[:9])
    write_records(tmp_path / "source" / "test" / "a.tfrecord", equal)
    assert "all 9 images for eval in" in refusal(tmp_path / "source")


def test_transparent_images_are_put_on_one_ground_and_told(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for split in ("train", "test"):
        for number in range(20):
            folder = source / split / str(number % 10)
            folder.mkdir(parents=True, exist_ok=True)
            ink = Image.new("L", (28, 28), 0)
            Image.merge("LA", (ink, draw(number))).convert("RGBA").save(folder / f"{number}.png")
    made, note = load(source)
    assert note == "(transparent images put on white)"
    assert read(made, "train").images[:, 0].tolist() == [-0.5] * 20
    assert read(made, "eval").images[:, -1].tolist() == [0.5] * 20


def test_linked_classes_are_read_and_their_changes_seen(tmp_path: Path) -> None:
    source = write_images(tmp_path / "source", 20)
    (source / "7").rename(tmp_path / "elsewhere")
    (source / "7").symlink_to(tmp_path / "elsewhere")
    before = sources.identify(data_of(source), AUTO)
    assert sum(count(load(source)[0])) == 20
    draw(100).save(tmp_path / "elsewhere" / "new.png")
    assert sources.identify(data_of(source), AUTO) != before
    assert sum(count(load(source)[0])) == 21


def test_identity_is_that_of_what_is_read(tmp_path: Path) -> None:
    source = write_images(tmp_path / "source", 20)
    before = sources.identify(data_of(source), AUTO)
    as_a_mac_leaves_it(source)
    as_tools_leave_it(source)
    (source / "labels.csv").unlink()  # a table, told to be none by its content alone
    assert sources.identify(data_of(source), AUTO) == before
    os.utime(source / "0" / "0.png", (1, 1))
    assert sources.identify(data_of(source), AUTO) != before


def test_another_release_reads_the_files_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_images(tmp_path / "source")
    first, _ = prepare.prepare(data_of(source), AUTO, tmp_path / "dataset")
    monkeypatch.setattr(sources, "code_fingerprint", lambda path: "of another release")
    again, note = prepare.prepare(data_of(source), AUTO, tmp_path / "dataset")
    assert "unchanged" not in note
    assert again == first


@pytest.mark.parametrize("output", ["dataset", "0/dataset", "."])
def test_the_readers_own_output_is_no_part_of_the_source(
    tmp_path: Path, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_images(tmp_path / "source")
    monkeypatch.chdir(source)
    outputs = [source / output, source / output / "report.html", source / output / "pipeline"]
    directory = source / output / "data"
    first, note = prepare.prepare(data_of("."), AUTO, directory, outputs)
    assert "passed over" not in note
    outputs[-1].mkdir()
    (outputs[-1] / "a.tfrecord").write_bytes(b"?")
    outputs[-2].write_text("<p>")
    second, note = prepare.prepare(data_of("."), AUTO, directory, outputs)
    assert note.endswith("unchanged")
    assert second == first


def test_what_is_passed_over_is_said_each_time(tmp_path: Path) -> None:
    source = write_images(tmp_path / "source")
    (source / "1" / "photo.heic").write_bytes(b"?")
    notes = [prepare.prepare(data_of(source), AUTO, tmp_path / "data")[1] for _ in range(2)]
    expected = f"{source} ({TASK}; passed over 1 file (1 *.heic))"
    assert notes == [expected, f"{expected}, unchanged"]


def test_a_dataset_beside_its_own_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_images(tmp_path / "source"))
    prepare.prepare(data_of("."), AUTO, Path("dataset"))
    assert prepare.prepare(data_of("."), AUTO, Path("dataset"))[1].endswith("unchanged")
    assert (
        prepare.prepare(data_of("dataset"), AUTO, Path("dataset"))[0].manifest.count("train") == 15
    )


@pytest.mark.parametrize("name", ["4", "4/4.png"])
def test_what_may_not_be_read_is_an_error(anyones: Path, name: str) -> None:
    source = write_images(anyones / "source")
    (source / name).chmod(0)
    message = as_ordinary_user(lambda: refusal(source))
    (source / name).chmod(0o755)
    assert message == f"cannot read {source / name}: {os.strerror(errno.EACCES)}"


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_broken_link(path: Path) -> None:
    path.symlink_to("moved away.png")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (make_pipe, "it is a named pipe, not a file or a folder"),
        (make_socket, "it is a socket, not a file or a folder"),
        (make_broken_link, "it is a link to nothing"),
    ],
    ids=["pipe", "socket", "broken link"],
)
def test_what_cannot_be_read_is_an_error(
    tmp_path: Path, make: Callable[[Path], None], what: str
) -> None:
    source = write_images(tmp_path / "source")
    make(source / "3" / "odd.png")
    assert refusal(source) == f"cannot read {source}/3/odd.png: {what}"


def test_a_link_to_a_folder_above_is_no_second_source(tmp_path: Path) -> None:
    source = write_images(tmp_path / "source")
    (source / "3" / "up").symlink_to(source)
    assert sum(count(load(source)[0])) == 20


@pytest.mark.parametrize("name", ["loop", "a" * 300], ids=["loop", "long"])
def test_a_source_that_leads_nowhere_is_one_sentence(tmp_path: Path, name: str) -> None:
    if name == "loop":
        (tmp_path / "loop").symlink_to("pool")
        (tmp_path / "pool").symlink_to("loop")
    source = tmp_path / name
    reason = os.strerror(errno.ELOOP if name == "loop" else errno.ENAMETOOLONG)
    assert refusal(source) == f"{source} cannot be read: {reason}"
    with pytest.raises(DataError):
        sources.identify(data_of(source), AUTO)


def test_names_that_are_not_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an archive of an old Windows unpacks."""
    source = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    write_images(source)
    (source / "0" / "0.png").rename(os.fsdecode(os.fsencode(source) + b"/0/\xe9t\xe9.png"))
    monkeypatch.chdir(source)
    made, _ = prepare.prepare(data_of("."), AUTO, tmp_path / "dataset")
    assert made.manifest.source == f"{tmp_path}/caf\N{REPLACEMENT CHARACTER}"
    assert prepare.prepare(data_of("."), AUTO, tmp_path / "dataset")[1].endswith("unchanged")
