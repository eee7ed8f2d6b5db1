"""A checkout as git makes it on Windows, where `core.autocrlf` is true."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the files that are here, committed or not."""
    is_git = (ROOT / ".git").exists()
    if not is_git and os.environ.get("CI") != "true":
        pytest.skip("these sources are no git checkout")
    directory = tmp_path_factory.mktemp("windows") / "checkout"
    directory.mkdir()
    run("git", "init", "--quiet", cwd=directory)
    run("git", "config", "core.autocrlf", "true", cwd=directory)
    for name in run("git", "ls-files", "-z", cwd=ROOT).split("\0")[:-1]:
        if (ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes((ROOT / name).read_bytes())
    run("git", "add", "--all", cwd=directory)
    for name in run("git", "ls-files", "-z", cwd=directory).split("\0")[:-1]:
        (directory / name).unlink()
    run("git", "checkout-index", "--all", cwd=directory)
    return directory


def test_every_file_is_as_it_is_here(checkout: Path) -> None:
    names = run("git", "ls-files", "-z", cwd=checkout).split("\0")[:-1]
    assert "requirements/setup.sh" in names
    other = [n for n in names if (checkout / n).read_bytes() != (ROOT / n).read_bytes()]
    assert other == []


def test_scripts_run(checkout: Path) -> None:
    said = run("sh", "requirements/setup.sh", "--print-choice", cwd=checkout)
    assert said.startswith("stack ")
    assert "make demo" in run("make", "help", cwd=checkout)
    scripts = list(checkout.rglob("*.sh"))
    assert len(scripts) > 1
    for script in scripts:
        run("sh", "-n", str(script), cwd=checkout)
