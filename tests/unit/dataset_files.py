"""Small datasets of ours whose examples nobody reads."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from modules import mnist
from modules.task import Classification, Task
from pipelines.data.dataset import Dataset, Pointer
from pipelines.data.manifest import MANIFEST, Manifest, Split, describe_file, shard_names

FORMAT_2 = """{
  "format": 2,
  "source": "digits",
  "examples": {
    "train": {
      "count": 1438,
      "class_balance": {
        "0": 1438
      },
      "sha256": "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    },
    "eval": {
      "count": 359,
      "class_balance": {
        "0": 359
      },
      "sha256": "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
    }
  },
  "fingerprint": "e1bcdaabf54dd756f476773ae999e2b73f8eb966db382e5cf9f7b6ddfa3cb30d",
  "files": {
    "train/data.tfrecord.gz": {
      "size": 5,
      "sha256": "116f54c41d0405dbb10e7b04ebc31e262a5b8c85c1233fcf36eaee344d91ae58",
      "crc32c": "bJgUQA=="
    },
    "eval/data.tfrecord.gz": {
      "size": 4,
      "sha256": "1bbd174404efbce95f1af489ef93f4aa0f4d55718f24c3504682216afa7b7fb1",
      "crc32c": "qgqKcw=="
    }
  }
}
"""
"""As that release wrote it, of files that hold `train` and `eval`."""


def write(
    root: Path,
    content: Mapping[str, bytes | Sequence[bytes]] | None = None,
    counts: tuple[int, int] = (1438, 359),
    source: str = "digits",
    task: Task = mnist.TASK,
) -> Dataset:
    """Write a dataset below a root and make it the current one.

    Args:
      root: As `tfx-mobile data --output`.
      content: The bytes of each split's file, or of each of its shards.
      counts: Examples for training and for evaluation, as the manifest says.
      source: As the manifest says.
      task: Likewise.
    """
    content = content or {"train": b"train", "eval": b"eval"}
    scratch = root / "datasets" / "new"
    files = {}
    for split, data in content.items():
        shards = [data] if isinstance(data, bytes) else data
        for name, shard in zip(shard_names(len(shards)), shards, strict=True):
            files[f"{split}/{name}"] = shard
    for name, shard in files.items():
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        (scratch / name).write_bytes(shard)
    classes = task.head.classes[:1] if isinstance(task.head, Classification) else ()
    manifest = Manifest(
        source=source,
        task=task,
        examples={
            split: Split(count=count, class_balance=dict.fromkeys(classes, count), sha256="f" * 64)
            for split, count in zip(("train", "eval"), counts, strict=True)
        },
        fingerprint=hashlib.sha256(b"".join(files.values())).hexdigest(),
        files={name: describe_file(scratch / name) for name in files},
    )
    (scratch / MANIFEST).write_text(manifest.to_json())
    directory = scratch.rename(scratch.with_name(manifest.name))
    (root / "dataset.json").write_text(Pointer(name=manifest.name).to_json())
    return Dataset(directory, manifest)


def write_format_2(root: Path) -> Path:
    """Write the dataset of `FORMAT_2` below a root; returns its directory."""
    directory = root / "datasets" / "30d152d0f58ece67"
    for split in ("train", "eval"):
        (directory / split).mkdir(parents=True)
        (directory / split / "data.tfrecord.gz").write_text(split)
    (directory / "manifest.json").write_text(FORMAT_2)
    (root / "dataset.json").write_text('{"format": 1, "name": "30d152d0f58ece67"}')
    return directory
