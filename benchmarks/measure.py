"""Wall time, memory and processor time of a command with everything it starts."""

import contextlib
import dataclasses
import os
import resource
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

_SAMPLE_SECONDS = 0.5
_QUIET_PERCENT = 10.0


class RunError(RuntimeError):
    """A command that did not end well."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """One run of a command.

    Attributes:
      seconds: Wall time from start to end.
      peak_pss_bytes: Most memory that the process tree held at one time, sampled twice a second;
        pages that processes share are counted once (proportional set size).
      peak_rss_bytes: The same, shared pages counted in each process (sum of resident set sizes).
      cpu_seconds: Processor time of the process tree.
      other_cores: Cores that everything else on the machine kept busy meanwhile.
    """

    seconds: float
    peak_pss_bytes: int
    peak_rss_bytes: int
    cpu_seconds: float
    other_cores: float


def run(command: Sequence[str], env: Mapping[str, str], log: Path) -> Measured:
    """Runs a command to its end, its output in `log`.

    Raises:
      RunError: It failed; the message holds the end of its output.
    """
    peak = _Peak()
    cpu, busy, start = _children_seconds(), _busy_seconds(), time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    with _ended(process), peak.watching(process.pid):
        code = process.wait()
    seconds = time.perf_counter() - start
    cpu = _children_seconds() - cpu
    if code != 0:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:])
        raise RunError(f"{' '.join(command)} ended with code {code}:\n{tail}")
    return Measured(
        seconds=round(seconds, 2),
        peak_pss_bytes=peak.pss,
        peak_rss_bytes=peak.rss,
        cpu_seconds=round(cpu, 2),
        other_cores=round(max(0.0, _busy_seconds() - busy - cpu) / seconds, 2),
    )


def wait_until_quiet(limit_seconds: float) -> None:
    """Waits until the machine has next to nothing to do, or the time is up."""
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline and psutil.cpu_percent(interval=3) > _QUIET_PERCENT:
        pass


def clean_environment(home: Path) -> dict[str, str]:
    """The environment of a run that shares no cache or configuration with another one."""
    dropped = ("PYTHON", "TF_", "XDG_", "VIRTUAL_ENV")
    env = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    return {**env, "HOME": str(home), "TMPDIR": str(temporary)}


def machine() -> dict[str, Any]:
    """What the figures depend on, nothing that tells whose machine it is."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else "unknown",
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
    }


class _Peak:
    """The most memory that a process tree was seen with."""

    def __init__(self) -> None:
        self.pss = self.rss = 0

    @contextlib.contextmanager
    def watching(self, pid: int) -> Iterator[None]:
        ended = threading.Event()
        thread = threading.Thread(target=self._watch, args=(psutil.Process(pid), ended))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _watch(self, root: psutil.Process, ended: threading.Event) -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            pss = rss = 0
            for process in _tree(root):
                with contextlib.suppress(psutil.Error):
                    memory = process.memory_full_info()
                    pss += memory.pss
                    rss += memory.rss
            self.pss, self.rss = max(self.pss, pss), max(self.rss, rss)


def _tree(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


@contextlib.contextmanager
def _ended(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Leaves nothing running when the benchmark itself is ended."""
    try:
        yield
    finally:
        if process.poll() is None:
            for running in _tree(psutil.Process(process.pid)):
                with contextlib.suppress(psutil.Error):
                    running.kill()
            process.wait()


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)
