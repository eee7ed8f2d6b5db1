"""How a process of the pipeline ended that said nothing itself."""

import signal
from pathlib import Path

from pipelines.local import events

OUT_OF_MEMORY = "free some memory, or run fewer branches at once with --set local.lanes=1"


def explain(process: str, code: int, log: Path) -> events.Failed:
    """The sentence for an exit code of another process.

    Args:
      process: What the user knows it by.
      code: As `subprocess` and `multiprocessing` have it: negative for a signal.
      log: The log.
    """
    if code >= 0:
        return events.Failed(f"{process} ended with code {code}: see {log}", 1)
    name = signal.Signals(-code).name
    # Only a person and the kernel's out-of-memory killer send it.
    why = f", most likely for lack of memory: {OUT_OF_MEMORY};" if name == "SIGKILL" else ":"
    return events.Failed(f"{process} ended by signal {name}{why} see {log}", 1)
