"""Artifacts of earlier runs, before TFX's cache may answer with them."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.components import verdict
from pipelines.components.verdict import Verdict
from pipelines.errors import DocumentError

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore


def discard_damaged(pipeline_root: Path) -> list[str]:
    """Remove each artifact whose document cannot be read, so that its component runs again.

    TFX's cache passes over an artifact whose URI is gone (`artifact_utils.verify_artifacts`).

    Returns:
      A sentence for each.
    """
    sentences = []
    for file in sorted(pipeline_root.glob(f"*/blessing/*/{verdict.FILENAME}")):
        try:
            Verdict.parse(file.read_bytes(), str(file))
        except DocumentError as error:
            shutil.rmtree(file.parent)
            sentences.append(f"{error}; it is made again")
    return sentences


def discard_removed_pushes(store: "MetadataStore") -> list[str]:
    """Remove the artifact of each pushed model that was removed since, so that it is pushed again.

    Returns:
      A sentence for each model.
    """
    sentences = []
    for artifact in store.get_artifacts_by_type("PushedModel"):
        destination = artifact.custom_properties["pushed_destination"].string_value
        if destination and not Path(destination).exists() and Path(artifact.uri).is_dir():
            shutil.rmtree(artifact.uri)
            sentences.append(f"{destination} was removed; a run of its model pushes it again")
    return sentences
