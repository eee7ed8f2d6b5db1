"""Our own artifact types.

TFX compiles only type names of the form `namespace.Name`
(`tfx.orchestration.kubeflow.v2.compiler_utils._SCHEMA_TITLE_RE`).
"""

from tfx.types.artifact import Artifact


class Comparison(Artifact):
    """How the branches compare: a directory with `names.COMPARISON_DOCUMENT`."""

    TYPE_NAME = "mobile.BranchComparison"


class Metrics(Artifact):
    """Numbers that the UI of Kubeflow Pipelines shows, as custom properties.

    It renders the artifacts whose type is called exactly so
    (`frontend/src/components/viewers/MetricsVisualizations.tsx`).
    """

    TYPE_NAME = "system.Metrics"
