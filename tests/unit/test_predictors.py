"""Exported models as the comparison calls them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from modules import features

COUNT = """
import json, os, sys
import tensorflow as tf
from pipelines.report import predictors

model = predictors.KerasModel(sys.argv[1])
model._signature(examples=tf.constant([b""]))
print(json.dumps([model.threads, len(os.listdir("/proc/self/task"))]))
"""
"""The threads that are recorded, and all threads of the process once a model has run."""


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose logits are no function of its examples."""

    class Zeros(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
        def serve(self, examples: tf.Tensor) -> tf.Tensor:
            return tf.zeros([tf.size(examples), features.CLASSES])

    directory = tmp_path_factory.mktemp("saved")
    zeros = Zeros()
    tf.saved_model.save(zeros, str(directory), {"serving_default": zeros.serve})
    return directory


def threads(saved_model: Path, variable: str) -> tuple[int, int]:
    counted = subprocess.run(
        [sys.executable, "-c", COUNT, str(saved_model)],
        env={**os.environ, "TF_NUM_INTRAOP_THREADS": variable},
        capture_output=True,
        text=True,
        check=True,
    )
    recorded, everything = json.loads(counted.stdout)
    return recorded, everything


def test_threads_of_a_saved_model_are_those_that_tensorflow_has(saved_model: Path) -> None:
    one, with_one = threads(saved_model, "1")
    unset, with_unset = threads(saved_model, "")
    assert (one, unset) == (1, len(os.sched_getaffinity(0)))
    assert with_unset - with_one == unset - 1
