"""What `doctor` finds."""

import importlib.metadata
import os
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path

import psutil
import pytest

from pipelines import diagnosis, shadowing, stack

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


def test_the_lock_is_what_is_installed_here() -> None:
    """In the environment of set-up; a `pip install` may change what another package needs."""
    assert stack.differing_from_lock(stack.installed().name) == []
    assert stack.differing_from_lock("unknown") == []


def test_a_package_that_is_not_the_locked_one_is_named(machine) -> None:
    (warning,) = [w for w in machine(PINNED).warnings if "instead of" in w]
    assert warning.startswith("this environment has absl-py missing instead of ")
    assert warning.endswith(f"remove {sys.prefix} and run `make demo`, which makes it anew")
    assert len(warning) < 500


def doctor(cwd: Path, **variables: str) -> list[str]:
    """The warnings of the command in a shell with these variables, and what is missing."""
    environ = {n: v for n, v in os.environ.items() if not n.lower().endswith("_proxy")}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("tfx-mobile")), "doctor"],
        env={**environ, "PYTHONPATH": "", **variables},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.splitlines()


def test_a_plain_shell_has_no_warning(tmp_path: Path) -> None:
    assert doctor(tmp_path) == []


@pytest.mark.parametrize(
    ("variables", "warning"),
    [
        ({"KERAS_BACKEND": "torch"}, "KERAS_BACKEND is torch, and tfx-mobile uses tensorflow"),
        ({"TF_USE_LEGACY_KERAS": "0"}, "TF_USE_LEGACY_KERAS is 0, and tfx-mobile uses 1"),
        ({"PYTHONOPTIMIZE": "2"}, "PYTHONOPTIMIZE is 2, which breaks libraries: unset it"),
    ],
)
def test_variables_that_do_harm_are_named(tmp_path, variables, warning: str) -> None:
    assert doctor(tmp_path, **variables) == [f"warning: {warning}"]


def test_what_shadows_and_what_is_shadowed_is_named(tmp_path: Path) -> None:
    for name in ("kubeflow", "numpy", "mine"):
        (tmp_path / "path" / name).mkdir(parents=True)
        (tmp_path / "path" / name / "__init__.py").write_text("")
    (tmp_path / "modules.py").write_text("")
    assert doctor(tmp_path, PYTHONPATH=str(tmp_path / "path")) == [
        *(
            f"warning: {tmp_path}/{file} cannot be imported here, because tfx-mobile has a package "
            "of that name"
            for file in ("path/kubeflow/__init__.py", "modules.py")
        ),
        f"warning: {tmp_path}/path, of PYTHONPATH most likely, hides numpy of this environment: "
        "unset PYTHONPATH",
    ]


def test_our_own_package_that_is_hidden_is_missing(machine, monkeypatch) -> None:
    """As in an environment that an older set-up made."""
    monkeypatch.setattr(shadowing, "hiding_ours", lambda: [("kubeflow", "/x/kubeflow.py")])
    assert machine(PINNED).missing == [
        "our own package kubeflow, which Python finds in /x/kubeflow.py: run "
        "`sh requirements/setup.sh`"
    ]


def test_our_packages_are_found_here_unless_something_hides_them(monkeypatch, tmp_path) -> None:
    assert shadowing.hiding_ours() == []
    (tmp_path / "cli.py").write_text("")
    monkeypatch.setattr(sys, "meta_path", [PathFinder])
    monkeypatch.delitem(sys.modules, "cli", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert shadowing.hiding_ours() == [("cli", str(tmp_path / "cli.py"))]
