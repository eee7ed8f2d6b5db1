"""What the environment has and lacks, without importing any of the heavy packages."""

import dataclasses
import os
import platform
import sys
from pathlib import Path

from pipelines import stack

_MIN_FREE_DISK = 1_000_000_000
_MIN_MEMORY = 4_000_000_000
_PACKAGES = (
    "tfx",
    "tensorflow-cpu",
    "tf-keras",
    "tensorflow-model-analysis",
    "tensorflow-transform",
    "apache-beam",
    "ml-metadata",
    "kfp",
    "google-cloud-storage",
    "scikit-learn",
)


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """Facts in the order to show them, and a sentence for each thing that is missing."""

    facts: dict[str, str]
    missing: list[str]


def diagnose() -> Diagnosis:
    """Looks at the interpreter, the installed packages, disk and memory."""
    import psutil

    installed = stack.installed()
    disk = psutil.disk_usage(str(Path.cwd())).free
    memory = psutil.virtual_memory()
    facts = {
        "interpreter": f"{sys.executable} (Python {installed.python})",
        "stack": installed.name,
        "system": f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}",
        "processors": str(os.cpu_count()),
        "free disk": f"{disk / 1e9:.1f} GB in {Path.cwd()}",
        "free memory": f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB",
    }
    missing = []
    for package in _PACKAGES:
        alternatives = (package, "tensorflow") if package == "tensorflow-cpu" else (package,)
        facts[package] = stack.version(*alternatives) or "missing"
        if facts[package] == "missing":
            missing.append(f"the package {package}: run `make demo`, which installs it")
    if installed.name == "unknown":
        missing.append(
            f"a supported TFX ({' or '.join(stack.STACKS)}), found {installed.tfx or 'none'}"
        )
    if disk < _MIN_FREE_DISK:
        missing.append(f"free disk: {disk / 1e9:.1f} GB, and a run wants {_MIN_FREE_DISK / 1e9:g}")
    if memory.available < _MIN_MEMORY:
        missing.append(
            f"free memory: {memory.available / 1e9:.1f} GB, and a run wants {_MIN_MEMORY / 1e9:g}"
        )
    return Diagnosis(facts, missing)
