"""A live line per file that is sent, on a terminal; nothing elsewhere."""

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)


class Transfers:
    """Shows the bytes of files as they go; a file that need not go has no line."""

    def __init__(self, console: Console, sizes: Mapping[str, int]) -> None:
        self._sizes = sizes
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "Transfers":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def on_progress(self, name: str, count: int) -> None:
        """Takes some bytes of a file; see kubeflow.storage.OnProgress."""
        # Two threads send parts of one file, but no dictionary makes two entries of one name.
        if name not in self._tasks:
            task = self._progress.add_task(escape(name), total=self._sizes.get(name), visible=False)
            if self._tasks.setdefault(name, task) == task:
                self._progress.update(task, visible=True)
        self._progress.update(self._tasks[name], advance=count)
