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
@click.option("--allow-mutable-tag", is_flag=True, help="Take an image by a tag that may move.")
@options.settings_options
def compile_(
    image: str | None,
    output: Path,
    allow_mutable_tag: bool,
    settings_file: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Compile the pipeline for open-source Kubeflow Pipelines (KFP v2).

    The same settings and versions give the same bytes. Nothing is uploaded.

    \b
    tfx-mobile compile --image registry.example/tfx-mobile:1.0.0
    tfx-mobile compile --image registry.example/tfx-mobile:1.0.0 -o nightly.yaml
    """
    from kubeflow.compiler import check
    from pipelines import files, functions, settings

    loaded = settings.load(settings_file, overrides)
    reference = image or loaded.kubeflow.image
    check.image(reference, allow_mutable_tag)
    functions.find(loaded)
    quiet.hush_libraries()
    quiet.hush_tfx()
    quiet.load_little()
    from kubeflow.compiler import compile as compiler

    documents = compiler.compile_pipeline(loaded, reference)
    files.write_text(output, compiler.to_yaml(documents))
    tasks = documents[0]["root"]["dag"]["tasks"]
    click.echo(f"{output}: pipeline {loaded.name}, {len(tasks)} tasks, image {reference}")
