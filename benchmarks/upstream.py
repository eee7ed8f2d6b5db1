"""Upstream's MNIST example as TFX 1.15.1 ships it, in an environment of its own."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_SETUP = _HERE.parent / "requirements" / "setup.sh"
_BUILD_LOCK = _HERE.parent / "requirements" / "build.txt"
_LOCK = _HERE / "upstream.txt"
_PIPELINE = "mnist_native_keras"
_SCRIPT = "mnist_pipeline_native_keras.py"
_MODULES = ("mnist_utils_native_keras.py", "mnist_utils_native_keras_lite.py")
_ASK = """
import importlib.metadata, importlib.util, json, platform
names = ("tfx", "tensorflow", "apache-beam", "tensorflow-model-analysis")
versions = {"python": platform.python_version()}
versions |= {name: importlib.metadata.version(name) for name in names}
print(json.dumps([versions, importlib.util.find_spec("tfx").submodule_search_locations[0]]))
"""


class SetupError(RuntimeError):
    """Upstream's environment cannot be made here."""


@dataclasses.dataclass(frozen=True)
class Branch:
    """What one of its two branches left: the Evaluator's output and the pushed model."""

    evaluation: Path
    model: Path


@dataclasses.dataclass(frozen=True)
class Upstream:
    """An installed upstream.

    Attributes:
      python: Its interpreter.
      example: Directory of the example, inside the installed wheel.
      versions: Of Python and the packages that matter.
    """

    python: Path
    example: Path
    versions: dict[str, str]

    def command(self, home: Path, records: Path) -> list[str]:
        """Lays out `home` as the example's comments say, and what to run there.

        Args:
          home: To be `$HOME`: it reads `~/mnist` and writes `~/tfx`.
          records: TFRecord file with the examples.
        """
        data = home / "mnist" / "data"
        data.mkdir(parents=True)
        shutil.copy(records, data)
        for name in _MODULES:
            shutil.copy(self.example / name, home / "mnist")
        return [str(self.python), str(self.example / _SCRIPT)]

    def examples(self, home: Path) -> Path:
        """Its examples as it split them, two to one by hash: `Split-train` and `Split-eval`."""
        return newest(home / "tfx" / "pipelines" / _PIPELINE / "ImportExampleGen" / "examples")

    def branches(self, home: Path) -> dict[str, Branch]:
        """What a run left in `home`, by the names that our branches have."""
        runs = home / "tfx" / "pipelines" / _PIPELINE
        return {
            ours: Branch(
                evaluation=newest(runs / f"Evaluator.mnist{suffix}" / "evaluation"),
                model=newest(home / "mnist" / f"serving_model{suffix}" / _PIPELINE),
            )
            for ours, suffix in (("keras", ""), ("lite", "_lite"))
        }


def install() -> Upstream:
    """Makes the environment from its lock where it is not there yet.

    Raises:
      SetupError: No Python 3.10, or the installation failed.
    """
    digest = hashlib.sha256(_LOCK.read_bytes() + _BUILD_LOCK.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = cache / "tfx-mobile" / f"upstream-{digest}"
    python, stamp = directory / "bin" / "python", directory / "complete"
    if not stamp.exists():
        shutil.rmtree(directory, ignore_errors=True)
        _run(_python310(), "-m", "venv", "--without-pip", str(directory))
        uv = str(Path(sys.executable).parent / "uv")
        index = _index()
        strict = ["--quiet", "--python", str(python), "--require-hashes"]
        # As requirements/setup.sh does: what ships as source is built by the locked setuptools.
        _run(uv, "pip", "install", *strict, "--no-deps", "-r", str(_BUILD_LOCK), **index)
        _run(
            uv,
            "pip",
            "sync",
            *strict,
            "--no-build-isolation",
            "--compile-bytecode",
            str(_LOCK),
            **index,
        )
        stamp.touch()
    versions, package = json.loads(_run(str(python), "-c", _ASK))
    return Upstream(python, Path(package) / "examples" / "mnist", versions)


def newest(directory: Path) -> Path:
    """The newest of the numbered directories that TFX makes."""
    return max((d for d in directory.iterdir() if d.name.isdigit()), key=lambda d: int(d.name))


def _python310() -> str:
    """A Python 3.10; our legacy stack needs one too, so our set-up knows where to look."""
    choice = _run("sh", str(_SETUP), "--print-choice", TFX_MOBILE_STACK="legacy")
    match = re.search(r"Python 3\.10 at (.+?)\)", choice)
    if not match:
        raise SetupError(f"TFX 1.15.1 needs a Python 3.10, and there is none: {choice.strip()}")
    return match[1]


def _index() -> dict[str, str]:
    """What pip's configuration says, which uv does not read: the index of a host with a mirror."""
    if "UV_DEFAULT_INDEX" in os.environ or "UV_INDEX_URL" in os.environ:
        return {}
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    url = os.environ.get("PIP_INDEX_URL") or asked.stdout.strip()
    return {"UV_DEFAULT_INDEX": url} if url else {}


def _run(*command: str, **env: str) -> str:
    done = subprocess.run(
        command, env={**os.environ, **env}, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode != 0:
        raise SetupError(f"{' '.join(command)} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout
