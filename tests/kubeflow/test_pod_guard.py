"""What processes in pods say when an error comes that nobody expected."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "hunter2hunter2"
ADDRESS = f'{{"uri": "http://ada:{PASSWORD}@host"'
ADAPTER = [
    *("--task", "trainer", "--executor_class_path", "x.Y"),
    *("--json_serialized_inputs_spec_args", "{}", "--json_serialized_invocation_args"),
]


@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        ("adapter", [*ADAPTER, ADDRESS], "unexpected JSONDecodeError: Expecting "),
        ("adapter", [*ADAPTER, "{}"], "unexpected KeyError: 'outputs'"),
        ("adapter", [*ADAPTER, "[]"], "unexpected TypeError: "),
        ("fingerprint", [ADDRESS], "unexpected JSONDecodeError: Expecting "),
        ("fingerprint", ["{}"], "unexpected KeyError: 'inputs'"),
        ("fingerprint", [], "unexpected IndexError: "),
    ],
)
def test_the_trace_and_then_one_sentence(module: str, arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"kubeflow.{module}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    first, *_, last = done.stderr.splitlines()
    assert first == "Traceback (most recent call last):"
    assert last.startswith(f"tfx-mobile: {said}")
    assert PASSWORD not in done.stderr


def test_a_password_in_a_message(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from kubeflow import pod_guard\nwith pod_guard.explained():\n"
            f"    raise RuntimeError('first http://ada:{PASSWORD}' + '@host\\nsecond')",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    last = done.stderr.splitlines()[-1]
    assert last == "tfx-mobile: unexpected RuntimeError: first http://***@host"
    assert PASSWORD not in done.stderr
