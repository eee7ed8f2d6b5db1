"""Real runs of the command, shared by the tests of a session."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.local.layout import Layout

MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"
COMMAND = [str(Path(sys.executable).with_name("tfx-mobile")), "run"]


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished `tfx-mobile run`."""

    layout: Layout
    arguments: list[str]
    completed: subprocess.CompletedProcess[str]

    @property
    def report(self):
        return json.loads(self.layout.report_json.read_text())

    def artifact(self, component: str, output: str) -> Path:
        """The newest artifact of one output."""
        return max(
            (self.layout.pipeline / component / output).iterdir(), key=lambda path: int(path.name)
        )


def run(output: Path, *arguments: str, cwd: Path | None = None) -> Run:
    arguments = ["--output", str(output), *arguments]
    completed = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=cwd)
    return Run(Layout(Path(os.path.realpath(output))), arguments, completed)


def steps(stdout: str) -> dict[str, str]:
    """What the plain progress lines say of each finished step."""
    lines = [line.split(maxsplit=3) for line in stdout.split("\n\n")[0].splitlines()]
    return {words[0]: words[3] if len(words) > 3 else "" for words in lines}


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory) -> Run:
    """The default pipeline on the bundled digits, in a path with a space."""
    made = run(tmp_path_factory.mktemp("a run") / "digits", "--data", "digits")
    assert made.completed.returncode == 0, made.completed.stderr
    return made


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The directory of real MNIST images; CI must have it."""
    if not MNIST.is_dir() and os.environ.get("CI") != "true":
        pytest.skip("the real MNIST images (../shared/data/mnist) are not beside this checkout")
    assert MNIST.is_dir(), "CI needs the real MNIST images in ../shared/data/mnist"
    return MNIST
