"""Folders of images, read as a source."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modules.task import Task
from pipelines import settings, walk
from pipelines.data import images
from pipelines.data.manifest import EVAL, TRAIN
from pipelines.data.source import WHOLE, Source


def open_images(
    *directories: Path, choice: settings.Task | None = None, wanted: Task | None = None
) -> Source:
    """The source of one folder, or of one for training and one for evaluation."""
    parts = dict(
        zip((WHOLE,) if len(directories) == 1 else (TRAIN, EVAL), directories, strict=True)
    )
    files = {part: list(walk.files(directory)) for part, directory in parts.items()}
    places = {part: str(directory) for part, directory in parts.items()}
    return images.open_source(str(directories[0]), files, places, choice or settings.Task(), wanted)


def read(source: Source, part: str = WHOLE, indices: Sequence[int] | None = None) -> NDArray:
    """The pixels of a part `[n, size]`, or of some of its images."""
    chosen = np.arange(len(source.parts[part].labels)) if indices is None else np.asarray(indices)
    batches = list(source.parts[part].read(chosen))
    (feature,) = source.task.features
    labels = np.concatenate([batch.labels for batch in batches])
    assert labels.tolist() == source.parts[part].labels[chosen].tolist()
    return np.concatenate([batch.features[feature.name] for batch in batches])


def read_bytes(source: Source, part: str = WHOLE) -> NDArray[np.uint8]:
    """The pixels of a part as bytes `[n, size]`."""
    scaled = read(source, part)
    assert scaled.dtype == np.float32
    assert np.abs(scaled).max() <= 0.5
    return ((scaled + 0.5) * 255).round().astype(np.uint8)
