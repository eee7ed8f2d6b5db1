"""What goes wrong between KFP and TFX."""

from pipelines.errors import TfxMobileError


class TaskError(TfxMobileError):
    """A task was not given what it declares, or its executor failed."""
