"""What a command does before it loads TFX: less to read, less to load."""

import gc
import os
import sys
import warnings

from pipelines.errors import EnvironmentLacksError

_CONNECTORS = (
    "google.cloud.bigquery",
    "google.cloud.bigquery_storage_v1",
    "google.cloud.datastore",
    "google.cloud.pubsub",
    "google.cloud.pubsub_v1",
    "google.cloud.spanner",
)
"""Databases and queues that Beam connects to where their packages are installed."""


def hush_libraries() -> None:
    """Keep what TensorFlow and Google's libraries say when they are loaded from the user.

    Under PYTHONWARNINGS=error their warnings would end the command.

    Raises:
      EnvironmentLacksError: Python dropped the docstrings that TensorFlow reads.
    """
    if sys.flags.optimize > 1:
        raise EnvironmentLacksError(
            "PYTHONOPTIMIZE=2 drops docstrings, which TensorFlow reads: unset it"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore")


def hush_tfx() -> None:
    """TFX warns when it is imported, as of TF Serving's protos where the versions differ."""
    from absl import logging

    logging.set_verbosity(logging.ERROR)


def load_little() -> None:
    """For a process that composes a pipeline and runs none of it: it takes a tenth less time.

    The connectors are as if they were not installed, which Beam is prepared for (a module that is
    None in `sys.modules` cannot be found). Of kfp only the messages of its specification are
    needed; the variable is its own switch to leave its compiler and client out. What is imported
    stays, so the collector need not look at it again and again.
    """
    for name in _CONNECTORS:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    os.environ.setdefault("_KFP_RUNTIME", "true")
    gc.disable()
