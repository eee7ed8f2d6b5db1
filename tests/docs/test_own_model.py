"""The example of docs/your-own-model.md, in a folder and a shell that are in its way."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from modules.precedence import PACKAGES
from tests.docs import pages

pytestmark = pytest.mark.e2e

TFX_MOBILE = Path(sys.executable).with_name("tfx-mobile")
PAGE = (pages.ROOT / "docs" / "your-own-model.md").read_text(encoding="utf-8")
SHELL = {
    "KERAS_BACKEND": "torch",
    "TF_USE_LEGACY_KERAS": "0",
    "PYTHONWARNINGS": "error",
    "http_proxy": "http://127.0.0.1:9",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder with the example, and files called as others that a run imports."""
    made = tmp_path_factory.mktemp("a user's folder")
    for file, language in (("my_model.py", "python"), ("my_model.yaml", "yaml")):
        code = re.search(rf"^`{file}`.*?^```{language}\n(.*?)^```$", PAGE, re.M | re.S)
        (made / file).write_text(code[1], encoding="utf-8")
    for name in (*PACKAGES, "random", "queue", "runpy", "yaml", "keras"):
        (made / f"{name}.py").write_text("raise RuntimeError('not the right one')")
    return made


def tfx_mobile(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(TFX_MOBILE), *arguments, "--settings", "my_model.yaml"],
        cwd=folder,
        env={**os.environ, **SHELL},
        capture_output=True,
        text=True,
    )


def test_it_is_compiled(folder):
    done = tfx_mobile(folder, "compile", "--image", "registry.example/my-model:1.0.0")
    assert done.returncode == 0, done.stderr
    text = (folder / "pipeline.yaml").read_text()
    assert {"my_model.keras_run_fn", "my_model.lite_run_fn"} <= set(
        re.findall(r"my_model\.\w+", text)
    )


def test_it_runs(folder):
    done = tfx_mobile(folder, "run", "--output", "my-model", "--set", "training.steps=40")
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "my-model" / "report.json").read_text())
    assert list(report["branches"]) == ["keras", "lite", "lite-int8"]


@pytest.mark.parametrize(
    "command", [["compile", "--image", "a/b:1.0.0"], ["run", "--output", "out"]], ids=lambda c: c[0]
)
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("my_model.run", "the module 'my_model' has no function 'run'"),
        ("my_modell.run_fn", "there is no module 'my_modell'"),
    ],
)
def test_a_wrong_name_is_refused_before_any_work(folder, command, path, reason):
    done = tfx_mobile(folder, *command, "--set", f"preprocessing_fn={path}")
    assert done.returncode == 2
    assert done.stderr == f"tfx-mobile: preprocessing_fn is {path!r}, and {reason}\n"
    assert not (folder / "out").exists()


def test_python_without_docstrings_is_refused_where_tensorflow_is_loaded(folder, monkeypatch):
    monkeypatch.setitem(SHELL, "PYTHONOPTIMIZE", "2")
    done = tfx_mobile(folder, "compile", "--image", "a/b:1.0.0")
    assert done.returncode == 3
    assert done.stderr == (
        "tfx-mobile: PYTHONOPTIMIZE=2 drops docstrings, which TensorFlow reads: unset it\n"
    )
