"""What the environment has and lacks, without importing any of the heavy packages."""

import dataclasses
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipelines import environment, shadowing, stack

_MIN_FREE_DISK = 1_000_000_000
_MIN_MEMORY = 4_000_000_000
_LISTED = 5
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
    """What `doctor` tells.

    Attributes:
      facts: In the order to show them.
      missing: A sentence for each thing without which the pipeline does not run.
      warnings: A sentence for each thing that may do harm.
    """

    facts: dict[str, str]
    missing: list[str]
    warnings: list[str]


def diagnose() -> Diagnosis:
    """Looks at the interpreter, the packages and what hides them, variables, disk and memory."""
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
    missing += [
        f"our own package {name}, which Python finds in {file}: run `sh requirements/setup.sh`"
        for name, file in shadowing.hiding_ours()
    ]
    # `os.environ` has our own values by now.
    variables = psutil.Process().environ()
    warnings = [*_warnings_of_packages(installed.name), *_warnings_of_variables(variables)]
    return Diagnosis(facts, missing, warnings)


def _warnings_of_packages(stack_name: str) -> Iterator[str]:
    for file in shadowing.hidden_by_ours():
        yield f"{file} cannot be imported here, because tfx-mobile has a package of that name"
    hiding = shadowing.hiding_packages()
    for folder, names in hiding:
        yield (
            f"{folder}, of PYTHONPATH most likely, hides {_listed(names)} of this environment: "
            "unset PYTHONPATH"
        )
    changed = [] if hiding else stack.differing_from_lock(stack_name)
    if changed:
        yield (
            f"this environment has {_listed(changed)}: remove {sys.prefix} and run `make demo`, "
            "which makes it anew"
        )


def _warnings_of_variables(variables: Mapping[str, str]) -> Iterator[str]:
    """Variables of the user's shell that change how Python or Keras behave."""
    for name in ("PYTHONHOME", *environment.FOR_OTHER_PROGRAMS):
        if variables.get(name):
            yield f"{name} is {variables[name]}, which breaks libraries: unset it"
    for name, ours in (("KERAS_BACKEND", "tensorflow"), ("TF_USE_LEGACY_KERAS", "1")):
        if variables.get(name, ours) != ours:
            yield f"{name} is {variables[name]}, and tfx-mobile uses {ours}"


def _listed(words: list[str]) -> str:
    """The first few words, and how many there are."""
    rest = len(words) - _LISTED
    return ", ".join(words[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
