"""Upstream's MNIST example beside `tfx-mobile run`: whole processes, in turn, on the same images.

Writes results/local.json and results/local.png; README.md says what is measured and how.
"""

import dataclasses
import datetime
import importlib.metadata
import json
import math
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from benchmarks import measure, mnist, upstream
from cli.parameter_types import UserPath

RESULTS = Path(__file__).resolve().parent / "results"

_EXAMPLES = 1000
_STEPS = 5000
_BATCH = 40
# Upstream writes RMSprop(lr=0.0015), but Keras 2.15 ignores `lr` and warns: it learns at 0.001.
_LEARNING_RATE = 0.001
_TARGET_RATIO = 6.0
_ACCURACY = "sparse_categorical_accuracy"

SIDES = ("upstream", "ours")
BRANCHES = ("keras", "lite")
_COLOURS = {"upstream": "#8a8f98", "ours": "#0b6e4f"}
console = Console(highlight=False)


@dataclasses.dataclass(frozen=True)
class Branch:
    """How good one branch of one run became.

    Attributes:
      accuracy: On real images that neither side has seen.
      accuracy_held_out: What its Evaluator said, on its own held-out third.
    """

    accuracy: float
    accuracy_held_out: float


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of one side."""

    side: str
    pair: int
    measured: measure.Measured
    home: Path


@click.command()
@click.option("--pairs", default=3, show_default=True, type=click.IntRange(1), help="Runs a side.")
@click.option(
    "--data",
    default=mnist.DIRECTORY,
    type=UserPath(),
    help="Directory of the 10,000 MNIST test images in IDX format.",
)
@click.option(
    "--patience",
    default=60.0,
    show_default=True,
    help="Seconds to wait before each run for other work on this machine to end.",
)
def main(pairs: int, data: Path, patience: float) -> None:
    """Measure upstream's example and ours in turn and compare them."""
    try:
        with console.status("making upstream's environment (minutes, the first time)"):
            theirs = upstream.install()
        with tempfile.TemporaryDirectory(prefix="tfx-mobile-benchmark-") as scratch:
            records, unseen = _write_data(data, Path(scratch))
            runs = [
                _run(side, pair, theirs, records, Path(scratch), patience)
                for pair in range(1, pairs + 1)
                for side in SIDES
            ]
            with console.status("judging the pushed models on images that neither side has seen"):
                judged = [(run, _judge(run, theirs, unseen)) for run in runs]
    except (upstream.SetupError, measure.RunError) as error:
        raise click.ClickException(str(error)) from error
    result = _result(judged, theirs)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "local.json").write_text(json.dumps(result, indent=2) + "\n")
    _plot(result, RESULTS / "local.png")
    _show(result)


def _write_data(source: Path, scratch: Path) -> tuple[Path, Path]:
    """Writes the examples to learn from, and those that nobody sees before the end."""
    import tensorflow as tf

    images, labels = mnist.read(source)
    files = []
    for name, part in (("seen", slice(0, _EXAMPLES)), ("unseen", slice(_EXAMPLES, None))):
        (scratch / name).mkdir()
        files.append(scratch / name / "data.tfrecord.gz")
        with tf.io.TFRecordWriter(str(files[-1]), "GZIP") as writer:
            for example in mnist.encode(images[part], labels[part]):
                writer.write(example)
    return files[0], files[1]


def _run(
    side: str, pair: int, theirs: upstream.Upstream, records: Path, scratch: Path, patience: float
) -> Run:
    """Runs one side in an empty home."""
    home = scratch / f"{side}-{pair}"
    home.mkdir()
    env = measure.clean_environment(home)
    if side == "upstream":
        command = theirs.command(home, records)
    else:
        split = theirs.examples(scratch / f"{SIDES[0]}-{pair}")
        command = _our_command(home / "output", split, seed=pair)
    with console.status(f"{side}, run {pair}: waiting for a quiet machine"):
        measure.wait_until_quiet(patience)
    with console.status(f"{side}, run {pair}"):
        measured = measure.run(command, env, scratch / f"{side}-{pair}.log")
    console.print(
        f"{side:<8} {pair}  {measured.seconds:6.1f} s  {measured.peak_pss_bytes / 1e9:.2f} GB  "
        f"{measured.cpu_seconds:6.1f} s of processor; {measured.other_cores:.2f} cores busy with "
        "other work"
    )
    return Run(side, pair, measured, home)


def _our_command(output: Path, data: Path, seed: int) -> list[str]:
    """Upstream does not fix its seed; ours gets another one each time, for a fair draw."""
    settings = {
        "training.steps": _STEPS,
        "training.batch_size": _BATCH,
        "training.learning_rate": _LEARNING_RATE,
        "training.seed": seed,
    }
    overrides = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    program = str(Path(sys.executable).parent / "tfx-mobile")
    return [program, "run", "--output", str(output), "--data", str(data), *overrides]


def _judge(run: Run, theirs: upstream.Upstream, unseen: Path) -> dict[str, Branch]:
    """Accuracy of what a run pushed."""
    import tensorflow_model_analysis as tfma

    from modules import mnist
    from pipelines.judging import heads, predictors
    from pipelines.judging.examples import read_batches

    decide = heads.of(mnist.TASK).decide
    if run.side == "upstream":
        left = theirs.branches(run.home)
    else:
        report = json.loads((run.home / "output" / "report.json").read_text())["branches"]
        left = {
            name: upstream.Branch(
                Path(report[name]["evaluation_uri"]), Path(report[name]["pushed_uri"])
            )
            for name in BRANCHES
        }
    judged = {}
    for name, branch in left.items():
        result = tfma.load_eval_result(str(branch.evaluation))
        metrics = next(metrics for slice_key, metrics in result.slicing_metrics if not slice_key)
        model = {name: predictors.MODELS[name](str(branch.model))}
        found = predictors.predict(model, read_batches(str(unseen.parent), mnist.TASK), decide)
        predicted = found.by_model[name]
        judged[name] = Branch(
            accuracy=round(float((predicted == found.labels).mean()), 4),
            accuracy_held_out=round(metrics[""][""][_ACCURACY]["doubleValue"], 4),
        )
    return judged


def _result(
    judged: list[tuple[Run, dict[str, Branch]]], theirs: upstream.Upstream
) -> dict[str, Any]:
    """Everything for the JSON file."""
    runs = [
        {
            "side": run.side,
            "pair": run.pair,
            **dataclasses.asdict(run.measured),
            "branches": {name: dataclasses.asdict(branch) for name, branch in branches.items()},
        }
        for run, branches in judged
    ]
    medians = {side: _medians([run for run in runs if run["side"] == side]) for side in SIDES}
    seconds = {side: [run["seconds"] for run in runs if run["side"] == side] for side in SIDES}
    ratios = [round(a / b, 2) for a, b in zip(*(seconds[side] for side in SIDES), strict=True)]
    ratio = statistics.median(ratios)
    before, ours = (medians[side] for side in SIDES)
    accuracy = _compare_accuracy(runs)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": measure.machine(),
        "versions": {"upstream": theirs.versions, "ours": _our_versions()},
        "task": {
            "examples": _EXAMPLES,
            "steps": _STEPS,
            "batch_size": _BATCH,
            "learning_rate": _LEARNING_RATE,
        },
        "runs": runs,
        "medians": medians,
        "ratios": ratios,
        "median_ratio": ratio,
        "accuracy": accuracy,
        "target": {
            "wall_time_at_most_a_sixth": ratio >= _TARGET_RATIO,
            "accuracy_not_below_beyond_noise": accuracy["difference"]
            >= -2 * accuracy["standard_error"],
            "memory_not_above": all(
                ours[key] <= before[key] for key in ("peak_pss_bytes", "peak_rss_bytes")
            ),
        },
    }


def _medians(runs: list[dict[str, Any]]) -> dict[str, float]:
    keys = ("seconds", "cpu_seconds", "peak_pss_bytes", "peak_rss_bytes")
    medians = {key: statistics.median(run[key] for run in runs) for key in keys}
    for name in BRANCHES:
        medians[f"accuracy_{name}"] = statistics.median(
            run["branches"][name]["accuracy"] for run in runs
        )
    return medians


def _compare_accuracy(runs: list[dict[str, Any]]) -> dict[str, float]:
    """How far apart the sides are, and how far chance alone puts them.

    Upstream's two branches are two draws, each trained from its own random start; ours start from
    the same seed and end with the same weights, so a run is one draw.
    """
    draws = {
        side: [
            run["branches"][name]["accuracy"]
            for run in runs
            if run["side"] == side
            for name in (BRANCHES if side == "upstream" else BRANCHES[:1])
        ]
        for side in SIDES
    }
    means = {side: statistics.fmean(values) for side, values in draws.items()}
    error = math.sqrt(
        sum(
            statistics.variance(values) / len(values)
            for values in draws.values()
            if len(values) > 1
        )
    )
    return {
        **{f"mean_{side}": round(mean, 4) for side, mean in means.items()},
        "difference": round(means["ours"] - means["upstream"], 4),
        "standard_error": round(error, 4),
    }


def _our_versions() -> dict[str, str]:
    from pipelines import stack

    installed = stack.installed()
    return {
        "python": platform.python_version(),
        "tfx": installed.tfx,
        "tensorflow": installed.tensorflow,
        "apache-beam": importlib.metadata.version("apache-beam"),
        "tensorflow-model-analysis": importlib.metadata.version("tensorflow-model-analysis"),
    }


def _plot(result: dict[str, Any], file: Path) -> None:
    """Wall time and peak memory of every run."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    panels = (("seconds", 1.0, "wall time (s)"), ("peak_pss_bytes", 1e9, "peak memory (GB, PSS)"))
    for axis, (key, unit, label) in zip(axes, panels, strict=True):
        for offset, side in ((-0.2, "upstream"), (0.2, "ours")):
            runs = [run for run in result["runs"] if run["side"] == side]
            bars = axis.bar(
                [run["pair"] + offset for run in runs],
                [run[key] / unit for run in runs],
                width=0.38,
                color=_COLOURS[side],
                label="upstream (TFX 1.15.1)" if side == "upstream" else "tfx-mobile",
            )
            axis.bar_label(bars, fmt="%.0f" if unit == 1 else "%.2f", padding=2)
        axis.set_xticks(sorted({run["pair"] for run in result["runs"]}))
        axis.set_xlabel("pair of runs")
        axis.set_ylabel(label)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(y=0.12)
    target = result["medians"]["upstream"]["seconds"] / _TARGET_RATIO
    axes[0].axhline(
        target, color="black", linestyle="--", linewidth=1, label="target: a sixth of upstream"
    )
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(file, dpi=150)


def _show(result: dict[str, Any]) -> None:
    """The table at the end."""
    table = Table(box=None, pad_edge=False, header_style="bold", title="medians")
    table.add_column("")
    rows = (
        ("wall time", "seconds", lambda v: f"{v:.1f} s"),
        ("processor time", "cpu_seconds", lambda v: f"{v:.1f} s"),
        ("peak memory (PSS)", "peak_pss_bytes", lambda v: f"{v / 1e9:.2f} GB"),
        ("peak memory (RSS)", "peak_rss_bytes", lambda v: f"{v / 1e9:.2f} GB"),
        ("accuracy keras", "accuracy_keras", lambda v: f"{v:.4f}"),
        ("accuracy lite", "accuracy_lite", lambda v: f"{v:.4f}"),
    )
    for side in SIDES:
        table.add_column(side, justify="right")
    for title, key, show in rows:
        table.add_row(title, *(show(result["medians"][side][key]) for side in SIDES))
    console.print(table)
    ratios = ", ".join(f"{ratio:.2f}" for ratio in result["ratios"])
    console.print(f"upstream takes {result['median_ratio']:.2f} times as long (pairs: {ratios})")
    accuracy = result["accuracy"]
    console.print(
        f"accuracy differs by {accuracy['difference']:+.4f} "
        f"(standard error {accuracy['standard_error']:.4f})"
    )
    for name, met in result["target"].items():
        console.print(f"{'met   ' if met else 'missed'}  {name.replace('_', ' ')}")


if __name__ == "__main__":
    main()
