"""Names of classes: images lie in a folder for each class."""

import re
import unicodedata
from collections.abc import Iterable

from modules import mnist
from modules.task import Classification, Task
from pipelines.errors import DataError
from pipelines.walk import Entry


def label(file: Entry) -> str:
    """The folder that an image lies in, at any depth: the first part of its name; or nothing.

    Macs store accents apart from their letters, other systems do not: here they are one name.
    """
    folder, slash, _ = file.name.partition("/")
    return unicodedata.normalize("NFC", folder) if slash else ""


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Different names in natural order: `9` before `10`."""
    return tuple(sorted(set(names), key=lambda name: (_split_numbers(name), name)))


def of_task(task: Task) -> tuple[str, ...]:
    """The classes of a task.

    Raises:
      DataError: It has none.
    """
    if not isinstance(task.head, Classification):
        raise DataError(
            f"the task {task.name} predicts a number, and images in folders have a class: give "
            "TFRecords of the task, or choose another task"
        )
    return task.head.classes


def _split_numbers(name: str) -> list[str | int]:
    """Texts at even places, numbers at odd ones: any two names can be compared."""
    parts = re.split("([0-9]+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


OF_MNIST = of_task(mnist.TASK)
