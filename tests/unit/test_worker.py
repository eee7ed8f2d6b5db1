"""The worker's judgement of settings and failures; real runs are in tests/pipeline."""

import contextlib
import errno
import io
import logging
import shutil
from pathlib import Path

import pytest

from modules.contract import ContractError
from pipelines.errors import DataError, GateRefusedError, SettingsError
from pipelines.local import events, nodes
from pipelines.local.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """The output directory of a run that has begun."""
    made = Layout(tmp_path / "out")
    made.root.mkdir()
    made.log.touch()
    return made


@pytest.mark.parametrize(
    ("error", "code"),
    [(DataError("no data"), 2), (GateRefusedError("refused"), 4), (SettingsError("wrong"), 2)],
)
def test_our_own_errors_keep_sentence_and_code(layout: Layout, error: Exception, code: int) -> None:
    assert nodes.failure(error, "data", layout.root, layout.log) == events.Failed(str(error), code)


def test_broken_contract_is_wrong_input(layout: Layout) -> None:
    failed = nodes.failure(
        ContractError("input 'x' matches no feature"), "trainer-lite", layout.root, layout.log
    )
    assert failed == events.Failed("trainer-lite: input 'x' matches no feature", 2)


def test_anything_else_names_step_error_and_log(layout: Layout) -> None:
    failed = nodes.failure(
        ValueError("first line\nsecond line"), "trainer-lite", layout.root, layout.log
    )
    assert failed == events.Failed(
        f"trainer-lite failed: ValueError: first line; the log is {layout.log}", 1
    )
    assert nodes.failure(ValueError(), "data", layout.root, layout.log).message.startswith(
        "data failed: ValueErr"
    )


def chained(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("ResourceExhausted: /out/x; No space left on device"),
        RuntimeError("(sqlite3) database or disk is full"),
        chained(RuntimeError("stage failed"), OSError(errno.ENOSPC, "No space left on device")),
    ],
)
def test_full_disk_however_it_is_told(layout: Layout, error: Exception) -> None:
    failed = nodes.failure(error, "transform", layout.root, layout.log)
    assert failed.exit_code == 2
    assert failed.message.startswith(f"the disk that holds {layout.root} is full: ")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("OOM when allocating tensor with shape[9,9]"),
        RuntimeError("std::bad_alloc"),
        chained(RuntimeError("stage failed"), MemoryError()),
    ],
)
def test_lack_of_memory_however_it_is_told(layout: Layout, error: Exception) -> None:
    failed = nodes.failure(error, "trainer-lite", layout.root, layout.log)
    assert failed.exit_code == 1
    assert failed.message.startswith("trainer-lite ran out of memory (")
    assert "--set local.lanes=1" in failed.message


def test_output_directory_that_was_removed_during_the_run(layout: Layout) -> None:
    shutil.rmtree(layout.root)
    error = FileNotFoundError(errno.ENOENT, "No such file or directory", str(layout.pipeline))
    failed = nodes.failure(error, "transform", layout.root, layout.log)
    assert failed == events.Failed(
        f"{layout.root}, or what is in it, was removed during the run: run again", 2
    )


@pytest.mark.parametrize(
    ("text", "advised"),
    [
        ("SavedModel file does not exist at: {0}/trainer/model/6/saved_model.pb", True),
        ("No files found based on the file pattern {0}/example-gen/1/*", True),
        ("[Errno 2] No such file or directory: '{0}/a'", True),
        ("{0}/a is no model", False),
        ("No such file or directory: '/other/pipeline/a'", False),
    ],
)
def test_artifact_that_was_removed(layout: Layout, text: str, advised: bool) -> None:
    error = OSError(text.format(layout.pipeline))
    failed = nodes.failure(error, "comparison", layout.root, layout.log)
    advice = f"; if something of {layout.pipeline} was removed, remove all of it and run again; "
    assert (advice in failed.message) == advised


def test_other_errors_of_the_operating_system_are_no_full_disk(layout: Layout) -> None:
    failed = nodes.failure(
        PermissionError(errno.EACCES, "Permission denied"), "data", layout.root, layout.log
    )
    assert failed.exit_code == 1


def test_components_are_reported_from_the_runners_log() -> None:
    stream = io.StringIO()
    reporter = nodes.Reporter(lambda event: events.send(event, stream))
    logger = logging.Logger("runner")
    logger.addHandler(nodes.ComponentHandler(reporter))
    logger.info("Component %s is running.", "transform")
    assert reporter.current == "transform"
    logger.info("Something else %s", "said")
    logger.info("Component %s is finished.", "transform")
    logger.info("Component %s is running.", "trainer-lite")
    logger.info("A cached execution %d is used.", 7)
    logger.info("Component %s is finished.", "trainer-lite")
    assert [events.parse(line) for line in stream.getvalue().splitlines()] == [
        events.Started("transform"),
        events.Finished("transform", ""),
        events.Started("trainer-lite"),
        events.Finished("trainer-lite", "cached"),
    ]


def test_steps_of_our_own_end_with_their_note() -> None:
    stream = io.StringIO()
    with nodes.Reporter(lambda event: events.send(event, stream)).step("data") as note:
        note.append("1,438 for training")
    with (
        pytest.raises(DataError),
        nodes.Reporter(lambda event: events.send(event, stream)).step("report"),
    ):
        raise DataError("gone")
    assert [events.parse(line) for line in stream.getvalue().splitlines()] == [
        events.Started("data"),
        events.Finished("data", "1,438 for training"),
        events.Started("report"),
    ]


def test_failure_is_told_although_the_log_is_on_a_full_disk(
    layout: Layout,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[events.Event] = []
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stderr", full)
        try:
            raise ValueError("no such thing")
        except ValueError as error:
            nodes.report_failure(error, nodes.Reporter(sent.append), layout.root, layout.log)
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()
    (failed,) = sent
    assert isinstance(failed, events.Failed)
    assert "no such thing" in failed.message
    assert "Traceback" in failed.trace
