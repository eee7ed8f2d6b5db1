"""Which of the two supported stacks this is, and on what processor it runs."""

import dataclasses
import importlib.metadata
import platform
import re
from pathlib import Path

STACKS = {"1.16": "legacy", "1.21": "current"}
"""By TFX's minor version; see docs/run-locally.md."""


@dataclasses.dataclass(frozen=True)
class Stack:
    """The versions that decide how a run behaves."""

    name: str
    python: str
    tfx: str
    tensorflow: str


def version(*packages: str) -> str:
    """The version of the first of these that is installed, "" if none is."""
    for package in packages:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def installed() -> Stack:
    """Reads package metadata; imports nothing."""
    tfx = version("tfx")
    return Stack(
        name=STACKS.get(".".join(tfx.split(".")[:2]), "unknown"),
        python=platform.python_version(),
        tfx=tfx,
        tensorflow=version("tensorflow-cpu", "tensorflow"),
    )


def differing_from_lock(name: str) -> list[str]:
    """Packages whose version is not the one that this checkout's lock file has for a stack.

    Empty where there is no lock, as in the image.
    """
    lock = Path(__file__).parents[1] / "requirements" / f"{name}.txt"
    try:
        pins = re.findall(r"^([\w.-]+)==([\w.+!-]+)", lock.read_text(encoding="utf-8"), re.M)
    except OSError:
        return []
    found = [(package, pin, version(package)) for package, pin in pins]
    return [
        f"{package} {there or 'missing'} instead of {pin}"
        for package, pin, there in found
        if there != pin
    ]


def processor() -> str:
    """The processor's model as Linux names it, else its architecture."""
    try:
        found = re.search(
            r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.M
        )
    except OSError:
        found = None
    return found[1].strip() if found else platform.machine()
