"""The report on a terminal."""

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_OUTCOMES = {"earlier": "by an earlier run"}


def render(report: dict[str, Any]) -> RenderableType:
    """A row per branch: quality, difference from the baseline, size, latency, outcome."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("branch", no_wrap=True)
    for heading in ("accuracy", "delta [95 % CI]", "agree", "size", "p50", "pushed"):
        table.add_column(heading, justify="right")
    for name, branch in report["branches"].items():
        compared = report["comparison"].get(name)
        table.add_row(
            name,
            f"{branch['accuracy']:.4f}",
            delta(compared) if compared else "baseline",
            f"{compared['agreement']:.1%}" if compared else "",
            size(branch["model_bytes"]),
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


def delta(compared: dict[str, Any]) -> str:
    """`+0.0005 [-0.0012, +0.0021]`."""
    low, high = compared["ci95"]
    return f"{compared['accuracy_delta']:+.4f} [{low:+.4f}, {high:+.4f}]"


def size(count: int) -> str:
    """Bytes as people say them (1 kB is 1,000)."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
