"""`tfx-mobile run` on growing data: time for each example, and peak memory of the process tree.

Writes results/growth.json and results/growth.png; README.md says what is measured and how.
"""

import dataclasses
import datetime
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import measure, mnist
from benchmarks.mnist import Pixels
from cli.parameter_types import UserPath
from pipelines.local.layout import Layout

RESULTS = Path(__file__).resolve().parent / "results"

_SIZES = (10_000, 100_000, 1_000_000)
_EVAL_FRACTION = 0.2
_MOST_SHIFT = 5
"""Pixels. 121 shifts of 10,000 images are enough for a million different ones."""
_SHARD = 25_000
"""Examples in a file of the source."""

_MOST_MEMORY = 4e9
_MOST_RATIO = 1.3
_COLOUR, _TARGET_COLOUR = "#0b6e4f", "#8a8f98"
console = Console(highlight=False)


@click.command()
@click.option(
    "--size",
    "sizes",
    multiple=True,
    default=_SIZES,
    show_default=True,
    type=click.IntRange(100, 1_200_000),
    help="Examples; may be repeated.",
)
@click.option(
    "--data",
    default=mnist.DIRECTORY,
    type=UserPath(),
    help="Directory of the 10,000 MNIST test images in IDX format.",
)
@click.option("--set", "overrides", multiple=True, help="Settings of the runs, as key=value.")
@click.option(
    "--results",
    default=RESULTS,
    type=UserPath(),
    help="Directory of growth.json and growth.png.",
)
def main(sizes: tuple[int, ...], data: Path, overrides: tuple[str, ...], results: Path) -> None:
    """Run the pipeline on each number of examples, one after the other."""
    sizes = tuple(sorted(set(sizes)))
    images, labels = mnist.read(data)
    runs = []
    try:
        for size in sizes:
            with tempfile.TemporaryDirectory(prefix="tfx-mobile-benchmark-") as scratch:
                with console.status(f"writing {size:,} examples"):
                    source = write(images, labels, size, Path(scratch) / "source")
                with console.status(f"running on {size:,} examples"):
                    runs.append(_run(source, size, Path(scratch), overrides))
            _show_run(runs[-1])
    except measure.RunError as error:
        raise click.ClickException(str(error)) from error
    result = _result(runs, overrides)
    results.mkdir(parents=True, exist_ok=True)
    (results / "growth.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    _plot(result, results / "growth.png")
    _show(result)


def write(images: Pixels, labels: Pixels, size: int, directory: Path) -> Path:
    """Write gzip-compressed TFRecords in shards: the real images, each moved by a few pixels.

    A split's images are moved by every shift in turn, the smallest first, so no two examples are
    equal, and no image of one split is in the other.

    Args:
      images: `[n, 28, 28]`.
      labels: `[n]`.
      size: How many examples to write.
      directory: Of the directories of both splits.
    """
    import tensorflow as tf

    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))
    eval_images = round(len(labels) * _EVAL_FRACTION)
    eval_size = round(size * _EVAL_FRACTION)
    parts = {
        "train": (order[eval_images:], size - eval_size),
        "eval": (order[:eval_images], eval_size),
    }
    for split, (chosen, count) in parts.items():
        (directory / split).mkdir(parents=True)
        shards = max(1, round(count / _SHARD))
        names = [f"part-{index:05}-of-{shards:05}.tfrecord.gz" for index in range(shards)]
        options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
        writers = [tf.io.TFRecordWriter(str(directory / split / n), options) for n in names]
        for writer, example in zip(
            itertools.cycle(writers), _examples(images, labels, chosen, count), strict=False
        ):
            writer.write(example)
        for writer in writers:
            writer.close()
    return directory


def _examples(images: Pixels, labels: Pixels, chosen: Sequence[int], count: int) -> Iterator[bytes]:
    """The first `count` of the chosen images with each shift in turn."""
    reach = range(-_MOST_SHIFT, _MOST_SHIFT + 1)
    shifts = sorted(itertools.product(reach, reach), key=lambda shift: sum(map(abs, shift)))
    for shift in shifts[: -(-count // len(chosen))]:
        part = chosen[: min(count, len(chosen))]
        yield from mnist.encode(np.roll(images[part], shift, axis=(1, 2)), labels[part])
        count -= len(part)


def _run(source: Path, size: int, scratch: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """One run in an empty home."""
    layout = Layout(scratch / "output")
    # The gate is not what is measured, and moved images are harder.
    settings = ("evaluation.min_accuracy=0", *overrides)
    command = [
        *(str(Path(sys.executable).parent / "tfx-mobile"), "run"),
        *("--output", str(layout.root), "--data", str(source)),
        *(part for override in settings for part in ("--set", override)),
    ]
    environment = measure.clean_environment(scratch / "home")
    measured = measure.run(command, environment, scratch / "run.log")
    report = json.loads((layout.root / "report.json").read_text(encoding="utf-8"))
    return {
        "examples": size,
        **dataclasses.asdict(measured),
        "milliseconds_per_example": round(1000 * measured.seconds / size, 4),
        "output_bytes": sum(f.stat().st_size for f in layout.root.rglob("*") if f.is_file()),
        "components": report["seconds"],
    }


def _result(runs: list[dict[str, Any]], overrides: Sequence[str]) -> dict[str, Any]:
    """Everything for the JSON file.

    The slopes are those between the two largest sizes: what one more example takes.
    """
    result: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": measure.machine(),
        "settings": list(overrides),
        "runs": runs,
    }
    largest = runs[-1]
    target = {"peak_rss_below_4_gb": largest["peak_rss_bytes"] < _MOST_MEMORY}
    if len(runs) > 1:
        before = runs[-2]
        result["slopes_per_million_examples"] = {
            key: round(_slope(before, largest, key) * 1e6, 3)
            for key in ("seconds", "cpu_seconds", "peak_rss_bytes", "output_bytes")
        }
        ratio = largest["milliseconds_per_example"] / before["milliseconds_per_example"]
        result["time_per_example_ratio"] = round(ratio, 3)
        target["time_per_example_at_most_1.3_times"] = ratio <= _MOST_RATIO
    result["target"] = target
    return result


def _slope(before: dict[str, Any], after: dict[str, Any], key: str) -> float:
    return float((after[key] - before[key]) / (after["examples"] - before["examples"]))


def _plot(result: dict[str, Any], file: Path) -> None:
    """Time for each example and peak memory, over the number of examples."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    runs = result["runs"]
    sizes = [run["examples"] for run in runs]
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    panels = (
        ("milliseconds_per_example", 1.0, "time for an example (ms)", "%.2f"),
        ("peak_rss_bytes", 1e9, "peak memory of the process tree (GB, RSS)", "%.2f"),
    )
    for axis, (key, unit, label, form) in zip(axes, panels, strict=True):
        values = [run[key] / unit for run in runs]
        axis.plot(sizes, values, marker="o", color=_COLOUR)
        for size, value in zip(sizes, values, strict=True):
            axis.annotate(form % value, (size, value), (0, 7), textcoords="offset points")
        axis.set_xscale("log")
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes], minor=False)
        axis.minorticks_off()
        axis.set_xlabel("examples")
        axis.set_ylabel(label)
        axis.spines[["top", "right"]].set_visible(False)
    axes[1].axhline(
        _MOST_MEMORY / 1e9, color=_TARGET_COLOUR, linestyle="--", linewidth=1, label="target"
    )
    axes[1].legend(frameon=False, loc="lower right")
    for axis in axes:
        axis.set_ylim(bottom=0)
        axis.margins(x=0.12)
    figure.savefig(file, dpi=150)
    plt.close(figure)


def _show_run(run: dict[str, Any]) -> None:
    console.print(
        f"{run['examples']:>9,} examples  {run['seconds']:7.1f} s  "
        f"{run['peak_rss_bytes'] / 1e9:.2f} GB; {run['other_cores']:.2f} cores busy with other work"
    )


def _show(result: dict[str, Any]) -> None:
    """The table at the end: seconds of each component by size."""
    runs = result["runs"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("seconds")
    for run in runs:
        table.add_column(f"{run['examples']:,}", justify="right")
    for component in runs[-1]["components"]:
        seconds = (run["components"].get(component, 0.0) for run in runs)
        table.add_row(component, *(f"{value:.1f}" for value in seconds))
    table.add_row("whole run", *(f"{run['seconds']:.1f}" for run in runs))
    table.add_row("ms an example", *(f"{run['milliseconds_per_example']:.3f}" for run in runs))
    table.add_row("peak GB (RSS)", *(f"{run['peak_rss_bytes'] / 1e9:.2f}" for run in runs))
    console.print(table)
    for name, met in result["target"].items():
        console.print(f"{'met   ' if met else 'missed'}  {name.replace('_', ' ')}")


if __name__ == "__main__":
    main()
