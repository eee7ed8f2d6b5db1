"""Names of our components and of files in their artifacts, apart: reading them loads no TFX."""

COMPARISON = "comparison"
"""The node that joins the branches."""

COMPARISON_DOCUMENT = "comparison.json"
"""In a `BranchComparison`; `pipelines.judging.comparison` says what it holds."""
