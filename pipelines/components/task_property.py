"""The task as an execution property of our components: JSON of `modules.task.Task.to_dict`."""

import json
from collections.abc import Mapping
from typing import Any

from modules.task import Task

TASK = "task"


def write(task: Task) -> str:
    """The property's value."""
    return json.dumps(task.to_dict())


def read(exec_properties: Mapping[str, Any]) -> Task:
    """The task of an executor's properties."""
    return Task.from_dict(json.loads(exec_properties[TASK]))
