"""File names inside our components' artifacts, apart so that reading them loads no TFX."""

COMPARISON_DOCUMENT = "comparison.json"
"""In a `BranchComparison`; `pipelines.report.document` says what it holds."""

VERDICT = "verdict.json"
"""In a lite validator's `InfraBlessing`: `model_bytes`, `latency_us`, `failures` (sentences)."""
