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
"""The fingerprint task's other parameter: what reports say of the dataset, as JSON."""

DATASET = "dataset"
"""The fingerprint task's artifact: the dataset's manifest."""

RUN = "run"
"""A parameter of the fingerprint task that no two runs share."""
