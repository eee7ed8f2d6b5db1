"""The report of a local run: `report.json` and `report.html`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines import files
from pipelines.components.names import COMPARISON, COMPARISON_DOCUMENT
from pipelines.data import dataset
from pipelines.data.manifest import EVAL, TRAIN, Manifest
from pipelines.errors import UsageError
from pipelines.local.layout import Layout
from pipelines.report import metadata, page
from pipelines.report.metadata import Node
from pipelines.settings import BASELINE

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
    try:
        manifest = dataset.load(layout.data).manifest
    except UsageError:
        raise UsageError(f"the dataset in {layout.data} is gone: run again") from None
    document_file = Path(nodes[COMPARISON].outputs["comparison"].uri) / COMPARISON_DOCUMENT
    try:
        document = json.loads(document_file.read_text())
    except OSError as error:
        raise UsageError(f"{document_file} is gone: run again") from error
    report = assemble(
        manifest,
        document,
        pushed={name: _pushed(nodes[f"pusher-{name}"]) for name in document["branches"]},
        seconds={node_id: node.seconds for node_id, node in nodes.items()},
        cached=[node_id for node_id, node in nodes.items() if node.cached],
    )
    write(report, layout.report_json, layout.report_html)
    return report


def before_pushing(document: Mapping[str, Any]) -> Report:
    """What the comparison alone can tell: of the dataset, the examples that it judged on."""
    return {
        "dataset": {"eval_examples": document["branches"][BASELINE]["examples"]},
        "branches": {
            name: {**branch, "blessed": not branch["refusals"], "pushed_uri": None}
            for name, branch in document["branches"].items()
        },
        "comparison": document["comparison"],
        "stack": document["stack"],
        "seconds": {},
        "cached": [],
    }


def write(report: Report, json_file: Path, html_file: Path) -> None:
    """Writes the report for programs and the one for people.

    Raises:
      OutputError: The files cannot be written.
    """
    html = page.render(report)
    files.write_text(json_file, json.dumps(_without_images(report), indent=2) + "\n")
    files.write_text(html_file, html)


def read(layout: Layout) -> Report:
    """The content of `report.json`."""
    report: Report = json.loads(layout.report_json.read_text())
    return report


def assemble(
    manifest: Manifest,
    document: Mapping[str, Any],
    pushed: Mapping[str, str | None],
    seconds: Mapping[str, float],
    cached: Sequence[str],
) -> Report:
    """Joins the dataset, the comparison's document and what a run did.

    Args:
      manifest: Of the dataset that the run read.
      document: The comparison's; see `pipelines.report.document`.
      pushed: Where each branch's model was pushed, None where it was not or is gone.
      seconds: Each node's time.
      cached: The nodes whose outputs came from an earlier run.
    """
    return {
        "dataset": {
            "source": manifest.source,
            "train_examples": manifest.count(TRAIN),
            "eval_examples": manifest.count(EVAL),
            "fingerprint": manifest.fingerprint,
        },
        "branches": {
            name: {**branch, "blessed": not branch["refusals"], "pushed_uri": pushed[name]}
            for name, branch in document["branches"].items()
        },
        "comparison": document["comparison"],
        "stack": document["stack"],
        "seconds": {node_id: round(value, 3) for node_id, value in seconds.items()},
        "cached": list(cached),
    }


def _pushed(pusher: Node) -> str | None:
    """Where a Pusher put the model; a cached one does not look whether someone removed it."""
    destination: str | None = pusher.outputs["pushed_model"].properties.get("pushed_destination")
    return destination if destination and Path(destination).exists() else None


def refusals(report: Report) -> list[str]:
    """A sentence for each branch that a gate refused."""
    return [
        f"{name} was not pushed: {'; '.join(branch['refusals'])}"
        for name, branch in report["branches"].items()
        if not branch["blessed"]
    ]


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
