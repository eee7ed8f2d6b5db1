"""Which task a preset can learn, told before TensorFlow is loaded; `modules.model` builds them."""

from modules.task import Task

FOR_PICTURES = ("cnn", "mobilenet")
"""The presets that take one picture and nothing else."""


def find_misfit(task: Task, preset: str) -> str:
    """Why a preset cannot learn a task.

    Args:
      task: What is to be learnt; its own model is not looked at.
      preset: A key of `modules.model.PRESETS`.

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
