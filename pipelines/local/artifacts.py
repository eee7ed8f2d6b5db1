"""Artifacts of earlier runs, before TFX's cache may answer with them.

TFX's cache passes over an artifact whose URI is gone (`artifact_utils.verify_artifacts`), and looks
no further. So an artifact that cannot be used is removed, and its component runs again.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pipelines import files, walk
from pipelines.documents import Document
from pipelines.errors import DocumentError
from pipelines.judging import verdict
from pipelines.judging.verdict import Verdict

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

_CONTENTS = ".contents.json"


class Contents(Document):
    """What the artifacts held when a run ended.

    Attributes:
      files: Size in bytes by artifact (`NODE/OUTPUT/ID`) and file.
    """

    FORMAT: ClassVar[int] = 1

    files: dict[str, dict[str, int]]


def record(pipeline_root: Path) -> None:
    """Write down the files of every artifact, for `discard_damaged` of the next run."""
    if not pipeline_root.is_dir():
        return
    contents = Contents(
        files={
            str(artifact.relative_to(pipeline_root)): _list(artifact)
            for artifact in pipeline_root.glob("[!.]*/[!.]*/*")
            if artifact.is_dir()
        }
    )
    files.write_text(pipeline_root / _CONTENTS, contents.to_json())


def discard_damaged(pipeline_root: Path) -> list[str]:
    """Remove each artifact that lacks a file, or whose document cannot be read.

    Returns:
      A sentence for each.
    """
    sentences = []
    file = pipeline_root / _CONTENTS
    recorded = {}
    if file.exists():
        try:
            recorded = Contents.parse(file.read_bytes(), str(file)).files
        except DocumentError as error:
            sentences.append(str(error))
    for name, sizes in recorded.items():
        artifact = pipeline_root / name
        if artifact.is_dir() and (changed := sizes.items() - _list(artifact).items()):
            shutil.rmtree(artifact)
            damaged = artifact / min(changed)[0]
            sentences.append(f"{damaged} was removed or changed; its artifact is made again")
    for file in sorted(pipeline_root.glob(f"*/blessing/*/{verdict.FILENAME}")):
        try:
            Verdict.parse(file.read_bytes(), str(file))
        except DocumentError as error:
            shutil.rmtree(file.parent)
            sentences.append(f"{error}; it is made again")
    return sentences


def _list(artifact: Path) -> dict[str, int]:
    """Size in bytes of each file of an artifact, by its path inside; none if it is unreadable."""
    try:
        return {entry.name: entry.status.st_size for entry in walk.files(artifact)}
    except OSError:
        return {}


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
