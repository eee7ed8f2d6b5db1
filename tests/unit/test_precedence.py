"""Our packages in an environment with other packages, folders and files of the same names."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from modules.precedence import PACKAGES, USER_FOLDERS

ROOT = Path(__file__).resolve().parents[2]
PRINT = (
    "import importlib; print(*(importlib.import_module(name).__file__ for name in "
    "('cli', 'kubeflow', 'kubeflow.names', 'modules', 'pipelines')), flush=True)"
)
"""`kubeflow.names` is a module that Kubeflow's SDK does not have."""

SPAWN = f"""
import multiprocessing
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(exec, ({PRINT!r}, {{}}))
"""
STANDARD = ("random", "queue", "multiprocessing", "runpy", "selectors")
"""Modules of Python that its own start does not load, and that these processes do."""


def python(venv: Path, *arguments: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [str(venv / "bin" / "python"), *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=60,
    )
    return done.stdout if done.returncode == 0 else done.stderr


def make_venv(directory: Path) -> Path:
    """An environment that sees the packages of this one, and our checkout after its own."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(directory)], check=True)
    site = next((directory / "lib").glob("python3*/site-packages"))
    (site / "__editable__.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT}\n")
    # As `pip install kubeflow` leaves it.
    (site / "kubeflow").mkdir()
    (site / "kubeflow" / "__init__.py").write_text("__version__ = '0.5.0'\n")
    (site / "kubeflow-0.5.0.dist-info").mkdir()
    (site / "kubeflow-0.5.0.dist-info" / "METADATA").write_text("Name: kubeflow\nVersion: 0.5.0\n")
    return directory


@pytest.fixture(scope="module")
def venv(tmp_path_factory) -> Path:
    """An environment with Kubeflow's SDK, where set-up gave our packages precedence."""
    made = make_venv(tmp_path_factory.mktemp("a user's") / "venv")
    script = str(ROOT / "modules" / "precedence.py")
    subprocess.run([str(made / "bin" / "python"), "-I", script], check=True)
    return made


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """A folder with packages called as ours are."""
    for name in PACKAGES:
        (tmp_path / "others" / name).mkdir(parents=True)
        (tmp_path / "others" / name / "__init__.py").write_text("raise RuntimeError('not ours')")
    return tmp_path / "others"


def expected() -> str:
    names = ("cli/__init__", "kubeflow/__init__", "kubeflow/names", *PACKAGES[2:])
    return " ".join(
        str(ROOT / (f"{name}.py" if "/" in name else f"{name}/__init__.py")) for name in names
    )


def test_without_it_the_sdk_hides_our_kubeflow(tmp_path: Path) -> None:
    said = python(make_venv(tmp_path / "venv"), "-c", PRINT, cwd=tmp_path)
    assert "No module named 'kubeflow.names'" in said


@pytest.mark.parametrize("where", ["environment", "PYTHONPATH", "current folder"])
@pytest.mark.parametrize("program", [PRINT, SPAWN], ids=["command", "multiprocessing"])
def test_our_packages_win(venv, others, tmp_path, program: str, where: str) -> None:
    path = {"PYTHONPATH": str(others)} if where == "PYTHONPATH" else {}
    cwd = others if where == "current folder" else tmp_path
    assert python(venv, "-c", program, cwd=cwd, **path).strip() == expected()


def test_our_modules_win_as_a_program(venv, others) -> None:
    said = python(venv, "-m", "kubeflow.adapter", "--help", cwd=others, PYTHONPATH=str(others))
    assert said.startswith("usage: python -m kubeflow.adapter")


@pytest.mark.parametrize("safe_path", ["", "1"], ids=["", "safe path"])
@pytest.mark.parametrize("program", [PRINT, SPAWN], ids=["command", "multiprocessing"])
def test_the_users_files_do_not_hide_pythons(venv, tmp_path, program, safe_path) -> None:
    for name in STANDARD:
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not of Python')")
    (tmp_path / "mine.py").write_text("print('mine')")
    said = python(
        *(venv, "-c", f"import queue, random, mine\n{program}"),
        cwd=tmp_path,
        PYTHONSAFEPATH=safe_path,
        **{USER_FOLDERS: str(tmp_path)},
    )
    assert said.split(maxsplit=1) == ["mine", f"{expected()}\n"]


def test_a_program_of_python_in_the_users_folder(venv, tmp_path: Path) -> None:
    (tmp_path / "runpy.py").write_text("raise RuntimeError('not of Python')")
    (tmp_path / "mine.py").write_text("import sys; print(sys.path)")
    folders = {USER_FOLDERS: os.pathsep.join(["/no/such folder", str(tmp_path)])}
    said = python(venv, "-m", "mine", cwd=tmp_path, **folders)
    assert said.startswith("[")
    assert said.index("site-packages") < said.index("/no/such folder") < said.index(str(tmp_path))


def test_other_programs_keep_the_current_folder_first(venv, tmp_path: Path) -> None:
    assert python(venv, "-c", "import json, sys; print([sys.path[0]])", cwd=tmp_path) == "['']\n"


def test_a_current_folder_that_is_gone(venv, tmp_path: Path) -> None:
    program = (
        "import os, subprocess, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); "
        "subprocess.run([sys.executable, '-c', 'print(1)'], check=True)"
    )
    folders = {USER_FOLDERS: str(tmp_path)}
    assert python(venv, "-c", program, cwd=tmp_path, **folders) == "1\n"
