"""Our Beam components in one process and in one per core, on growing data.

Writes results/beam_workers.json and results/beam_workers.png; README.md says what is measured and
how.
"""

import datetime
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import measure
from benchmarks.local import MNIST, RESULTS
from cli.parameter_types import UserPath
from pipelines.errors import DataError
from pipelines.local.layout import Layout

COMPONENTS = ("example-gen", "statistics-gen", "transform", "evaluator-keras", "evaluator-lite")
"""Those that run on Beam."""

_LAST = "comparison"
_DATASET = json.dumps(
    {
        "source": "mnist with noise",
        "fingerprint": "",
        "train_examples": 0,
        "eval_examples": 0,
        "class_counts": {},
    }
)
"""For the comparison to record; nobody reads it."""
_EVAL_FRACTION = 0.2
_NOISE = 3
_CHILD = "import sys; from benchmarks.beam_workers import run; run(*sys.argv[1:])"
console = Console(highlight=False)


@click.command()
@click.option(
    "--size",
    "sizes",
    multiple=True,
    default=(10_000, 30_000, 60_000, 120_000),
    show_default=True,
    type=click.IntRange(100),
    help="Examples; may be repeated.",
)
@click.option(
    "--data",
    default=MNIST,
    type=UserPath(),
    help="Directory of MNIST images in IDX format.",
)
def main(sizes: tuple[int, ...], data: Path) -> None:
    """Find the size from which several Beam processes pay for their start."""
    workers = (1, max(2, os.cpu_count() or 1))
    runs = []
    try:
        for size in sizes:
            with tempfile.TemporaryDirectory(prefix="tfx-mobile-benchmark-") as scratch:
                with console.status(f"writing {size:,} examples"):
                    examples = _write(data, size, Path(scratch) / "examples")
                runs += [_measure(examples, size, count, Path(scratch)) for count in workers]
    except (measure.RunError, DataError) as error:
        raise click.ClickException(str(error)) from error
    result = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": measure.machine(),
        "runs": runs,
        "break_even_examples": _break_even(runs, workers),
    }
    (RESULTS / "beam_workers.json").write_text(json.dumps(result, indent=2) + "\n")
    _plot(result, RESULTS / "beam_workers.png")
    _show(result)


def run(examples: str, output: str, workers: str) -> None:
    """Runs the whole DAG with next to no training, in a process of its own."""
    from tfx.orchestration import metadata, pipeline
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner

    from pipelines import beam, dag, settings

    layout = Layout(Path(output))
    loaded = settings.load(overrides=["training.steps=1", "evaluation.min_accuracy=0"])
    LocalDagRunner().run(
        pipeline.Pipeline(
            pipeline_name=loaded.name,
            pipeline_root=str(layout.pipeline),
            components=dag.components(
                loaded, dag.Places(examples, str(layout.serving)), dag.Run("benchmark", _DATASET)
            ),
            metadata_connection_config=metadata.sqlite_metadata_connection_config(
                str(layout.metadata)
            ),
            beam_pipeline_args=beam.pipeline_args(settings.Beam(workers=int(workers))),
        )
    )


def _write(source: Path, size: int, directory: Path) -> Path:
    """The real images again and again, each time with other grey values in the ink."""
    from pipelines.data import idx, records
    from pipelines.data.examples import Examples
    from pipelines.data.manifest import DATA_FILES, EVAL, TRAIN

    pairs, _ = idx.pair(sorted(source.glob("*-idx?-ubyte*")))
    parts = [idx.load(*pair) for pair in pairs.values()]
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    rng = np.random.default_rng(0)
    order = np.arange(size) % len(labels)
    eval_size = round(size * _EVAL_FRACTION)
    for name, part in ((EVAL, order[:eval_size]), (TRAIN, order[eval_size:])):
        (directory / name).mkdir(parents=True)
        noise = rng.integers(-_NOISE, _NOISE + 1, (len(part), images.shape[1])) / 255
        ink = images[part] > images.min()
        noisy = np.clip(images[part] + noise * ink, -0.5, 0.5).astype(np.float32)
        records.write(Examples(noisy, labels[part]), directory / DATA_FILES[name])
    return directory


def _measure(examples: Path, size: int, workers: int, scratch: Path) -> dict[str, Any]:
    from pipelines.report import metadata

    layout = Layout(scratch / f"workers-{workers}")
    layout.root.mkdir()
    with console.status(f"{size:,} examples, {workers} at a time"):
        measured = measure.run(
            [sys.executable, "-c", _CHILD, str(examples), str(layout.root), str(workers)],
            measure.clean_environment(layout.root / "home"),
            layout.log,
        )
    nodes = metadata.complete_run(layout.metadata, _LAST)
    seconds = {name: round(nodes[name].seconds, 2) for name in COMPONENTS}
    total = round(sum(seconds.values()), 2)
    console.print(
        f"{size:>9,} examples  {workers} at a time  {total:6.1f} s  "
        f"{measured.peak_pss_bytes / 1e9:.2f} GB; {measured.other_cores:.2f} cores busy with "
        "other work"
    )
    return {
        "examples": size,
        "workers": workers,
        "seconds": total,
        "components": seconds,
        "peak_pss_bytes": measured.peak_pss_bytes,
        "other_cores": measured.other_cores,
    }


def _totals(runs: list[dict[str, Any]], workers: int) -> tuple[list[int], list[float]]:
    chosen = [run for run in runs if run["workers"] == workers]
    return [run["examples"] for run in chosen], [run["seconds"] for run in chosen]


def _break_even(runs: list[dict[str, Any]], workers: tuple[int, int]) -> int | None:
    """Where straight lines through the totals meet; None where they never do."""
    if len({run["examples"] for run in runs}) < 2:
        return None
    (one_slope, one_start), (many_slope, many_start) = (
        np.polyfit(*_totals(runs, count), deg=1) for count in workers
    )
    if many_slope >= one_slope:
        return None
    return max(0, round(float((many_start - one_start) / (one_slope - many_slope))))


def _plot(result: dict[str, Any], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    for workers, colour in zip(_workers(result), ("#0b6e4f", "#8a8f98"), strict=True):
        label = "in one process" if workers == 1 else f"in {workers} processes"
        axis.plot(*_totals(result["runs"], workers), marker="o", color=colour, label=label)
    axis.set_xlabel("examples")
    axis.set_ylabel("Beam components, together (s)")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.set_ylim(bottom=0)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    figure.savefig(file, dpi=150)


def _workers(result: dict[str, Any]) -> list[int]:
    return sorted({run["workers"] for run in result["runs"]})


def _show(result: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", title="seconds")
    for heading in ("examples", "processes", "together", *COMPONENTS):
        table.add_column(heading, justify="right")
    for run in result["runs"]:
        cells = (run["seconds"], *run["components"].values())
        table.add_row(
            f"{run['examples']:,}", str(run["workers"]), *(f"{cell:.1f}" for cell in cells)
        )
    console.print(table)
    at = result["break_even_examples"]
    console.print(
        "several processes never pay: their time grows as fast"
        if at is None
        else f"several processes pay from about {at:,} examples"
    )


if __name__ == "__main__":
    main()
