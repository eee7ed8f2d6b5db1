"""The task that the settings name, and the one that a pipeline has."""

from modules import mnist
from modules.task import Classification, Feature, Task
from pipelines import functions, settings
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
    value = functions.load_value("task", path)
    if not isinstance(value, Task):
        raise SettingsError(
            f"task is {path!r}, and that is of type {type(value).__name__}: a modules.task.Task is "
            "needed"
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


def describe(task: Task) -> str:
    """A task in a few words, such as `photos: 96x96 colour pictures, 2 classes`."""
    if isinstance(task.head, Classification):
        predicted = f"{task.head.outputs} classes"
    else:
        predicted = f"regression of {task.label}"
    return f"{task.name}: {_describe_inputs(task.features)}, {predicted}"


def _describe_inputs(features: tuple[Feature, ...]) -> str:
    picture = features[0].picture
    if len(features) == 1 and picture:
        colours = "colour" if picture.channels == 3 else "grey"
        return f"{picture.height}x{picture.width} {colours} pictures"
    return f"{len(features)} features" if len(features) > 1 else f"feature {features[0].name}"
