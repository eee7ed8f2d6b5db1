"""The task that the settings name, and the one that a pipeline has."""

import importlib

from modules import mnist
from modules.task import Task
from pipelines import messages, settings
from pipelines.errors import SettingsError

_TOLD_BY_DATA = ("auto", "images", "table")


def find_named(choice: settings.Task) -> Task | None:
    """The task that the settings name; None if the data tells it.

    Raises:
      SettingsError: The dotted path leads to no task.
    """
    if choice.name in _TOLD_BY_DATA:
        return None
    if choice.name == "mnist":
        return mnist.TASK
    return load(choice.name)


def load(path: str) -> Task:
    """Import a user's task.

    Args:
      path: Dotted path of a `modules.task.Task`.

    Raises:
      SettingsError: The module cannot be imported, or holds no task of that name.
    """
    module_name, _, name = path.rpartition(".")
    try:
        value = getattr(importlib.import_module(module_name), name, None)
    except Exception as error:  # the user's module may raise whatever it likes
        raise SettingsError(
            f"task is {path!r}, and importing {module_name!r} fails: {messages.describe(error)}"
        ) from error
    if not isinstance(value, Task):
        what = "has no such name" if value is None else f"holds a {type(value).__name__} there"
        raise SettingsError(
            f"task is {path!r}, and {module_name!r} {what}: a modules.task.Task is needed"
        )
    return value


def resolve(choice: settings.Task, data: Task) -> Task:
    """The task of a pipeline: the named one if it fits the data, else that of the data.

    Raises:
      SettingsError: The data is of another task than the named one.
    """
    named = find_named(choice)
    if named is None:
        return data
    if difference := named.find_difference(data):
        raise SettingsError(f"the data is of another task than {choice.name}: {difference}")
    return named
