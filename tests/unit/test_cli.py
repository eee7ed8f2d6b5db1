"""The commands, each in a process of its own as a person starts it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [
    "",
    "doctor",
    "data",
    "run",
    "compile",
    "upload",
    "submit",
    "runs",
    "schedule",
    "report",
]
HEAVY = {
    "apache_beam",
    "kfp",
    "ml_metadata",
    "numpy",
    "pandas",
    "PIL",
    "psutil",
    "requests",
    "scipy",
    "sklearn",
    "tensorflow",
    "tensorflow_model_analysis",
    "tensorflow_transform",
    "tf_keras",
    "tfx",
}
START = "import sys; sys.argv[0] = 'tfx-mobile'; from cli.main import main; main()"
LIST_MODULES = (
    "import atexit, sys; atexit.register(lambda: print("
    "'loaded:', *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)); "
)


def tfx_mobile(
    *arguments: object, cwd: Path | None = None, before: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", before + START, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd or ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=120,
    )


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    """What it said on standard error, which must be a line and no trace."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("tfx-mobile: ")
    return done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing_heavy(command: str) -> None:
    done = tfx_mobile(*command.split(), "-h" if command == "run" else "--help", before=LIST_MODULES)
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: tfx-mobile {command}".rstrip() + " ")
    loaded = set(done.stderr.split("loaded: ")[1].split())
    assert loaded.isdisjoint(HEAVY)
    if command not in ("run", "compile"):  # which list the settings
        assert "pydantic" not in loaded


def test_help_names_every_command_and_exit_code() -> None:
    text = tfx_mobile("--help").stdout
    for word in (*COMMANDS, "Exit codes: 0", "2 wrong usage", "3 the environment", "4 a quality"):
        assert word in text


def test_help_of_run_lists_every_setting_with_its_default() -> None:
    from pipelines import settings

    text = tfx_mobile("run", "--help").stdout
    for name, default, _ in settings.describe():
        assert f"{name}={default}" in text


def test_version() -> None:
    done = tfx_mobile("--version")
    assert done.returncode == 0
    assert "tfx-mobile, version 0." in done.stdout


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["run"], ["data"], ["report"], ["run", "--output", "x", "--nothing"]]
)
def test_wrong_usage(arguments: list[str], tmp_path: Path) -> None:
    done = tfx_mobile(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: tfx-mobile")
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.stpes=3", ["training.stpes", "did you mean 'training.steps'"]),
        ("branches=[keras, tflite]", ["branches.1", "'tflite'"]),
    ],
)
def test_wrong_setting(tmp_path: Path, override: str, words: list[str]) -> None:
    done = tfx_mobile("run", "--output", "out", "--set", override, cwd=tmp_path)
    line = one_line(done, 2)
    assert all(word in line for word in words)
    assert os.listdir(tmp_path) == []


def test_missing_settings_file(tmp_path: Path) -> None:
    done = tfx_mobile("run", "--output", "out", "--settings", "mine.yaml", cwd=tmp_path)
    assert "cannot read the settings file mine.yaml" in one_line(done, 2)
    assert os.listdir(tmp_path) == []


def test_output_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    line = one_line(tfx_mobile("run", "--output", "out", cwd=tmp_path), 2)
    assert f"cannot write to the output directory {tmp_path / 'out'}" in line


def test_debug_shows_the_trace(tmp_path: Path) -> None:
    done = tfx_mobile("--debug", "run", "--output", "out", "--set", "zzz=1", cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback (most recent call last)" in done.stderr
    assert "SettingsError: unknown setting 'zzz'" in done.stderr


@pytest.mark.parametrize("name", [".", "missing"])
def test_report_without_a_run(tmp_path: Path, name: str) -> None:
    line = one_line(tfx_mobile("report", name, cwd=tmp_path), 2)
    assert f"no finished run in {(tmp_path / name).resolve()}" in line
    assert "tfx-mobile run --output" in line
    assert os.listdir(tmp_path) == []


def test_data_from_digits(tmp_path: Path) -> None:
    done = tfx_mobile("data", "--source", "digits", "--output", "a b/set", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    name = json.loads((tmp_path / "a b" / "set" / "dataset.json").read_text())["name"]
    directory = tmp_path / "a b" / "set" / "datasets" / name
    manifest = json.loads((directory / "manifest.json").read_text())
    assert manifest["source"] == "digits"
    for words in ("1,438 examples for training", "359 for evaluation", "a b/set"):
        assert words in done.stdout
    assert f"fingerprint {manifest['fingerprint'][:12]}" in done.stdout
    for split, count in (("train", 1438), ("eval", 359)):
        assert (directory / split / "data.tfrecord.gz").is_file()
        assert manifest["examples"][split]["count"] == count


@pytest.mark.parametrize(
    ("options", "evaluation"),
    [
        ([], "539 for evaluation"),
        (["--set", "data.eval_fraction=0.4"], "719 for evaluation"),
        (["--set", "data.eval_fraction=0.4", "--eval-fraction", "0.2"], "359 for evaluation"),
    ],
)
def test_data_takes_settings(tmp_path: Path, options: list[str], evaluation: str) -> None:
    (tmp_path / "mine.yaml").write_text("data: {source: digits, eval_fraction: 0.3}\n")
    arguments = ["data", "--settings", "mine.yaml", "--output", "set", *options]
    done = tfx_mobile(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert evaluation in done.stdout


@pytest.mark.parametrize("command", ["data", "run"])
def test_a_missing_task_is_told_before_any_work(tmp_path: Path, command: str) -> None:
    done = tfx_mobile(command, "--output", "set", "--set", "task=my_task.TASK", cwd=tmp_path)
    assert one_line(done, 2) == (
        "tfx-mobile: task is 'my_task.TASK', and there is no module 'my_task'\n"
    )
    assert os.listdir(tmp_path) == []


def test_data_of_another_task_than_the_named_one(tmp_path: Path) -> None:
    (tmp_path / "my_task.py").write_text(
        "from modules.task import Feature, Regression, Task\n\n"
        "TASK = Task('height', (Feature('age'),), 'height', Regression('cm'))\n"
    )
    arguments = ["data", "--source", "digits", "--output", "set", "--set", "task=my_task.TASK"]
    assert "my_task.TASK" in one_line(tfx_mobile(*arguments, cwd=tmp_path), 2)
    assert not (tmp_path / "set").exists()


def test_data_from_nowhere(tmp_path: Path) -> None:
    done = tfx_mobile("data", "--source", "nowhere", "--output", "set", cwd=tmp_path)
    assert f"there is no data at {tmp_path / 'nowhere'}" in one_line(done, 2)
    assert os.listdir(tmp_path) == []


def test_data_into_a_foreign_directory(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = tfx_mobile("data", "--source", "digits", "--output", tmp_path)
    assert f"{tmp_path} holds mine.txt, which is no dataset of tfx-mobile" in one_line(done, 2)
    assert os.listdir(tmp_path) == ["mine.txt"]


@pytest.mark.parametrize("fraction", ["0", "1", "-0.1", "1.5", "half"])
def test_fraction_out_of_range(tmp_path: Path, fraction: str) -> None:
    arguments = ["data", "--source", "digits", "--output", "set", "--eval-fraction", fraction]
    done = tfx_mobile(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert re.search(r"eval.fraction", done.stderr)
    assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == []


def test_doctor() -> None:
    done = tfx_mobile("doctor", before=LIST_MODULES)
    assert done.returncode in {0, 3}  # 3 where memory or disk is short
    assert (done.returncode == 3) == ("missing: " in done.stderr)
    for words in ("interpreter", sys.executable, "stack", "tfx", "free disk", "free memory"):
        assert words in done.stdout
    loaded = set(done.stderr.split("loaded: ")[1].split())
    assert loaded.isdisjoint(HEAVY - {"psutil"})


def test_doctor_says_what_is_missing() -> None:
    hide = """
import importlib.metadata as metadata
real = metadata.version
def version(name):
    if name in ("tfx", "kfp"):
        raise metadata.PackageNotFoundError(name)
    return real(name)
metadata.version = version
"""
    done = tfx_mobile("doctor", before=hide)
    assert done.returncode == 3
    missing = done.stderr.splitlines()
    assert all(line.startswith("missing: ") for line in missing)
    assert sum("the package tfx" in line for line in missing) == 1
    assert sum("the package kfp" in line for line in missing) == 1
    assert sum("a supported TFX" in line for line in missing) == 1
    assert "nothing is missing" not in done.stdout
    assert "Traceback" not in done.stderr
