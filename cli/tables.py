"""Lists of the server, as a table on a terminal and whole lines elsewhere."""

from collections.abc import Iterable, Sequence

from rich.markup import escape
from rich.table import Table

from cli import progress

_UNCUT = 1000
"""Columns where no terminal sets a limit: a program that reads the table wants all of it."""


def show(headings: Sequence[str], rows: Iterable[Sequence[str]], nothing: str) -> None:
    """Prints a table, or a sentence where there are no rows."""
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*map(escape, row))
    console = progress.console()
    if not console.is_terminal:
        console.width = _UNCUT
    console.print(table if table.rows else nothing)
