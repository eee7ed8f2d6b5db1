"""The report on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modules.task import Task
from pipelines.judging import heads
from pipelines.judging.assembly import Report
from pipelines.judging.numbers import format_size

_OUTCOMES = {"earlier": "by an earlier run"}


def render(report: Report) -> RenderableType:
    """A row per branch: quality, difference from the baseline, size, latency, outcome."""
    head = heads.of(Task.from_dict(report["task"]))
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("branch", no_wrap=True)
    for heading in (*head.columns, "size", "p50", "pushed"):
        # Rich takes brackets for markup.
        table.add_column(Text(heading), justify="right")
    for name, branch in report["branches"].items():
        cells = head.cells(branch, report["comparison"].get(name))
        table.add_row(
            name,
            *map(Text, cells),
            format_size(branch["model_bytes"]),
            f"{branch['latency_us']['p50']:.0f} µs",
            _OUTCOMES.get(branch["pushed"], branch["pushed"]),
        )
    dataset = report["dataset"]
    caption = Text(
        f"{dataset['source']}: trained on {dataset['train_examples']:,}, "
        f"judged on {dataset['eval_examples']:,} examples",
        style="dim",
    )
    warnings = [
        Text(f"{name}: {warning}", style="yellow")
        for name, branch in report["branches"].items()
        for warning in branch["warnings"]
    ]
    return Group(table, caption, *warnings)
