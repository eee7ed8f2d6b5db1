"""Transforms that TensorFlow Transform really made, as the Transform component leaves them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata

from modules import features
from pipelines import settings
from pipelines.beam import pipeline_args
from pipelines.data.examples import Examples


def write(directory: Path, examples: Examples, preprocessing_fn: Callable[..., Any]) -> str:
    """Analyze examples, and return the transform graph's directory."""
    metadata = dataset_metadata.DatasetMetadata.from_feature_spec(
        {
            features.IMAGE: tf.io.FixedLenFeature([features.PIXELS], tf.float32),
            features.LABEL: tf.io.FixedLenFeature([1], tf.int64),
        }
    )
    rows = [
        {features.IMAGE: image, features.LABEL: np.array([label])}
        for image, label in zip(examples.images, examples.labels, strict=True)
    ]
    with (
        tft_beam.Context(temp_dir=str(directory / "temporary")),
        beam.Pipeline(argv=pipeline_args(settings.Beam(workers=1), len(examples))) as pipeline,
    ):
        _ = metadata | tft_beam.WriteMetadata(str(directory / "graph" / "metadata"), pipeline)
        data = pipeline | beam.Create(rows)
        function = (data, metadata) | tft_beam.AnalyzeDataset(preprocessing_fn)
        _ = function | tft_beam.WriteTransformFn(str(directory / "graph"))
    return str(directory / "graph")
