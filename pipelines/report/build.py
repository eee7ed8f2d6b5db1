"""The report of a local run: `report.json` and `report.html`."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines import stack
from pipelines.components.names import COMPARISON, COMPARISON_DOCUMENT, VERDICT
from pipelines.data.prepare import EVAL, TRAIN, Manifest
from pipelines.errors import OutputError, UsageError
from pipelines.local.layout import Layout
from pipelines.report import metadata, page
from pipelines.report.metadata import Node

Report = dict[str, Any]
"""Keys as in docs/report.md."""

_IMAGE = "image"


def build(layout: Layout) -> Report:
    """Writes both files from the newest complete run and returns the JSON's content.

    Raises:
      UsageError: No complete run, or something of it was removed.
      OutputError: The files cannot be written.
    """
    nodes = metadata.newest_complete_run(layout.metadata, COMPARISON)
    manifest = Manifest.read(layout.data)
    if manifest is None:
        raise UsageError(f"the dataset in {layout.data} is gone: run again")
    document_file = Path(nodes[COMPARISON].outputs["comparison"].uri) / COMPARISON_DOCUMENT
    try:
        document = json.loads(document_file.read_text())
    except OSError as error:
        raise UsageError(f"{document_file} is gone: run again") from error
    report = assemble(manifest, document, nodes)
    html = page.render(report)
    _write(layout.report_json, json.dumps(_without_images(report), indent=2) + "\n")
    _write(layout.report_html, html)
    return report


def read(layout: Layout) -> Report:
    """The content of `report.json`."""
    report: Report = json.loads(layout.report_json.read_text())
    return report


def assemble(manifest: Manifest, document: Mapping[str, Any], nodes: Mapping[str, Node]) -> Report:
    """Joins the dataset, the comparison's document and what the run did with each branch."""
    return {
        "dataset": {
            "source": manifest.source,
            "train_examples": manifest.count(TRAIN),
            "eval_examples": manifest.count(EVAL),
            "fingerprint": manifest.fingerprint,
        },
        "branches": {
            name: {**branch, **_outcome(name, branch, nodes)}
            for name, branch in document["branches"].items()
        },
        "comparison": document["comparison"],
        "stack": dataclasses.asdict(stack.installed()),
        "seconds": {node_id: round(node.seconds, 3) for node_id, node in nodes.items()},
        "cached": [node_id for node_id, node in nodes.items() if node.cached],
    }


def refusals(report: Report) -> list[str]:
    """A sentence for each branch that a gate refused."""
    return [
        f"{name} was not pushed: {'; '.join(branch['refusals'])}"
        for name, branch in report["branches"].items()
        if not branch["blessed"]
    ]


def _outcome(name: str, branch: Mapping[str, Any], nodes: Mapping[str, Node]) -> dict[str, Any]:
    """Whether a branch was blessed, why not, and where it was pushed."""
    reasons = list(branch["refusals"])
    validator = nodes.get(f"validator-{name}")
    if validator:
        verdict = Path(validator.outputs["blessing"].uri) / VERDICT
        reasons += json.loads(verdict.read_text())["failures"]
    pushed = nodes[f"pusher-{name}"].outputs["pushed_model"].properties
    destination = pushed.get("pushed_destination")
    return {
        "blessed": not reasons,
        "refusals": reasons,
        # A cached Pusher does not look whether someone removed what it pushed.
        "pushed_uri": destination if destination and Path(destination).exists() else None,
    }


def _without_images(report: Report) -> Report:
    """The page shows the disagreeing images; the JSON names them by index."""
    comparison = {
        name: {
            **compared,
            "disagreements": [
                {key: value for key, value in d.items() if key != _IMAGE}
                for d in compared["disagreements"]
            ],
        }
        for name, compared in report["comparison"].items()
    }
    return {**report, "comparison": comparison}


def _write(file: Path, text: str) -> None:
    """Writes beside, then renames."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, file)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise OutputError(f"cannot write {file}: {error.strerror}") from error
