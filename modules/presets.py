"""Which preset learns a task, told before TensorFlow is loaded; `modules.model` builds them."""

from modules import mnist
from modules.task import Task

AUTO = "auto"
"""In place of a preset: the one that `choose` gives."""

FOR_PICTURES = ("cnn", "mobilenet")
"""The presets that take one picture and nothing else."""


def choose(task: Task) -> str:
    """The preset for a task: `cnn` for a picture, else `mlp`, which is upstream's for MNIST too."""
    takes_picture = task.pictures is not None and len(task.features) == 1
    return "cnn" if takes_picture and task.features != mnist.TASK.features else "mlp"


def find_misfit(task: Task, preset: str) -> str:
    """Why a preset cannot learn a task.

    Args:
      task: What is to be learnt; its own model is not looked at.
      preset: A key of `modules.model.PRESETS`, or `AUTO`.

    Returns:
      A sentence; empty if the preset can.
    """
    count = len(task.features)
    if preset not in FOR_PICTURES or (task.pictures and count == 1):
        return ""
    found = f"{count} features" if task.pictures else "no picture"
    return (
        f"the preset {preset} takes one picture and nothing else, and the task {task.name!r} has "
        f"{found}: take the preset mlp, or a model of your own"
    )
