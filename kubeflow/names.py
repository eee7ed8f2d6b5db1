"""Names that the specification and the containers agree on; reading them loads nothing."""

ADAPTER = ("python", "-m", "kubeflow.adapter")
"""The command of every TFX task."""

FINGERPRINT = ("python", "-m", "kubeflow.fingerprint")
"""The command of the task that looks at the data."""

EXAMPLE_GEN = "example-gen"
DATA_NODE = "data"
"""The importer."""

FINGERPRINT_NODE = "data-fingerprint"

DATA_INPUT = "data"
"""An artifact that the ExampleGen of TFX does not know: the imported data."""

DATA_FINGERPRINT = "data_fingerprint"
"""A parameter that it does not know: changed data is another cache key."""

DATASET_SUMMARY = "dataset_summary"
"""A parameter that the fingerprint task gives to the comparison, which records it."""

DATASET = "dataset"
"""The fingerprint task's artifact, the dataset's manifest; and the comparison's parameter."""

TASK = "task"
"""A parameter of the fingerprint task: JSON of the data part of the pipeline's task."""

RUN = "run"
"""A parameter of the fingerprint task and of the comparison that no two runs share."""
