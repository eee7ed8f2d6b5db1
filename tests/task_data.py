"""Three data sets that are not MNIST, as a user has them: photos in folders and two tables.

They come with scikit-learn, so nothing is downloaded.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_diabetes, load_sample_images, load_wine

PATCH = 48
PHOTO_CLASSES = ("china", "flower")
WINE_CLASSES = ("class_0", "class_1", "class_2")


def write_photos(directory: Path) -> Path:
    """Colour patches of 48x48 pixels cut from the two sample photos, 104 in each class's folder."""
    for name, photo in zip(PHOTO_CLASSES, load_sample_images().images, strict=True):
        (directory / name).mkdir(parents=True)
        height, width, _ = photo.shape
        for y in range(0, height - PATCH + 1, PATCH):
            for x in range(0, width - PATCH + 1, PATCH):
                patch = Image.fromarray(photo[y : y + PATCH, x : x + PATCH])
                patch.save(directory / name / f"{y}-{x}.png")
    return directory


def write_wine(directory: Path) -> Path:
    """The wine table: 13 features, the name of one of 3 classes, 178 rows."""
    wine = load_wine()
    return _write_table(directory, wine, wine.target_names[wine.target])


def write_diabetes(directory: Path) -> Path:
    """The diabetes table: 10 features, a number, 442 rows."""
    diabetes = load_diabetes()
    return _write_table(directory, diabetes, diabetes.target)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "photos": write_photos,
    "wine": write_wine,
    "diabetes": write_diabetes,
}
"""By the name of the folder, which is the task's name."""

CLASSES = {"photos": PHOTO_CLASSES, "wine": WINE_CLASSES, "diabetes": None}
"""The names of the classes; None for a regression."""

SETTINGS = {
    "photos": ("training.steps=150", "evaluation.min_accuracy=0.8"),
    "wine": ("training.steps=300", "evaluation.min_accuracy=0.9"),
    "diabetes": ("training.steps=300", "evaluation.max_error=65"),
}
"""What reaches the gate within seconds. Always the mean would be wrong by 66 in diabetes."""


def find_labels(pushed: Path, branch: str) -> tuple[str, ...] | None:
    """The class names in the file beside a pushed model; None without one."""
    file = pushed / ("assets.extra/labels.txt" if branch == "keras" else "labels.txt")
    return tuple(file.read_text(encoding="utf-8").splitlines()) if file.exists() else None


OWN_TASK = """
import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from modules.task import Classification, Feature, Task, transformed

TASK = Task(
    "strong-wine",
    (Feature("alcohol"), Feature("proline", dtype="int64")),
    "target",
    Classification(("class_0", "class_1", "class_2")),
    model="own_task.build",
    preprocessing_fn="own_task.preprocess",
)


def build(task):
    inputs = [
        keras.Input((feature.size,), name=transformed(feature.name)) for feature in task.features
    ]
    hidden = keras.layers.Dense(16, activation="relu")(keras.layers.Concatenate()(inputs))
    return keras.Model(inputs, keras.layers.Dense(task.head.outputs)(hidden))


def preprocess(inputs, custom_config):
    outputs = {
        transformed(name): tft.scale_to_z_score(tf.cast(inputs[name], tf.float32))
        for name in ("alcohol", "proline")
    }
    return outputs | {transformed("target"): inputs["target"]}
"""


def write_own_task(folder: Path) -> Path:
    """A user's module `own_task` with a task, and its data below `wine`, proline in whole numbers.

    The task has two features of the wine table, of two types, and a model and a `preprocessing_fn`
    of its own.
    """
    (folder / "own_task.py").write_text(OWN_TASK, encoding="utf-8")
    file = write_wine(folder / "wine") / "table.csv"
    rows = list(csv.reader(file.read_text(encoding="utf-8").splitlines()))
    column = rows[0].index("proline")
    for row in rows[1:]:
        row[column] = row[column].removesuffix(".0")
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return folder


def _write_table(directory: Path, data: Any, labels: np.ndarray) -> Path:
    directory.mkdir(parents=True)
    with (directory / "table.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*data.feature_names, "target"])
        writer.writerows([*row, label] for row, label in zip(data.data, labels, strict=True))
    return directory
