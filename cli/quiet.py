"""TensorFlow and Google's libraries greet on standard error; a person need not read it."""

import os
import warnings


def hush_libraries() -> None:
    """To be called before they are loaded."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore", FutureWarning)
    # The kfp package is here for the messages of its specification alone; this is its own switch
    # to leave its compiler and client out.
    os.environ.setdefault("_KFP_RUNTIME", "true")
