"""The file of schedules, and the plan that is made from it."""

import dataclasses
import datetime
import itertools
from pathlib import Path
from typing import Any

import pytest

from kubeflow.schedules import file, plan
from kubeflow.schedules.file import Schedule
from kubeflow.schedules.plan import Create, Delete, Enable, Pause
from kubeflow.schedules.server import Existing, Wanted
from pipelines.errors import SettingsError

UTC = datetime.timezone.utc
NOW = datetime.datetime(2026, 11, 23, 17, 0, tzinfo=UTC)


def written(directory: Path, text: str) -> Path:
    path = directory / "schedules.yaml"
    path.write_text(text)
    return path


def test_file(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
schedules:
  - name: nightly
    cron: "0 0 3 * * *"
    parameters: {train_steps: 300}
  - {name: often, interval: 90m, enabled: false, catch_up: true, concurrency: 3}
""",
    )

    nightly, often = file.load(path)

    assert nightly == Schedule(name="nightly", cron="0 0 3 * * *", parameters={"train_steps": 300})
    assert (nightly.version, nightly.concurrency) == ("latest", 1)
    assert (nightly.catch_up, nightly.enabled) == (False, True)
    assert often.interval == datetime.timedelta(minutes=90)
    assert (often.catch_up, often.enabled, often.concurrency) == (True, False, 3)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("schedules: [", "not valid YAML"),
        ("[]", "a list under the key schedules"),
        ("schedules: {}", "a list under the key schedules"),
        ("schedules: []\nversion: 2", "'version', which is not known"),
        ("schedules: [nightly]", "schedule 1"),
        ("schedules: [{cron: '0 0 3 * * *'}]", "schedule number 1, name: Field required"),
        ("schedules: [{name: N, interval: 1h}]", "schedule N, name: String should match"),
        ("schedules: [{name: n}]", "schedule n: give either cron or interval"),
        ("schedules: [{name: n, cron: 0 0 3 * * *, interval: 1h}]", "either cron or interval"),
        ("schedules: [{name: n, cron: 0 3 * * *}]", r"schedule n, cron: .* '0 0 3 \* \* \*'"),
        ("schedules: [{name: n, cron: 0 0 3 31 2 *}]", r"'0 0 3 31 2 \*' never fires"),
        ("schedules: [{name: n, interval: 90}]", "number with its unit"),
        ("schedules: [{name: n, interval: 0h}]", "number with its unit"),
        ("schedules: [{name: n, interval: 1h, concurrency: 11}]", "less than or equal to 10"),
        ("schedules: [{name: n, interval: 1h, time_zone: Mars}]", "no time zone is called so"),
        ("schedules: [{name: n, interval: 1h, start: 2026-12-01T00:00:00}]", "has no zone"),
        (
            "schedules: [{name: n, interval: 1h, start: 2026-12-01T00:00:00Z, "
            "end: 2026-11-01T00:00:00Z}]",
            "end is not after start",
        ),
        ("schedules: [{name: n, interval: 1h, crom: x}]", "crom: is not known; known are name"),
        (
            "schedules: [{name: n, interval: 1h}, {name: n, interval: 2h}]",
            "two schedules named n",
        ),
    ],
)
def test_refusals(tmp_path: Path, text: str, problem: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(SettingsError, match=problem) as caught:
        file.load(path)

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        file.load(tmp_path / "none.yaml")


def first(schedule: Schedule, count: int = 2) -> list[str]:
    return [f"{t:%d. %H:%M}" for t in itertools.islice(schedule.times(NOW), count)]


def test_times_to_show() -> None:
    cron = {"name": "n", "cron": "0 0 3 * * *"}
    interval = {"name": "n", "interval": "6h"}

    assert first(Schedule(**cron)) == ["24. 03:00", "25. 03:00"]
    assert first(Schedule(**cron, time_zone="Asia/Seoul")) == ["24. 03:00", "25. 03:00"]
    assert first(Schedule(**cron, start="2026-11-25T03:00:00Z")) == ["26. 03:00", "27. 03:00"]
    assert first(Schedule(**cron, end="2026-11-24T12:00:00Z")) == ["24. 03:00"]
    assert first(Schedule(**interval)) == ["23. 23:00", "24. 05:00"]
    assert first(Schedule(**interval, start="2026-11-25T12:00:00Z")) == ["25. 12:00", "25. 18:00"]
    # A start in the past is where it counts from, not a reason to fire at once.
    assert first(Schedule(**interval, start="2026-01-01T01:00:00Z")) == ["23. 19:00", "24. 01:00"]


def test_start_time_that_kfp_is_told() -> None:
    """KFP counts it as a time at which the schedule fired."""
    past, future = "2026-01-01T01:00:00Z", "2026-11-25T12:00:00Z"

    def base(**schedule: Any) -> str:
        told = Schedule(name="n", **schedule).base(NOW)
        return f"{told:%Y-%m-%d %H:%M}" if told else ""

    assert base(cron="0 0 3 * * *") == base(cron="0 0 3 * * *", start=past) == ""
    assert base(cron="0 0 3 * * *", start=future) == "2026-11-25 12:00"
    assert base(cron="0 0 3 * * *", start=past, catch_up=True) == "2026-01-01 01:00"
    assert base(interval="6h") == ""
    assert base(interval="6h", start=past) == "2026-11-23 13:00"
    assert base(interval="6h", start=future) == "2026-11-25 06:00"
    assert base(interval="6h", start=past, catch_up=True) == "2025-12-31 19:00"


def wanted(name: str = "nightly", **schedule: Any) -> Wanted:
    values = {"cron": "0 0 3 * * *", **schedule}
    return Wanted(Schedule(name=name, **values), "pipeline", "", {}, "mnist", "")


def existing(
    made_from: Wanted | None = None, enabled: bool = True, number: int = 1, **changes: Any
) -> Existing:
    source = made_from or wanted()
    made = Existing(
        recurring_run_id=f"id-{number}",
        name=source.name,
        digest=source.digest if made_from else "",
        enabled=enabled,
        created=NOW + datetime.timedelta(minutes=number),
        pipeline_id="pipeline",
        version_id="",
        arguments={},
        cron=source.schedule.cron,
        interval=None,
        start=None,
        end=None,
        fields=source.fields,
        last=None,
    )
    return dataclasses.replace(made, **changes)


OLD, NEW = wanted(), wanted(cron="0 0 4 * * *")


def steps(new: Wanted, *found: Existing) -> list[Any]:
    (change,) = plan.plan([new], found, prune=False)
    return list(change.steps)


def test_first_time() -> None:
    assert steps(NEW) == [Create(NEW, enabled=True)]
    paused = wanted(enabled=False)
    assert steps(paused) == [Create(paused, enabled=False)]


def test_nothing_to_do() -> None:
    assert plan.plan([NEW], [existing(NEW)], prune=True) == [plan.Change("nightly", "same")]


def test_whether_it_fires_is_changed_in_place() -> None:
    on, off = existing(OLD), existing(OLD, enabled=False)

    assert steps(wanted(enabled=False), on) == [Pause(on)]
    assert steps(OLD, off) == [Enable(off)]


def test_replaced_so_that_no_two_fire_and_nothing_is_missing_if_it_is_ended() -> None:
    old = existing(OLD)

    (change,) = plan.plan([NEW], [old], prune=False)

    assert list(change.steps) == [Create(NEW, False, old), Pause(old), Enable(None), Delete(old)]
    assert change.kind == "replace"
    assert change.differences == {"when": ("0 0 3 * * *", "0 0 4 * * *")}


def test_replaced_by_a_paused_one() -> None:
    old = existing(OLD)
    new = wanted(cron="0 0 4 * * *", enabled=False)

    assert steps(new, old) == [Create(new, False, old), Pause(old), Delete(old)]


def test_a_paused_one_is_replaced_without_a_pause() -> None:
    old = existing(OLD, enabled=False)

    assert steps(NEW, old) == [Create(NEW, False), Enable(None), Delete(old)]


def test_ended_after_making_the_new_one() -> None:
    """The old one went on firing, and KFP would fire the new one for the same times at once."""
    old, left = existing(OLD), existing(NEW, enabled=False, number=2)

    assert steps(NEW, old, left) == [
        Delete(left),
        Create(NEW, False, old),
        Pause(old),
        Enable(None),
        Delete(old),
    ]


def test_ended_after_making_the_new_one_and_the_old_one_paused_by_hand_later() -> None:
    left = existing(NEW, enabled=False, number=2)
    old = existing(OLD, enabled=False, last=left.created + datetime.timedelta(hours=1))

    assert steps(NEW, old, left) == [Delete(left), Create(NEW, False), Enable(None), Delete(old)]


def test_ended_after_pausing_the_old_one() -> None:
    """What the new one missed since then nobody had, so it stays."""
    left = existing(NEW, enabled=False, number=2)
    old = existing(OLD, enabled=False, last=left.created - datetime.timedelta(hours=1))

    assert steps(NEW, old, left) == [Enable(left), Delete(old)]


def test_ended_before_deleting_the_old_one() -> None:
    old, left = existing(OLD, enabled=False), existing(NEW, number=2)

    assert steps(NEW, old, left) == [Delete(old)]


def test_the_old_one_was_resumed_beside_the_new_one() -> None:
    old, left = existing(OLD), existing(NEW, number=2)

    assert steps(NEW, old, left) == [Pause(old), Delete(old)]


def test_made_twice() -> None:
    one, two = existing(NEW), existing(NEW, number=2)

    assert steps(NEW, one, two) == [Pause(two), Delete(two)]


def test_what_is_in_the_file_no_longer() -> None:
    gone = existing(wanted("weekly"))

    (kept,) = plan.plan([], [gone], prune=False)
    (deleted,) = plan.plan([], [gone], prune=True)

    assert (kept.kind, list(kept.steps)) == ("unlisted", [])
    assert (deleted.kind, list(deleted.steps)) == ("delete", [Pause(gone), Delete(gone)])


def test_what_was_made_by_hand_is_left_alone() -> None:
    by_hand = existing()

    assert plan.plan([], [by_hand], prune=True) == []
    assert plan.made_by_hand([NEW], [by_hand]) == ["nightly"]


@pytest.mark.parametrize(
    "other",
    [
        wanted(interval="6h", cron=""),
        wanted(concurrency=2),
        wanted(catch_up=True),
        wanted(description="x"),
        wanted(start="2027-01-01T00:00:00Z"),
        dataclasses.replace(OLD, arguments={"train_steps": 1}),
        dataclasses.replace(OLD, version_id="v"),
        dataclasses.replace(OLD, pipeline_id="p"),
        dataclasses.replace(OLD, experiment="e"),
        dataclasses.replace(OLD, service_account="s"),
    ],
)
def test_what_makes_a_schedule_another_one(other: Wanted) -> None:
    assert other.digest != OLD.digest


def test_what_does_not() -> None:
    assert wanted(enabled=False, time_zone="Asia/Seoul").digest == OLD.digest
