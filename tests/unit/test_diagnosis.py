"""What `doctor` finds."""

import importlib.metadata
from collections import namedtuple
from collections.abc import Callable

import psutil
import pytest

from pipelines import diagnosis, stack

Memory = namedtuple("Memory", "available total")
Disk = namedtuple("Disk", "free")
PINNED = {
    "tfx": "1.16.0",
    "tensorflow-cpu": "2.16.2",
    **dict.fromkeys(diagnosis._PACKAGES[2:], "1.0"),
}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., diagnosis.Diagnosis]:
    """Diagnoses a machine with these packages and as many free bytes."""

    def diagnose(
        packages: dict[str, str], disk: float = 1e12, memory: float = 1e11
    ) -> diagnosis.Diagnosis:
        def version(name: str) -> str:
            if name not in packages:
                raise importlib.metadata.PackageNotFoundError(name)
            return packages[name]

        monkeypatch.setattr(importlib.metadata, "version", version)
        monkeypatch.setattr(psutil, "disk_usage", lambda path: Disk(disk))
        monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(memory, 2e11))
        return diagnosis.diagnose()

    return diagnose


def test_nothing_is_missing(machine) -> None:
    found = machine(PINNED)
    assert found.missing == []
    assert found.facts["stack"] == "legacy"
    assert (found.facts["tfx"], found.facts["tensorflow-cpu"]) == ("1.16.0", "2.16.2")
    assert "1000.0 GB" in found.facts["free disk"]
    assert found.facts["free memory"] == "100.0 of 200.0 GB"


@pytest.mark.parametrize("package", diagnosis._PACKAGES)
def test_each_missing_package_is_named_with_the_mend(machine, package: str) -> None:
    found = machine({k: v for k, v in PINNED.items() if k != package})
    assert found.facts[package] == "missing"
    assert any(package in sentence and "make demo" in sentence for sentence in found.missing)
    assert len(found.missing) == (2 if package == "tfx" else 1)


def test_full_tensorflow_is_as_good(machine) -> None:
    packages = {k: v for k, v in PINNED.items() if k != "tensorflow-cpu"} | {"tensorflow": "2.21.0"}
    found = machine(packages)
    assert found.missing == []
    assert found.facts["tensorflow-cpu"] == "2.21.0"


@pytest.mark.parametrize(
    ("tfx", "name"), [("1.16.0", "legacy"), ("1.21.0", "current"), ("1.21.3", "current")]
)
def test_stacks(machine, tfx: str, name: str) -> None:
    assert machine({**PINNED, "tfx": tfx}).facts["stack"] == name
    assert stack.installed().name == name


@pytest.mark.parametrize("tfx", ["1.15.1", "1.2.1", "2.16.0"])
def test_unsupported_tfx(machine, tfx: str) -> None:
    (sentence,) = machine({**PINNED, "tfx": tfx}).missing
    assert sentence == f"a supported TFX (1.16 or 1.21), found {tfx}"


def test_little_disk_and_memory(machine) -> None:
    disk, memory = machine(PINNED, disk=2e8, memory=5e8).missing
    assert disk.startswith("free disk: 0.2 GB")
    assert memory.startswith("free memory: 0.5 GB")
