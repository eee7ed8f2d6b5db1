"""The name of a task that follows from data."""

import re
from pathlib import PurePath
from typing import Literal

from modules import mnist
from pipelines import tasks

_NAMES_OF_OTHERS = {*tasks.TOLD_BY_DATA, mnist.TASK.name}
"""What the setting `task` takes beside dotted paths."""

_LENGTH = 40


def name_task(source: str, kind: Literal["images", "table"]) -> str:
    """A short name of letters, digits, dashes and underscores: that of the source's folder.

    Args:
      source: Its path.
      kind: The name where the folder's has no such letter, or means another task.
    """
    name = re.sub("[^A-Za-z0-9_-]+", "-", PurePath(source).name)[:_LENGTH].strip("-")
    return kind if name.lower() in {"", *_NAMES_OF_OTHERS} else name
