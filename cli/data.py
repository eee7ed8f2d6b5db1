"""`tfx-mobile data`: datasets of TFRecords, here and in object stores."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import quiet
from cli.options import SOURCES, settings_options
from cli.parameter_types import Place, UserPath
from cli.storage_options import options, storage_options

if TYPE_CHECKING:
    from kubeflow.datasets import Entry
    from pipelines.data.manifest import Manifest


@click.group(invoke_without_command=True)
@click.option(
    "--source",
    help=f"{SOURCES}; the same as --set data.source=SOURCE.  [default: auto]",
)
@click.option(
    "--output",
    type=UserPath(),
    help="Directory for datasets, empty or of earlier ones.  [required without COMMAND]",
)
@click.option(
    "--eval-fraction",
    metavar="PART",
    help="Part kept for evaluation where the source has no split of its own; the same as "
    "--set data.eval_fraction=PART.  [default: 0.2]",
)
@settings_options
@click.pass_context
def data(
    ctx: click.Context,
    source: str | None,
    output: Path | None,
    eval_fraction: str | None,
    settings_file: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Write a dataset of TFRecords, or send one to an object store.

    The dataset says what can be learnt from it: the features and the classes. The settings task.*
    say how images become features, and which column of a table is the label.

    A dataset never changes: another one is written beside it, and dataset.json names the current
    one. Writers of the same directory do not disturb each other or a run that reads it.

    \b
    tfx-mobile data --source digits --output dataset
    tfx-mobile data --source ~/photos --output dataset --set task.images.height=64
    tfx-mobile run --output demo --data dataset
    tfx-mobile data push dataset s3://bucket/dataset
    """
    if ctx.invoked_subcommand:
        return
    if output is None:
        (parameter,) = (p for p in ctx.command.params if p.name == "output")
        raise click.MissingParameter(ctx=ctx, param=parameter)
    quiet.hush_libraries()
    from pipelines import functions, settings
    from pipelines.data import prepare

    flags = {"data.source": source, "data.eval_fraction": eval_fraction}
    loaded = settings.load(settings_file, overrides, flags)
    functions.find(loaded)
    dataset, how = prepare.prepare(loaded.data, loaded.task, output)
    click.echo(f"{output}: {how}; {_summary(dataset.manifest)}")


@data.command()
@click.argument("directory", type=UserPath())
@click.argument("uri", type=Place())
@storage_options
def push(
    directory: Path, uri: str, endpoint: str | None, region: str | None, ca_file: str | None
) -> None:
    """Send the current dataset of DIRECTORY to URI, and make it the current one there.

    URI is gs://BUCKET/PATH, s3://BUCKET/PATH, minio://BUCKET/PATH or a path. It stays the same for
    every push: earlier datasets stay below it until they are pruned, and what is there already is
    not sent again. A run that has begun goes on with the dataset that it began with.

    \b
    tfx-mobile data push dataset gs://bucket/digits
    tfx-mobile data push dataset minio://bucket/digits --endpoint http://minio:9000
    """
    from cli import progress, transfers
    from kubeflow import datasets
    from pipelines.data import dataset
    from pipelines.data.manifest import MANIFEST
    from pipelines.errors import DataError, DocumentError

    try:
        source = dataset.load(directory)
    except (DataError, DocumentError) as error:
        raise DataError(f"{error}: write one with `tfx-mobile data --output`") from None
    manifest = source.manifest
    sizes = {name: file.size for name, file in manifest.files.items()}
    sizes[MANIFEST] = (source.directory / MANIFEST).stat().st_size
    reach = options(endpoint, region, ca_file)
    with transfers.Transfers(progress.console(), sizes) as shown:
        sent = datasets.push(source, uri, reach, shown.on_progress)
    how = f"{sent:,} bytes sent" if sent else "unchanged, nothing sent"
    click.echo(f"{uri}: dataset {manifest.name}; {how}; {_summary(manifest)}")
    click.echo(f"data_uri of runs on Kubeflow Pipelines: {uri}")


@data.command()
@click.argument("uri", type=Place())
@storage_options
def ls(uri: str, endpoint: str | None, region: str | None, ca_file: str | None) -> None:
    """List the datasets at URI, newest first; other objects where there is no dataset.

    \b
    tfx-mobile data ls gs://bucket/digits
    """
    from cli import tables
    from kubeflow import datasets, storage
    from pipelines.errors import StorageMissingError

    reach = options(endpoint, region, ca_file)
    entries = datasets.list_entries(uri, reach)
    if entries:
        headings = ("name", "current", "pushed", "source", "task", "train", "eval", "bytes")
        tables.show(headings, map(_row, entries), "")
        return
    objects = storage.list_objects(uri, reach)
    if not objects:
        raise StorageMissingError(f"there is nothing at {uri}: check the address")
    rows = [(o.name, f"{o.size:,}", _local_time(o.modified)) for o in objects]
    tables.show(("name", "bytes", "modified"), rows, "")


@data.command()
@click.argument("uri", type=Place())
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="How many datasets stay, the current one among them.",
)
@storage_options
def prune(
    uri: str, keep: int, endpoint: str | None, region: str | None, ca_file: str | None
) -> None:
    """Remove old datasets at URI, which may be a directory of this machine.

    The current dataset always stays, and so does whatever is not below datasets/. A run that has
    begun with a removed dataset fails.

    \b
    tfx-mobile data prune gs://bucket/digits --keep 3
    """
    from kubeflow import datasets

    removed = datasets.prune(uri, keep, options(endpoint, region, ca_file))
    for entry in removed:
        click.echo(f"{uri}: removed {entry.name} ({entry.size:,} bytes)")
    if not removed:
        click.echo(f"{uri}: nothing to remove")


def _row(entry: "Entry") -> tuple[str, ...]:
    manifest = entry.manifest
    source, *rest = (
        (
            *(manifest.source, manifest.task.name),
            *(f"{manifest.count(split):,}" for split in ("train", "eval")),
        )
        if manifest
        else (entry.problem, "", "", "")
    )
    return (
        entry.name,
        "current" if entry.is_current else "",
        _local_time(entry.modified),
        source,
        *rest,
        f"{entry.size:,}",
    )


def _local_time(moment: datetime) -> str:
    return moment.astimezone().isoformat(" ", "seconds")


def _summary(manifest: "Manifest") -> str:
    return (
        f"{manifest.count('train'):,} examples for training, {manifest.count('eval'):,} for "
        f"evaluation, fingerprint {manifest.fingerprint[:12]}"
    )
