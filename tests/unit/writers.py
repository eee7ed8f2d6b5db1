"""Writers of datasets as processes of their own, which tests start and kill.

    python -m tests.unit.writers killed DIRECTORY SOURCE    kill a writer at each of its steps
    python -m tests.unit.writers loop DIRECTORY SOURCE...   write one source after the other

Both print a line for each thing done.
"""

import importlib
import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

from pipelines import settings
from pipelines.data import dataset, prepare

# Loaded before the processes part, which saves each of them a second.
for _name in ("pipelines.data.records", "pipelines.data.shards", "sklearn.model_selection"):
    importlib.import_module(_name)

_STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree"}


def killed(directory: Path, source: str) -> None:
    """Kill a writer at its first step, the next at its second step, and so on to the last.

    Each has a copy of the directory and is followed by a writer that is not killed.
    """
    for step in itertools.count():
        copy = directory.with_name(f"{directory.name}-{step}")
        shutil.copytree(directory, copy)
        was_killed = _run(copy, source, step)
        try:
            found = dataset.load(copy)
            state = found.find_fault() or found.manifest.source
        except Exception as error:
            state = str(error)
        flat = (copy / "train" / "data.tfrecord.gz").exists()
        again = _run(copy, source, None)
        found = dataset.load(copy)
        assert not again
        assert not found.find_fault()
        assert found.manifest.source == source
        names = {name for name in os.listdir(copy) if not name.startswith(".")}
        assert names == {"dataset.json", "datasets"}
        print(was_killed, flat, state, flush=True)
        shutil.rmtree(copy)
        if not was_killed:
            return


def loop(directory: Path, sources: list[str]) -> None:
    """Write one source after the other into the same directory, for ever."""
    for source in itertools.cycle(sources):
        made, _ = prepare.prepare(settings.Data(source=source), settings.Task(), directory)
        print(made.manifest.source, made.manifest.name, flush=True)


def _run(directory: Path, source: str, step: int | None) -> bool:
    """Prepare in a process; returns whether it was killed."""
    child = os.fork()
    if not child:
        if step is not None:
            _kill_at(step, directory)
        prepare.prepare(settings.Data(source=source), settings.Task(), directory)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in {0, -signal.SIGKILL}, code
    return code != 0


def _kill_at(step: int, directory: Path) -> None:
    """Kill this process before so many changes below a directory have been made."""
    left = [step]

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        if (event in _STEPS or is_write) and str(arguments[0]).startswith(str(directory)):
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

    sys.addaudithook(audit)


if __name__ == "__main__":
    if sys.argv[1] == "killed":
        killed(Path(sys.argv[2]), sys.argv[3])
    else:
        loop(Path(sys.argv[2]), sys.argv[3:])
