"""`tfx-mobile data`: examples as TFRecords with a manifest, here and in object stores."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import quiet
from cli.storage_options import options, storage_options

if TYPE_CHECKING:
    from pipelines.data import prepare


@click.group(invoke_without_command=True)
@click.option(
    "--source",
    default="auto",
    show_default=True,
    help="digits, mnist, auto, or a directory of TFRecords, IDX files or images.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Directory for train/, eval/ and manifest.json.  [required without COMMAND]",
)
@click.option(
    "--eval-fraction",
    default=0.2,
    show_default=True,
    type=float,
    help="Part kept for evaluation where the source has no split of its own.",
)
@click.pass_context
def data(ctx: click.Context, source: str, output: Path | None, eval_fraction: float) -> None:
    """Write a dataset of TFRecords with a manifest, or send one to an object store.

    \b
    tfx-mobile data --source digits --output dataset
    tfx-mobile data --source ~/my-images --output dataset
    tfx-mobile run --output demo --data dataset
    tfx-mobile data push dataset s3://bucket/dataset
    """
    if ctx.invoked_subcommand:
        return
    if output is None:
        (parameter,) = (p for p in ctx.command.params if p.name == "output")
        raise click.MissingParameter(ctx=ctx, param=parameter)
    quiet.hush_libraries()
    from pipelines import settings
    from pipelines.data import prepare

    settings.validate({"data": {"source": source, "eval_fraction": eval_fraction}})
    manifest, how = prepare.prepare(source, output, eval_fraction)
    click.echo(f"{output}: {how}; {_summary(manifest)}")


@data.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("uri")
@storage_options
def push(
    directory: Path, uri: str, endpoint: str | None, region: str | None, ca_file: str | None
) -> None:
    """Send the dataset in DIRECTORY to the object store at URI.

    URI is gs://BUCKET/PATH, s3://BUCKET/PATH or minio://BUCKET/PATH. The manifest goes last, and
    what is there already is not sent again.

    \b
    tfx-mobile data push dataset gs://bucket/digits
    tfx-mobile data push dataset minio://bucket/digits --endpoint http://minio:9000
    """
    from cli import progress, transfers
    from kubeflow import storage
    from pipelines.data import prepare
    from pipelines.errors import DataError

    found = prepare.Manifest.read(directory)
    if found is None or not all((directory / name).is_dir() for name in found.examples):
        raise DataError(
            f"{directory} holds no dataset with a {prepare.MANIFEST}: write one with "
            "tfx-mobile data --output"
        )
    files = [file for file in directory.rglob("*") if file.is_file()]
    sizes = {file.relative_to(directory).as_posix(): file.stat().st_size for file in files}
    reach = options(endpoint, region, ca_file)
    with transfers.Transfers(progress.console(), sizes) as shown:
        sent = storage.upload(
            directory, uri, reach, last=[prepare.MANIFEST], on_progress=shown.on_progress
        )
    how = f"{sent:,} bytes sent" if sent else "unchanged, nothing sent"
    click.echo(f"{uri}: {how}; {_summary(found)}")


@data.command()
@click.argument("uri")
@storage_options
def ls(uri: str, endpoint: str | None, region: str | None, ca_file: str | None) -> None:
    """List what is in the object store at URI, with the counts of a dataset.

    \b
    tfx-mobile data ls gs://bucket/digits
    """
    from rich.markup import escape
    from rich.table import Table

    from cli import progress
    from kubeflow import storage
    from pipelines.data import prepare
    from pipelines.errors import StorageMissingError

    reach = options(endpoint, region, ca_file)
    found = storage.list_objects(uri, reach)
    if not found:
        raise StorageMissingError(f"there is nothing at {uri}: check the address")
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "bytes", "modified"):
        table.add_column(heading, justify="right" if heading == "bytes" else "left")
    for thing in found:
        modified = thing.modified.astimezone().isoformat(" ", "seconds")
        table.add_row(escape(thing.name), f"{thing.size:,}", modified)
    console = progress.console()
    console.print(table)
    if any(thing.name == prepare.MANIFEST for thing in found):
        content = storage.read_bytes(f"{uri.rstrip('/')}/{prepare.MANIFEST}", reach)
        manifest = prepare.Manifest.parse(content)
        if manifest:
            console.print(escape(f"{manifest.source}: {_summary(manifest)}"), soft_wrap=True)


def _summary(manifest: "prepare.Manifest") -> str:
    return (
        f"{manifest.count('train'):,} examples for training, {manifest.count('eval'):,} for "
        f"evaluation, fingerprint {manifest.fingerprint[:12]}"
    )
