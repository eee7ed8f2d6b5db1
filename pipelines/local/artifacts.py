"""Artifacts of earlier runs, before TFX's cache may answer with them."""

import shutil
from pathlib import Path

from pipelines.components import verdict
from pipelines.components.verdict import Verdict
from pipelines.errors import DocumentError


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
