"""The task of a pipeline that is compiled, where its data is elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import DataError, DocumentError, SettingsError
from pipelines.settings import BUILT_IN_SOURCES, Settings

if TYPE_CHECKING:
    from modules.task import Task


def choose(settings: Settings) -> "tuple[Task, str]":
    """The task that the settings name, else that of the dataset at `data.source`, else MNIST.

    Returns:
      The task, and a phrase that says why it was chosen.

    Raises:
      SettingsError: The named task cannot be imported, is not that of the dataset, or is to be
        told by data that nothing names; or the settings do not fit the task.
      DataError: `data.source` is no dataset of ours, and is to tell the task, or is damaged.
    """
    from pipelines import tasks

    task, why = _find(settings)
    tasks.check(settings, task)
    return task, why


def _find(settings: Settings) -> "tuple[Task, str]":
    from pipelines import tasks
    from pipelines.data import dataset

    choice, source = settings.task, settings.data.source
    named = tasks.find_named(choice)
    if source not in BUILT_IN_SOURCES:
        try:
            data = dataset.load(Path(source)).manifest.task
        except DocumentError as error:
            raise DataError(f"{error}: write the dataset again with `tfx-mobile data`") from None
        except DataError as error:
            if named is None:
                raise DataError(
                    f"the data is to tell the task, and {error}: write a dataset with `tfx-mobile "
                    f"data --source {source} --output DIRECTORY`, and give DIRECTORY as --data"
                ) from None
        else:
            why = f"as in the dataset {source}" if named is None else "as the settings say"
            return tasks.resolve(choice, data), why
    if named is not None:
        return named, "as the settings say"
    if choice.name != "auto":
        raise SettingsError(
            f"the task is {choice.name}, which the data tells: give the directory of a dataset, "
            "which `tfx-mobile data` writes, as --data"
        )
    from modules import mnist

    return mnist.TASK, "the default"
