"""The local run without the pipeline: events, Beam's arguments, places, the supervisor."""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import settings
from pipelines.errors import TfxMobileError, UsageError
from pipelines.local import events, supervisor
from pipelines.local.layout import Layout

some_events = (
    st.builds(events.Planned, st.lists(st.text()))
    | st.builds(events.Started, st.text())
    | st.builds(events.Finished, st.text(), st.text())
    | st.builds(events.Failed, st.text(), st.integers(0, 255))
)


@given(st.lists(some_events))
def test_events_arrive_as_they_were_sent(sent: list[events.Event]) -> None:
    stream = io.StringIO()
    for event in sent:
        events.send(event, stream)
    lines = stream.getvalue().split("\n")[:-1]
    assert len(lines) == len(sent)
    assert [events.parse(line) for line in lines] == sent


def test_everything_lies_in_the_output_directory(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    places = [
        layout.data,
        layout.pipeline,
        layout.metadata,
        layout.serving,
        layout.report_json,
        layout.report_html,
        layout.log,
        layout.lock,
    ]
    assert all(place.parent == tmp_path for place in places)
    assert len(set(places)) == len(places)
    assert layout.report_json.name == "report.json"
    assert layout.report_html.name == "report.html"
    assert layout.serving.name == "serving"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "out")


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Gives the supervisor another program to start; `send(name, **values)` sends an event."""
    start = """
        import json, os, signal, sys, time
        stream = os.fdopen(int(sys.argv[1]), "w")
        def send(name, **values):
            print(json.dumps([name, values]), file=stream, flush=True)
    """

    def use(program: str) -> None:
        code = textwrap.dedent(start) + textwrap.dedent(program)
        monkeypatch.setattr(supervisor, "_START_WORKER", code)

    return use


def run(layout: Layout, **changes: object) -> list[events.Event]:
    seen: list[events.Event] = []
    supervisor.run(settings.Settings(**changes), layout, seen.append)  # type: ignore[arg-type]
    return seen


def failure(layout: Layout) -> TfxMobileError:
    with pytest.raises(TfxMobileError) as caught:
        run(layout)
    assert "\n" not in str(caught.value)
    return caught.value


def test_events_of_the_worker_are_passed_on(layout: Layout, worker) -> None:
    worker("""
        send("Planned", steps=["one"])
        send("Started", step="one")
        send("Finished", step="one", note="cached")
    """)
    assert run(layout) == [
        events.Planned(["one"]),
        events.Started("one"),
        events.Finished("one", "cached"),
    ]


def test_worker_gets_settings_and_place(layout: Layout, worker) -> None:
    worker("""
        job = json.loads(sys.stdin.readline())
        send("Started", step=json.dumps(job))
    """)
    (started,) = run(layout, name="mine")
    job = json.loads(started.step)  # type: ignore[union-attr]
    assert job["root"] == str(layout.root)
    assert settings.validate(job["settings"]) == settings.Settings(name="mine")


def test_output_of_the_worker_goes_to_the_log_and_stays(
    layout: Layout, worker, capfd: pytest.CaptureFixture[str]
) -> None:
    for word in ("first", "second"):
        worker(f"""
            print("{word} out", flush=True)
            os.system("echo {word} from a child >&2")
        """)
        run(layout)
    assert layout.log.read_text().split("\n") == [
        "first out",
        "first from a child",
        "second out",
        "second from a child",
        "",
    ]
    assert capfd.readouterr() == ("", "")


def test_failure_that_the_worker_explains(layout: Layout, worker) -> None:
    worker("""
        send("Started", step="data")
        send("Failed", message="no data found", exit_code=2)
        os._exit(1)
    """)
    error = failure(layout)
    assert (str(error), error.exit_code) == ("no data found", 2)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT", "SIGTERM"])
def test_worker_that_dies_by_a_signal(layout: Layout, worker, name: str) -> None:
    worker(f"""
        import resource
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        send("Started", step="trainer-lite")
        os.kill(os.getpid(), signal.{name})
    """)
    error = failure(layout)
    assert f"ended by signal {name}" in str(error)
    assert ("for lack of memory" in str(error)) == (name == "SIGKILL")
    assert str(layout.log) in str(error)
    assert error.exit_code == 1


def test_worker_that_ends_without_a_word(layout: Layout, worker) -> None:
    worker("os._exit(7)")
    error = failure(layout)
    assert "ended with code 7" in str(error)
    assert str(layout.log) in str(error)
    assert error.exit_code == 1


def test_worker_that_does_not_start(layout: Layout, worker) -> None:
    worker("import no_such_module")
    assert "ended with code 1" in str(failure(layout))
    assert "no_such_module" in layout.log.read_text()


def test_second_run_in_the_same_place_is_refused(layout: Layout, worker) -> None:
    worker("""
        send("Started", step=str(os.getpid()))
        time.sleep(60)
    """)
    refused: list[UsageError] = []

    def on_event(event: events.Event) -> None:
        with pytest.raises(UsageError, match="another run is using") as caught:
            run(layout)
        refused.append(caught.value)
        os.kill(int(event.step), signal.SIGKILL)  # type: ignore[union-attr]

    with pytest.raises(TfxMobileError, match="SIGKILL"):
        supervisor.run(settings.Settings(), layout, on_event)
    assert str(layout.root) in str(refused[0])
    assert refused[0].exit_code == 2
    worker("send('Started', step='again')")
    assert run(layout) == [events.Started("again")]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_interruption_ends_the_worker_and_what_it_started(
    layout: Layout, worker, signum: signal.Signals
) -> None:
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    worker("""
        import subprocess
        child = subprocess.Popen(["sleep", "60"])
        send("Started", step=str(child.pid))
        time.sleep(60)
    """)
    processes: list[psutil.Process] = []

    def on_event(event: events.Event) -> None:
        assert isinstance(event, events.Started)
        child = psutil.Process(int(event.step))
        processes.extend([child, *child.parents()[:1]])
        os.kill(os.getpid(), signum)

    start = time.monotonic()
    with pytest.raises(supervisor.Interrupted, match="goes on from the last finished component"):
        supervisor.run(settings.Settings(), layout, on_event)
    assert time.monotonic() - start < 5
    _, alive = psutil.wait_procs(processes, timeout=2)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []
    assert {s: signal.getsignal(s) for s in before} == before


def test_worker_that_ignores_being_told_is_killed(
    layout: Layout, worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_END_SECONDS", 0.3)
    worker("""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        send("Started", step=str(os.getpid()))
        time.sleep(60)
    """)
    pids: list[int] = []

    def on_event(event: events.Event) -> None:
        pids.append(int(event.step))  # type: ignore[union-attr]
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(supervisor.Interrupted):
        supervisor.run(settings.Settings(), layout, on_event)
    assert not psutil.pid_exists(pids[0])


def test_worker_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    # The worker's own watch on standard input, in a process that does nothing else.
    program = (
        "import time; from pipelines.local import worker; worker._end_with_supervisor("
        f"worker.Path({str(scratch)!r})); "
        "print('watching', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    with process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "watching\n"
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(timeout=10) == 1
    assert not scratch.exists()


def test_temporary_files_are_removed_however_the_worker_ends(
    layout: Layout, worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    worker("""
        import tempfile
        send("Started", step=tempfile.mkdtemp())
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    made: list[events.Event] = []
    with pytest.raises(TfxMobileError, match="SIGKILL"):
        supervisor.run(settings.Settings(), layout, made.append)
    (started,) = made
    assert Path(started.step).parent.parent == tmp_path  # type: ignore[union-attr]
    assert os.listdir(tmp_path) == ["out"]


def test_no_place_for_temporary_files(
    layout: Layout, worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker("send('Started', step='never')")
    monkeypatch.setattr(tempfile, "tempdir", "/proc/sys/kernel")
    error = failure(layout)
    assert "cannot write temporary files: " in str(error)
    assert error.exit_code == 2


def test_own_directory_called_modules_does_not_hide_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "__init__.py").write_text("raise RuntimeError('not ours')")
    (tmp_path / "mine.py").write_text("")
    program = supervisor._START_WORKER.replace("main()", "import modules, mine; print(modules)")
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(root / "modules") in done.stdout
