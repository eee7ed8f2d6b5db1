"""Every command on a terminal, and with a locale, that has no UTF-8."""

import contextlib
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.test_cli import ROOT, START

WITHOUT_UTF8 = {
    "C": {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "LANG": "C"},
    "POSIX": {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "POSIX"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1:strict"},
}
EVENTS = """
from cli import progress, terminal
from pipelines.local import events
terminal.replace_what_cannot_be_shown()
console = progress.console()
with progress.Steps(console) as steps:
    for event in (
        events.Planned(["data", "training", "report"]),
        events.Started("data"),
        events.Finished("data", "/\\uc790\\ub8cc"),
        events.Started("training"),
        events.Finished("training"),
    ):
        steps.on_event(event)
console.print("5 \\u00b5s, \\udcff")
"""


def environment(name: str, home: Path) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("LC_")}
    fixed = {"PYTHONPATH": str(ROOT), "COLUMNS": "120", "TERM": "xterm", "HOME": str(home)}
    return {**inherited, **fixed, **WITHOUT_UTF8[name]}


def run(
    arguments: Sequence[str | bytes], name: str, directory: Path
) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run(
        [sys.executable, "-c", START, *arguments],
        capture_output=True,
        cwd=directory,
        env=environment(name, directory),
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=120,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    assert b"UnicodeEncodeError" not in done.stderr, done.stderr
    return done


def on_a_terminal(program: str, name: str, directory: Path) -> bytes:
    """What a program writes on a terminal, which has to end well."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        cwd=directory,
        env=environment(name, directory),
    )
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # Linux's answer where the other end is closed
        while block := os.read(leader, 65536):
            shown += block
    os.close(leader)
    assert process.wait(timeout=60) == 0, shown
    return shown


@pytest.mark.parametrize("name", WITHOUT_UTF8)
def test_progress_on_a_terminal(name: str, tmp_path: Path) -> None:
    shown = on_a_terminal(EVENTS, name, tmp_path)
    encoding = "latin-1" if name == "latin-1" else "ascii"
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode(encoding))
    assert "/??" in text
    assert "v training" in text
    assert ". report" in text
    assert ("5 \u00b5s, ?" if encoding == "latin-1" else "5 ?s, ?") in text


@pytest.mark.parametrize("name", ["C", "latin-1"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["run", "--help"], 0),
        (["doctor"], None),
        (["run", "--output", "out", "--set", "cluster.host=\uc790\ub8cc"], 2),
        (["run", "--output", "out", "--set", "zzz=1"], 2),
        (["data", "--source", "nowhere-\uc790\ub8cc", "--output", "set"], 2),
        (["compile", "--image", "\uc790\ub8cc"], 2),
        (["upload", "\uc790\ub8cc.yaml"], 2),
        (["report", "\uc790\ub8cc"], 2),
        (["schedule", "diff", "--file", "\uc790\ub8cc.yaml"], 2),
        (["runs", "show", "\uc790\ub8cc"], 2),
        (["data", "ls", "\uc790\ub8cc"], 2),
        (["\uc790\ub8cc"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_commands(name: str, arguments: list[str], code: int | None, tmp_path: Path) -> None:
    done = run([argument.encode() for argument in arguments], name, tmp_path)
    assert done.returncode in ((0, 3) if code is None else (code,)), done.stderr


def test_settings_in_utf8_whatever_the_locale(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text("cluster: {context: größe}\nzzz: 1", encoding="utf-8")
    done = run(["run", "--output", "out", "--settings", "settings.yaml"], "C", tmp_path)
    assert b"unknown setting 'zzz'" in done.stderr


@pytest.mark.parametrize("option", ["--output", "--source"])
def test_path_that_is_not_utf8(option: str, tmp_path: Path) -> None:
    paths = {"--output": b"set", "--source": b"digits", option: b"no\xff"}
    arguments = [part for pair in paths.items() for part in pair]
    done = run(["data", *arguments], "ascii", tmp_path)
    assert done.returncode == 2
    assert b"is not UTF-8 in this locale: rename it" in done.stderr
    assert b"no\\udcff" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_datasets(tmp_path: Path) -> None:
    for arguments in (
        ["data", "--source", "digits", "--output", "set"],
        ["data", "push", "set", "pushed"],
        ["data", "ls", "pushed"],
        ["data", "prune", "pushed"],
    ):
        assert run(arguments, "C", tmp_path).returncode == 0


def test_what_a_model_prints_needs_no_terminal_for_it(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("print('\ud559\uc2b5')\n", encoding="utf-8")
    setting = "preprocessing_fn=own.missing"
    arguments = ["run", "--output", "out", "--data", "digits", "--set", setting]
    done = run(arguments, "C", tmp_path)
    assert done.returncode == 2
    assert b"own" in done.stderr
