"""The task that the settings name, and the one that a pipeline has."""

from modules import mnist, presets
from modules.task import Classification, Task
from pipelines import functions, settings
from pipelines.errors import SettingsError

TOLD_BY_DATA = ("auto", "images", "table")
"""Names in the settings for which the data tells the task."""

_BOUNDS = {"classification": "min_accuracy", "regression": "max_error"}
"""What bounds each kind of head, by its name in the settings' `evaluation`."""


def find_named(choice: settings.Task) -> Task | None:
    """The task that the settings name; None if the data tells it.

    Raises:
      SettingsError: The dotted path leads to no task.
    """
    if choice.name in TOLD_BY_DATA:
        return None
    if choice.name == mnist.TASK.name:
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


def check(choices: settings.Settings, task: Task) -> None:
    """Refuse settings that do not fit the task of a pipeline.

    Raises:
      SettingsError: The preset or the augmentation needs a picture that the task does not have, or
        the bound that is set is not for the task's head.
    """
    training, evaluation = choices.training, choices.evaluation
    if not task.model and (misfit := presets.find_misfit(task, training.preset)):
        raise SettingsError(f"training.preset is {training.preset}: {misfit}")
    if training.augment != settings.Augment() and not task.pictures:
        raise SettingsError(
            f"training.augment changes pictures, and the task {task.name!r} has none: remove it"
        )
    fitting = _BOUNDS[task.head.kind]
    for name in _BOUNDS.values():
        is_set = getattr(evaluation, name) != getattr(settings.Evaluation(), name)
        if is_set and name != fitting:
            raise SettingsError(
                f"evaluation.{name} is set, and the task {task.name!r} is a {task.head.kind}: set "
                f"evaluation.{fitting} instead"
            )


def settle(choices: settings.Settings, task: Task) -> settings.Settings:
    """The settings with the task's preset in place of `auto`, as a report shows them."""
    if choices.training.preset != presets.AUTO:
        return choices
    training = choices.training.model_copy(update={"preset": presets.choose(task)})
    return choices.model_copy(update={"training": training})


def describe(task: Task) -> str:
    """What is learnt from what, such as `photos: 2 classes, 96x96 colour`."""
    head = task.head
    learnt = f"{head.outputs} classes" if isinstance(head, Classification) else "a number"
    if task.pictures and (picture := task.pictures.picture):
        colours = "colour" if picture.channels == 3 else "grey"
        return f"{task.name}: {learnt}, {picture.width}x{picture.height} {colours}"
    features = "1 feature" if len(task.features) == 1 else f"{len(task.features)} features"
    return f"{task.name}: {features}, {learnt}"
