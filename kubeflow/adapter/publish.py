"""A Pusher's model to an object store, so that a model server never sees half of it.

DESTINATION/VERSION/...            the model; its main file comes last
DESTINATION/.pushing/VERSION/by    while it is on its way: who pushes it
"""

import datetime
from pathlib import Path

from kubeflow import storage

_MAIN_FILES = ("saved_model.pb", "tflite")
_MARKERS, _BY = ".pushing", "by"
_ABANDONED = datetime.timedelta(hours=1)


def publish(version_directory: Path, destination: str, pusher: str) -> str:
    """Uploads one version of a model.

    What an ended push left behind is removed first: its marker is this task's own, from an attempt
    before this one, or an hour old.

    Args:
      version_directory: The model; its name is the version, a number.
      destination: Where all versions are.
      pusher: What names this task in every attempt.

    Returns:
      The URI of the version, which may be a higher number than the directory's: what is already
      there is never written over.

    Raises:
      StorageError: The store refuses it.
    """
    root = destination.rstrip("/")
    _remove_abandoned(root, pusher)
    taken = {name.split("/")[0] for name in (o.name for o in storage.list_objects(root))}
    version = int(version_directory.name)
    while str(version) in taken:
        version += 1
    marker = f"{root}/{_MARKERS}/{version}"
    storage.write_bytes(f"{marker}/{_BY}", pusher.encode())
    storage.upload(version_directory, f"{root}/{version}", last=_MAIN_FILES)
    storage.delete(marker)
    return f"{root}/{version}"


def _remove_abandoned(root: str, pusher: str) -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    for entry in storage.list_objects(f"{root}/{_MARKERS}"):
        version = entry.name.partition("/")[0]
        by = storage.read_bytes(f"{root}/{_MARKERS}/{entry.name}")
        if now - entry.modified > _ABANDONED or by == pusher.encode():
            storage.delete(f"{root}/{version}")
            storage.delete(f"{root}/{_MARKERS}/{version}")
