"""The report of a local run: `report.json` and `report.html`."""

from pathlib import Path
from typing import Any, ClassVar

from pipelines import files
from pipelines.components.names import COMPARISON, COMPARISON_DOCUMENT
from pipelines.documents import Document
from pipelines.errors import DocumentError, UsageError
from pipelines.judging import page
from pipelines.judging.assembly import Pushed, Report, assemble
from pipelines.judging.comparison import Comparison
from pipelines.local.layout import Layout
from pipelines.report import metadata
from pipelines.report.metadata import Node


class ReportDocument(Document):
    """The content of `report.json`."""

    FORMAT: ClassVar[int] = 4

    task: dict[str, Any]
    run: dict[str, Any]
    dataset: dict[str, Any]
    settings: dict[str, Any]
    anomalies: list[dict[str, Any]]
    stack: dict[str, Any]
    branches: dict[str, dict[str, Any]]
    comparison: dict[str, dict[str, Any]]
    seconds: dict[str, float]
    cached: list[str]


def build(layout: Layout, run_id: str | None = None) -> Report:
    """Writes both files and returns the JSON's content.

    Args:
      layout: The output directory.
      run_id: The run to report; the newest complete one if None.

    Raises:
      UsageError: No complete run, or something of it was removed or damaged.
      OutputError: The files cannot be written.
    """
    nodes = metadata.complete_run(layout.metadata, COMPARISON, run_id)
    file = Path(nodes[COMPARISON].outputs["comparison"].uri) / COMPARISON_DOCUMENT
    try:
        comparison = Comparison.parse(file.read_bytes(), str(file))
    except DocumentError as error:
        raise DocumentError(f"{error}: run again") from error
    except OSError as error:
        raise UsageError(f"{file} is gone: run again") from error
    report = assemble(
        comparison,
        pushed={name: _pushed(nodes[f"pusher-{name}"]) for name in comparison.branches},
        seconds={node_id: node.seconds for node_id, node in nodes.items()},
        cached=[node_id for node_id, node in nodes.items() if node.cached],
    )
    write(report, layout.report_json, layout.report_html)
    return report


def write(report: Report, json_file: Path, html_file: Path) -> None:
    """Writes the report for programs and the one for people.

    Raises:
      OutputError: The files cannot be written.
    """
    html = page.render(report)
    # The page shows examples; the JSON names them by index.
    document = ReportDocument(**{key: part for key, part in report.items() if key != "examples"})
    files.write_text(json_file, document.to_json())
    files.write_text(html_file, html)


def read(layout: Layout) -> Report:
    """The content of `report.json`.

    Raises:
      DocumentError: It is damaged.
    """
    file = layout.report_json
    return ReportDocument.parse(file.read_bytes(), str(file)).model_dump(mode="json")


def _pushed(pusher: Node) -> Pushed:
    """What a Pusher did; a cached one does not look whether somebody removed the model."""
    destination = pusher.outputs["pushed_model"].properties.get("pushed_destination")
    if not destination:
        return Pushed("no")
    return Pushed("yes", destination) if Path(destination).exists() else Pushed("removed")


def refusals(report: Report) -> list[str]:
    """A sentence for each reason for which gates refused branches."""
    refused: dict[str, list[str]] = {}
    for name, branch in report["branches"].items():
        if not branch["blessed"]:
            refused.setdefault("; ".join(branch["refusals"]), []).append(name)
    return [
        f"{', '.join(names)} {'were' if len(names) > 1 else 'was'} not pushed: {reason}"
        for reason, names in refused.items()
    ]
