"""Names of our components and of files in their artifacts, apart: reading them loads no TFX."""

COMPARISON = "comparison"
"""The node that joins the branches."""

COMPARISON_DOCUMENT = "comparison.json"
"""In a `BranchComparison`; `pipelines.report.document` says what it holds."""

VERDICT = "verdict.json"
"""In a lite validator's `InfraBlessing`: `model_bytes`, `latency_us`, `failures` (sentences)."""
