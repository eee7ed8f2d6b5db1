"""Small datasets of ours whose examples nobody reads."""

import hashlib
from pathlib import Path

from pipelines.data.dataset import Dataset, Pointer
from pipelines.data.manifest import DATA_FILES, MANIFEST, Manifest, Split, describe_file


def write(
    root: Path,
    content: dict[str, bytes] | None = None,
    counts: tuple[int, int] = (1438, 359),
    source: str = "digits",
) -> Dataset:
    """Write a dataset below a root and make it the current one.

    Args:
      root: As `tfx-mobile data --output`.
      content: The bytes of each split's file.
      counts: Examples for training and for evaluation, as the manifest says.
      source: As the manifest says.
    """
    content = content or {"train": b"train", "eval": b"eval"}
    scratch = root / "datasets" / "new"
    for split, data in content.items():
        (scratch / split).mkdir(parents=True)
        (scratch / DATA_FILES[split]).write_bytes(data)
    manifest = Manifest(
        source=source,
        examples={
            split: Split(count=count, class_balance={"0": count}, sha256="f" * 64)
            for split, count in zip(("train", "eval"), counts, strict=True)
        },
        fingerprint=hashlib.sha256(b"".join(content.values())).hexdigest(),
        files={name: describe_file(scratch / name) for name in DATA_FILES.values()},
    )
    (scratch / MANIFEST).write_text(manifest.to_json())
    directory = scratch.rename(scratch.with_name(manifest.name))
    (root / "dataset.json").write_text(Pointer(name=manifest.name).to_json())
    return Dataset(directory, manifest)
