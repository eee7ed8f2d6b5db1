"""What a command says whatever ends it, each in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.messages import describe, mask_secrets

ROOT = Path(__file__).resolve().parents[2]
RAISE = """
import sys
import click
from cli.main import main

class Formatted(Exception):
    def __str__(self):
        raise TypeError("no")

class OfNobody(BaseException):
    pass

def deep():
    return deep()

@main.command()
def fail():
    {statement}

sys.argv[0] = "tfx-mobile"
main()
"""
TRACE = "Traceback (most recent call last):\\n  File 'x.py', line 3\\nValueError: of the worker"
PASSWORD = "hunter2hunter2"
SENTENCES = {
    "raise ValueError('wrong')": "unexpected ValueError: wrong",
    "raise ValueError": "unexpected ValueError",
    "raise ValueError('  \\n\\nfirst\\nsecond')": "unexpected ValueError: first",
    f"raise RuntimeError({TRACE!r})".replace("\\\\n", "\\n"): (
        "unexpected ValueError: of the worker"
    ),
    "raise RuntimeError('x' * 10000)": f"unexpected RuntimeError: {'x' * 585}…",
    "{}['missing']": "unexpected KeyError: 'missing'",
    "raise MemoryError": "unexpected MemoryError",
    "deep()": "unexpected RecursionError: maximum recursion depth exceeded",
    "raise Formatted": "unexpected Formatted: TypeError: no",
    "raise OfNobody('ended')": "unexpected OfNobody: ended",
    "raise GeneratorExit": "unexpected GeneratorExit",
    "raise StopIteration": "unexpected StopIteration",
    "raise OSError(28, 'No space left on device', '/x')": (
        "unexpected OSError: [Errno 28] No space left on device: '/x'"
    ),
    "raise BrokenPipeError(32, 'Broken pipe')": (
        "unexpected BrokenPipeError: [Errno 32] Broken pipe"
    ),
    f"raise RuntimeError('http://ada:{PASSWORD}@host/x')": (
        "unexpected RuntimeError: http://***@host/x"
    ),
    "raise UnicodeEncodeError('ascii', 'é', 0, 1, 'no')": "unexpected UnicodeEncodeError: 'ascii'",
    "from pipelines import missing": "unexpected ImportError: cannot import name 'missing'",
}


def fail(
    statement: str, *options: str, state: Path, command: str = RAISE, **pipes: object
) -> subprocess.CompletedProcess[str]:
    code = command.replace("{statement}", statement)
    return subprocess.run(
        [sys.executable, "-c", code, *(options or ["fail"])],
        capture_output=not pipes,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(state)},
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=60,
        **pipes,  # type: ignore[call-overload]
    )


def sentence(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("tfx-mobile: ")
    return line.removeprefix("tfx-mobile: ")


@pytest.mark.parametrize("statement", SENTENCES)
def test_an_unexpected_error_is_one_sentence_and_a_trace_in_a_file(
    statement: str, tmp_path: Path
) -> None:
    line = sentence(fail(statement, state=tmp_path), 1)
    assert line.startswith(SENTENCES[statement])
    (file,) = (tmp_path / "tfx-mobile").iterdir()
    assert line.endswith(f"; the trace is in {file}")
    trace = file.read_text()
    assert "Traceback (most recent call last)" in trace
    assert "tfx-mobile" in trace
    assert PASSWORD not in trace
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.stat().st_size < 2 << 20


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have groups since Python 3.11")
def test_a_group_is_told_by_its_first_member(tmp_path: Path) -> None:
    statement = "raise ExceptionGroup('two', [ExceptionGroup('one', [ValueError('inner')])])"
    assert "unexpected ExceptionGroup: inner" in sentence(fail(statement, state=tmp_path), 1)


@pytest.mark.parametrize("options", [("--debug", "fail"), ("fail", "--debug")])
def test_debug_shows_the_trace(options: tuple[str, ...], tmp_path: Path) -> None:
    statement = f"raise ValueError('http://ada:{PASSWORD}@host')"
    # `fail` was added after the commands that take the option themselves.
    done = fail(statement, *options, state=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.splitlines()[-1] == (
        "tfx-mobile: unexpected ValueError: http://***@host; its trace is above"
    )
    assert PASSWORD not in done.stderr
    assert not list(tmp_path.iterdir())


def test_debug_keeps_the_exit_code(tmp_path: Path) -> None:
    statement = "from pipelines.errors import DataError; raise DataError('no data')"
    done = fail(statement, "--debug", "fail", state=tmp_path)
    assert done.returncode == 2
    assert "DataError: no data" in done.stderr
    assert done.stderr.splitlines()[-1] == "tfx-mobile: no data"


@pytest.mark.parametrize(
    ("statement", "code", "said"),
    [
        ("sys.exit(7)", 7, ""),
        ("raise click.exceptions.Exit(3)", 3, ""),
        ("raise click.ClickException('of click')", 1, "Error: of click\n"),
        ("raise click.UsageError('wrong')", 2, "Error: wrong"),
        ("raise click.Abort", 1, "Aborted!\n"),
        ("raise KeyboardInterrupt", 130, "tfx-mobile: interrupted\n"),
    ],
)
def test_what_is_no_error(statement: str, code: int, said: str, tmp_path: Path) -> None:
    done = fail(statement, state=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_ctrl_c(tmp_path: Path) -> None:
    code = RAISE.replace("{statement}", "import time; print('here', flush=True); time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-c", code, "fail"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "tfx-mobile: interrupted\n")


@pytest.mark.parametrize(
    ("statement", "options"),
    [
        ("click.echo('x' * 200000)", ["fail"]),
        ("print('x' * 200000)", ["fail"]),
        ("print('short')", ["fail"]),
        ("from cli import progress; progress.console().print('x' * 200000)", ["fail"]),
        ("", ["--help"]),
        ("", ["doctor"]),
    ],
)
def test_a_closed_pipe_ends_quietly(statement: str, options: list[str], tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as closed:
        done = fail(
            statement or "pass", *options, state=tmp_path, stdout=closed, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("statement", ["print('short')", "print('x' * 200000)"])
def test_a_full_disk_below_standard_output(statement: str, tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = fail(statement, state=tmp_path, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("tfx-mobile: ")
    assert "No space left on device" in line


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(closed: str, tmp_path: Path) -> None:
    """A file that the command opens does not get the number of one of the three."""
    statement = f"open({str(tmp_path / 'number')!r}, 'w').write(str(open('/dev/null').fileno()))"
    command = RAISE.replace("{statement}", f"{statement}; print('said')")
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" fail {closed}', sys.executable, command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int((tmp_path / "number").read_text()) > 2


def test_old_traces_are_removed(tmp_path: Path) -> None:
    directory = tmp_path / "tfx-mobile"
    directory.mkdir()
    for number in range(30):
        (directory / f"20200101-0000{number:02}-x.log").write_text("old")
    (directory / "notes.txt").write_text("mine")
    line = sentence(fail("raise ValueError", state=tmp_path), 1)
    assert line.rpartition("/")[2] in os.listdir(directory)
    assert len(list(directory.glob("*.log"))) == 20
    assert (directory / "notes.txt").exists()


def test_a_state_directory_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    line = sentence(fail("raise ValueError", state=tmp_path / "file"), 1)
    file = Path(line.partition("; the trace is in ")[2])
    assert file.read_text().count("ValueError") > 0
    file.unlink()


def test_an_environment_that_lacks_a_package(tmp_path: Path) -> None:
    for command in (
        "import sys; sys.modules['click'] = None; import cli.main",
        "import sys; sys.modules['rich'] = None; sys.argv = ['x', 'doctor']\n"
        "from cli.main import main; main()",
    ):
        line = sentence(fail("", state=tmp_path, command=command), 3)
        assert line.startswith("the environment lacks something (")
        assert line.endswith("): run make setup, then tfx-mobile doctor")


def test_the_installed_program(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("tfx-mobile")
    if not program.exists():
        pytest.skip("tfx-mobile is not installed beside the interpreter")
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    # The interpreter imports this module before anything else.
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys; sys.path.append({str(ROOT)!r})\n"
        "import pipelines.diagnosis\n"
        "def fail(): raise RuntimeError('of a test')\n"
        "pipelines.diagnosis.diagnose = fail\n"
    )
    done = subprocess.run(
        [program, "doctor"], capture_output=True, text=True, env=environment, check=False
    )
    assert "unexpected RuntimeError: of a test; the trace is in" in sentence(done, 1)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("http://ada:hunter2@host:80/x", "http://***@host:80/x"),
        ("postgres://ada@host", "postgres://***@host"),
        ("{'Authorization': 'Bearer abcdefghij'}", "{'Authorization': '***'}"),
        ("authorization: AWS4-HMAC-SHA256 Credential=a/b, Signature=c", "authorization: ***"),
        ("sent Bearer abcdefghij.klm there", "sent Bearer *** there"),
        ("Cookie: session=abc; other=d", "Cookie: ***"),
        ("X-Amz-Security-Token: abc", "X-Amz-Security-Token: ***"),
        ("/x?X-Amz-Signature=abc&y=1", "/x?X-Amz-Signature=***&y=1"),
        ("/x?access_token=abc&y=1", "/x?access_token=***&y=1"),
        ("AWS_SECRET_ACCESS_KEY=abc next", "AWS_SECRET_ACCESS_KEY=*** next"),
        ("{'password': 'abc', 'y': 1}", "{'password': '***', 'y': 1}"),
        ("the value is of-a-variable", "the value is ***"),
        # What looks alike.
        ("NoCredentialsError: Unable to locate credentials", None),
        ("set AWS_SECRET_ACCESS_KEY, or give a role", None),
        ("cluster.token_file: no such file", None),
        ("cannot read /run/token/file", None),
        ("pip install a@1.0 http://host/a@b", None),
    ],
)
def test_secrets_are_masked(text: str, masked: str | None) -> None:
    environ = {"MY_TOKEN": "of-a-variable", "TOKEN_PATH": "/run/token/file", "API_KEY": "set"}
    assert mask_secrets(text, environ) == (masked or text)


def test_a_trace_within_a_message_is_told_by_its_last_line() -> None:
    message = "Traceback (most recent call last):\n  File x\n    y()\nKeyError: 'z'\n"
    assert describe(RuntimeError(message)) == "KeyError: 'z'"


def test_a_trace_is_saved_fast_for_a_long_message(tmp_path: Path) -> None:
    start = time.monotonic()
    fail("raise ValueError('a=b://c ' * 300000)", state=tmp_path)
    assert time.monotonic() - start < 20
    (file,) = (tmp_path / "tfx-mobile").iterdir()
    assert file.stat().st_size < 2 << 20
