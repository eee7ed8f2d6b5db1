"""Our own artifact types, and those that the UI of Kubeflow Pipelines knows.

It renders an artifact whose type is called exactly `system.Metrics` and so on
(`frontend/src/components/viewers/MetricsVisualizations.tsx`). TFX compiles only type names of the
form `namespace.Name` (`tfx.orchestration.kubeflow.v2.compiler_utils._SCHEMA_TITLE_RE`).
"""

from tfx.types.artifact import Artifact
from tfx.types.value_artifact import ValueArtifact


class Comparison(Artifact):
    """How the branches compare: a directory with `names.COMPARISON_DOCUMENT`."""

    TYPE_NAME = "mobile.BranchComparison"


class Metrics(Artifact):
    """Numbers that the UI shows and compares between runs, as custom properties."""

    TYPE_NAME = "system.Metrics"


class ClassificationMetrics(Artifact):
    """A confusion matrix that the UI draws, as the custom property `confusionMatrix`."""

    TYPE_NAME = "system.ClassificationMetrics"


class Page(ValueArtifact):
    """One self-contained HTML page, a file at the URI."""

    TYPE_NAME = "system.HTML"

    def encode(self, value: str) -> bytes:
        """The file's content."""
        return value.encode()

    def decode(self, serialized_value: bytes) -> str:
        """The page."""
        return serialized_value.decode()
