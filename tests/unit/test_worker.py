"""The worker's judgement of settings and failures; real runs are in tests/pipeline."""

import contextlib
import errno
import io
import logging
from pathlib import Path

import pytest

from modules.contract import ContractError
from pipelines import settings
from pipelines.errors import DataError, GateRefusedError, SettingsError
from pipelines.local import events, nodes, worker
from pipelines.local.layout import Layout

LAYOUT = Layout(Path("/out"))


@pytest.fixture
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_ok.py").write_text("def run_fn(fn_args): ...\nvalue = 3\n")
    (tmp_path / "mine_needs.py").write_text("import no_such_library\n")
    (tmp_path / "mine_package").mkdir()
    (tmp_path / "mine_package" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))


def with_run_fn(path: str) -> settings.Settings:
    return settings.validate({"branches": ["keras", {"name": "lite", "run_fn": path}]})


def test_default_functions_are_there() -> None:
    branches = list(settings.PRESET_BRANCHES)
    worker._check_functions(settings.validate({"branches": branches}))


@pytest.mark.usefixtures("own_modules")
def test_own_run_fn() -> None:
    worker._check_functions(with_run_fn("mine_ok.run_fn"))


@pytest.mark.usefixtures("own_modules")
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("mine_ok.train", "the module 'mine_ok' has no function 'train'"),
        ("mine_ok.value", "the module 'mine_ok' has no function 'value'"),
        ("missing.run_fn", "there is no module 'missing'"),
        ("missing.model.run_fn", "there is no module 'missing.model'"),
        ("mine_package.model.run_fn", "there is no module 'mine_package.model'"),
        ("mine_ok.model.run_fn", "there is no module 'mine_ok.model'"),
    ],
)
def test_module_without_run_fn(path: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        worker._check_functions(with_run_fn(path))
    message = str(caught.value)
    assert message.startswith(f"the run_fn of branch 'lite' is {path!r}")
    assert reason in message
    assert "\n" not in message


@pytest.mark.usefixtures("own_modules")
def test_library_that_a_module_lacks_is_not_blamed_on_the_setting() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        worker._check_functions(with_run_fn("mine_needs.run_fn"))


def test_unknown_preprocessing_fn() -> None:
    with pytest.raises(SettingsError, match=r"^preprocessing_fn is 'a\.b', and there is no module"):
        worker._check_functions(settings.validate({"preprocessing_fn": "a.b"}))


@pytest.mark.parametrize(
    ("error", "code"),
    [(DataError("no data"), 2), (GateRefusedError("refused"), 4), (SettingsError("wrong"), 2)],
)
def test_our_own_errors_keep_sentence_and_code(error: Exception, code: int) -> None:
    assert nodes.failure(error, "data", LAYOUT.root, LAYOUT.log) == events.Failed(str(error), code)


def test_broken_contract_is_wrong_input() -> None:
    failed = nodes.failure(
        ContractError("input 'x' matches no feature"), "trainer-lite", LAYOUT.root, LAYOUT.log
    )
    assert failed == events.Failed("input 'x' matches no feature", 2)


def test_anything_else_names_step_error_and_log() -> None:
    failed = nodes.failure(
        ValueError("first line\nsecond line"), "trainer-lite", LAYOUT.root, LAYOUT.log
    )
    assert failed == events.Failed(
        "trainer-lite failed: ValueError: first line; the log is /out/run.log", 1
    )
    assert nodes.failure(ValueError(), "data", LAYOUT.root, LAYOUT.log).message.startswith(
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
def test_full_disk_however_it_is_told(error: Exception) -> None:
    failed = nodes.failure(error, "transform", LAYOUT.root, LAYOUT.log)
    assert failed.exit_code == 2
    assert failed.message.startswith("the disk that holds /out is full: ")


def test_other_errors_of_the_operating_system_are_no_full_disk() -> None:
    failed = nodes.failure(
        PermissionError(errno.EACCES, "Permission denied"), "data", LAYOUT.root, LAYOUT.log
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
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[events.Event] = []
    with open("/dev/full", "w") as full:
        monkeypatch.setattr("sys.stderr", full)
        try:
            raise ValueError("no such thing")
        except ValueError as error:
            nodes.report_failure(error, nodes.Reporter(sent.append), LAYOUT.root, LAYOUT.log)
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()
    (failed,) = sent
    assert isinstance(failed, events.Failed)
    assert "no such thing" in failed.message
    assert "Traceback" in failed.trace
