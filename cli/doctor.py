"""`tfx-mobile doctor`: what this machine has, and what is missing."""

import sys

import click


@click.command()
def doctor() -> None:
    """Show interpreter, stack, versions, free disk and memory, and what is missing or in the way.

    Ends with exit code 3 where something is missing.

    \b
    tfx-mobile doctor
    """
    from rich.table import Table

    from cli import progress
    from pipelines import diagnosis

    found = diagnosis.diagnose()
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in found.facts.items():
        table.add_row(name, value)
    console = progress.console()
    console.print(table)
    for sentence in found.warnings:
        click.echo(f"warning: {sentence}", err=True)
    for sentence in found.missing:
        click.echo(f"missing: {sentence}", err=True)
    if found.missing:
        sys.exit(3)
    console.print("nothing is missing")
