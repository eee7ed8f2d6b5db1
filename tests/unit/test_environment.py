"""What the processes of a run get of the user's shell."""

import os
import subprocess
import sys

import pytest

from modules.precedence import USER_FOLDERS
from pipelines import environment

OURS = "localhost,127.0.0.1,::1"


@pytest.mark.parametrize(
    ("shell", "direct"),
    [
        ({}, OURS),
        ({"no_proxy": "a.example,.b"}, f"a.example,.b,{OURS}"),
        ({"no_grpc_proxy": "a.example", "no_proxy": "b"}, f"a.example,{OURS}"),
        ({"no_grpc_proxy": "", "no_proxy": "b"}, f"b,{OURS}"),
    ],
)
def test_our_processes_reach_each_other_without_a_proxy(shell, direct) -> None:
    made = environment.of_our_process({"http_proxy": "http://proxy", **shell})
    assert made["no_grpc_proxy"] == direct
    # What is meant for other programs stays as it is.
    assert made.get("no_proxy") == shell.get("no_proxy")
    assert made["http_proxy"] == "http://proxy"


def test_the_users_folders_are_the_current_one_and_those_that_were_told(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert environment.of_our_process({})[USER_FOLDERS] == str(tmp_path)
    told = environment.of_our_process({USER_FOLDERS: "/opt/user"})
    assert told[USER_FOLDERS] == f"{tmp_path}{os.pathsep}/opt/user"


def test_what_breaks_libraries_is_left_out() -> None:
    made = environment.of_our_process(
        {"PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error", "PYTHONPATH": "/mine"}
    )
    assert not {"PYTHONOPTIMIZE", "PYTHONWARNINGS"} & set(made)
    assert made["PYTHONPATH"] == "/mine"


@pytest.mark.parametrize("backend", ["torch", "nonsense"])
def test_keras_backend_of_the_shell_does_no_harm(backend: str, tmp_path) -> None:
    """What a configuration file in the home says does none either."""
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(f'{{"backend": "{backend}"}}')
    program = "import pipelines.environment, keras; print(keras.backend.backend())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "KERAS_BACKEND": backend, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "tensorflow\n", done.stderr
