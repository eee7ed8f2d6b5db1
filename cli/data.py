"""`tfx-mobile data`: examples as TFRecords with a manifest."""

import os
import warnings
from pathlib import Path

import click


@click.command()
@click.option(
    "--source",
    default="auto",
    show_default=True,
    help="digits, mnist, auto, or a directory of TFRecords, IDX files or images.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Directory for train/, eval/ and manifest.json.",
)
@click.option(
    "--eval-fraction",
    default=0.2,
    show_default=True,
    type=float,
    help="Part kept for evaluation where the source has no split of its own.",
)
def data(source: str, output: Path, eval_fraction: float) -> None:
    """Write a dataset of TFRecords with a manifest.

    \b
    tfx-mobile data --source digits --output dataset
    tfx-mobile data --source ~/my-images --output dataset
    tfx-mobile run --output demo --data dataset
    """
    # TensorFlow and Google's libraries greet on standard error.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore", FutureWarning)
    from pipelines import settings
    from pipelines.data import prepare

    settings.validate({"data": {"source": source, "eval_fraction": eval_fraction}})
    manifest, how = prepare.prepare(source, output, eval_fraction)
    click.echo(
        f"{output}: {how}; {manifest.count(prepare.TRAIN):,} examples for training, "
        f"{manifest.count(prepare.EVAL):,} for evaluation, fingerprint {manifest.fingerprint[:12]}"
    )
