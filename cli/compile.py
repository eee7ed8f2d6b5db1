"""`tfx-mobile compile`: the pipeline as a file for Kubeflow Pipelines."""

from pathlib import Path

import click

from cli import options, quiet
from cli.parameter_types import UserPath


@click.command(name="compile", cls=options.SettingsHelp)
@click.option(
    "--image",
    metavar="REF",
    help="The container image of every task, by digest or immutable tag; the same as "
    "--set kubeflow.image=REF.",
)
@click.option(
    "-o",
    "--output",
    type=UserPath(dir_okay=False),
    default=Path("pipeline.yaml"),
    show_default=True,
    help="The file to write.",
)
@click.option(
    "--data",
    "source",
    metavar="DIRECTORY",
    help="A dataset that `tfx-mobile data` wrote, which tells the task (features, classes); the "
    "same as --set data.source=DIRECTORY. Not needed for MNIST.",
)
@click.option("--allow-mutable-tag", is_flag=True, help="Take an image by a tag that may move.")
@options.settings_options
def compile_(
    image: str | None,
    output: Path,
    source: str | None,
    allow_mutable_tag: bool,
    settings_file: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Compile the pipeline for open-source Kubeflow Pipelines (KFP v2).

    The pipeline learns the task of the dataset, or the one that the settings name. A run with data
    of another task is refused. The same settings, task and versions give the same bytes. Nothing is
    uploaded.

    \b
    tfx-mobile compile --image registry.example/tfx-mobile:1.0.0
    tfx-mobile compile --image registry.example/tfx-mobile:1.0.0 --data dataset -o nightly.yaml
    """
    from kubeflow.compiler import check
    from kubeflow.compiler import task as compiled_task
    from pipelines import files, functions, settings, tasks

    loaded = settings.load(settings_file, overrides, {"data.source": source})
    reference = image or loaded.kubeflow.image
    check.image(reference, allow_mutable_tag)
    functions.find(loaded)
    quiet.hush_libraries()
    quiet.hush_tfx()
    quiet.load_little()
    task, why = compiled_task.choose(loaded)
    functions.find(loaded, task)
    from kubeflow.compiler import compile as compiler

    documents = compiler.compile_pipeline(loaded, task, reference)
    files.write_text(output, compiler.to_yaml(documents))
    nodes = documents[0]["root"]["dag"]["tasks"]
    click.echo(f"{output}: pipeline {loaded.name}, {len(nodes)} tasks, image {reference}")
    click.echo(f"task {tasks.describe(task)}, {why}")
