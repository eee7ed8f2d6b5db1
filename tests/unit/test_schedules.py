"""The file of schedules, and the plan that is made from it."""

import dataclasses
import datetime
import itertools
from pathlib import Path
from typing import Any

import pytest

from kubeflow.schedules import file, plan
from kubeflow.schedules.file import Schedule
from kubeflow.schedules.plan import Create, Delete, Enable, History, Pause
from kubeflow.schedules.recurring_run import RecurringRun, compare
from kubeflow.schedules.target import Target
from pipelines.errors import SettingsError

UTC = datetime.timezone.utc
NOW = datetime.datetime(2026, 11, 23, 17, 0, tzinfo=UTC)


def written(directory: Path, text: str) -> Path:
    path = directory / "schedules.yaml"
    path.write_text(text, encoding="utf-8")
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
        ("schedules: [{name: n, interval: 99999999d}]", "interval: is longer than 3650d"),
        ("schedules: [{name: n, interval: 3651d}]", "interval: is longer than 3650d"),
        (f"schedules: [{{name: n, interval: {'9' * 5000}s}}]", "interval: is longer than 3650d"),
        *(
            (f"schedules: [{{name: n, interval: 1h, {key}: {time}}}]", f"{key}: {problem}")
            for key in ("start", "end")
            for time, problem in (
                ("9999-12-31T23:59:59-12:00", "is not within the years 2000 to 2199"),
                ("0001-01-01T00:00:00+14:00", "is not within the years"),
                ("'1969-12-31T23:59:59Z'", "is not within the years"),
                ("2200-01-01T00:00:00Z", "is not within the years"),
                ("'99999-01-01T00:00:00Z'", "Input should be a valid datetime"),
                ("1764547200", "write a time with its zone"),
                ("'1764547200'", "write a time with its zone"),
                ("2026-12-01", "write a time with its zone"),
                ("yes", "takes a value, not yes or no"),
            )
        ),
        ("schedules: [{name: n, interval: 1h, concurrency: yes}]", "concurrency: takes a value"),
        ("schedules: [{name: n, interval: 1h, concurrency: 1.0e+23}]", "concurrency: "),
        ("schedules: [{name: 2024, interval: 1h}]", "2024 is read as a number; quote it: '2024'"),
        (
            "schedules: [{name: n, version: 1.10}]",
            r"version: 1\.10 is read as the number 1\.1; ",
        ),
        ("schedules:\n- {name: n, description: 12:30}", r"12:30 is read as the number 750; quote"),
        ("schedules:\n- {name: n, cron: 5}", "cron: 5 is read as a number; quote it"),
        ("schedules:\n- name: n\n  interval: 1h\n  name: m", "line 4: the key schedules.0.name"),
        ("schedules: []\nschedules: []", "line 2: the key schedules is there twice"),
        ("schedules: [{name: n, cron: * * * * * *}]", "quote a value that begins with a special"),
        ("\ufeffschedules: {}", "a list under the key schedules"),
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


@pytest.mark.parametrize("interval", ["3650d", "87600h", "5256000m", "315360000s"])
@pytest.mark.parametrize("start", ["2000-01-01T00:00:00+14:00", "2199-12-31T23:59:59-12:00"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_times_at_the_edges(tmp_path: Path, interval: str, start: str, zone: str) -> None:
    head = f"schedules:\n- name: n\n  start: {start}\n  time_zone: {zone}\n"
    (longest,) = file.load(written(tmp_path, f"{head}  interval: {interval}\n"))
    (yearly,) = file.load(written(tmp_path, f"{head}  cron: '0 0 0 29 2 *'\n"))

    assert longest.interval == datetime.timedelta(days=3650)
    for schedule in (longest, yearly):
        before = schedule.base(NOW)
        assert before is None or before.year > 1970
        assert schedule.start is not None
        for moment in itertools.islice(schedule.times(NOW), 3):
            assert moment >= max(NOW, schedule.start)


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


def target(name: str = "nightly", **schedule: Any) -> Target:
    values = {"cron": "0 0 3 * * *", **schedule}
    return Target(Schedule(name=name, **values), "pipeline", "", {}, "mnist", "", "experiment")


def made(source: Target, enabled: bool = True, number: int = 1, **changes: Any) -> RecurringRun:
    """A recurring run of a target, created some minutes before now."""
    schedule = source.schedule
    created = CREATED + datetime.timedelta(minutes=number)
    run = RecurringRun(
        recurring_run_id=f"id-{number}",
        name=source.name,
        digest=source.digest,
        description=schedule.description,
        enabled=enabled,
        created=created,
        pipeline_id="pipeline",
        version_id=source.version_id,
        experiment_id=source.experiment_id,
        service_account=source.service_account,
        arguments=dict(source.arguments),
        concurrency=schedule.concurrency,
        catch_up=schedule.catch_up,
        cron=schedule.cron,
        interval=schedule.interval,
        start=schedule.base(created),
        end=schedule.end,
    )
    return dataclasses.replace(run, **changes)


CREATED = NOW - datetime.timedelta(minutes=30)
OLD, NEW = target(), target(cron="0 0 4 * * *")
# Its last tick was between the two.
BUSY = target(cron="0 50 * * * *")


def steps(source: Target, *found: RecurringRun, history: History | None = None) -> list[Any]:
    (change,) = plan.compute_changes([source], found, NOW, history)
    return list(change.steps)


def kind(source: Target, *found: RecurringRun, history: History | None = None) -> str:
    (change,) = plan.compute_changes([source], found, NOW, history)
    return change.kind


def test_first_time() -> None:
    assert steps(NEW) == [Create(NEW)]
    assert steps(NEW, made(NEW, enabled=False)) == [Enable(made(NEW, enabled=False))]


def test_nothing_to_do() -> None:
    paused = target(enabled=False)

    assert kind(NEW, made(NEW)) == "same"
    assert kind(paused, made(paused, enabled=False)) == "same"


def test_whether_it_fires_is_changed_in_place() -> None:
    on, off = made(OLD), made(OLD, enabled=False)

    assert steps(target(enabled=False), on) == [Pause(on)]
    assert steps(OLD, off) == [Enable(off)]


def test_replaced_by_one_that_is_created_paused() -> None:
    old = made(OLD)

    (change,) = plan.compute_changes([NEW], [old], NOW)

    assert list(change.steps) == [Create(NEW, old)]
    assert change.kind == "replace"
    assert change.differences == {"when": ("0 0 3 * * *", "0 0 4 * * *")}


def test_taken_over_so_that_no_two_fire() -> None:
    old, new = made(OLD), made(NEW, enabled=False, number=2)

    assert steps(NEW, old, new) == [Pause(old), Enable(new), Delete(old)]


def test_replaced_by_a_paused_one() -> None:
    paused = target(cron="0 0 4 * * *", enabled=False)
    old, new = made(OLD), made(paused, enabled=False, number=2)

    assert steps(paused, old) == [Create(paused, old)]
    assert steps(paused, old, new) == [Pause(old), Delete(old)]


def test_a_paused_one_is_replaced_without_a_pause() -> None:
    old, new = made(OLD, enabled=False), made(NEW, enabled=False, number=2)

    assert steps(NEW, old) == [Create(NEW)]
    assert steps(NEW, old, new) == [Enable(new), Delete(old)]


def test_killed_after_creating_the_new_one() -> None:
    """The old one went on firing, and KFP would fire the new one for the same times at once."""
    old, stale = made(BUSY), made(NEW, enabled=False, number=2)

    assert steps(NEW, old, stale) == [Delete(stale), Create(NEW, old)]


def test_killed_after_creating_the_new_one_and_the_old_one_paused_by_hand_later() -> None:
    stale = made(NEW, enabled=False, number=2)
    old = made(OLD, enabled=False, last=stale.created + datetime.timedelta(minutes=9))

    assert steps(NEW, old, stale) == [Delete(stale), Create(NEW)]


def test_killed_after_pausing_the_old_one() -> None:
    """For what the new one missed since then no other one fired, so it stays."""
    new = made(NEW, enabled=False, number=2)
    old = made(BUSY, enabled=False, last=new.created - datetime.timedelta(hours=1))

    assert steps(NEW, old, new) == [Enable(new), Delete(old)]


def test_killed_before_deleting_the_old_one() -> None:
    old, new = made(OLD, enabled=False), made(NEW, number=2)

    assert steps(NEW, old, new) == [Delete(old)]


def test_the_old_one_was_resumed_beside_the_new_one() -> None:
    old, new = made(OLD), made(NEW, number=2)

    assert steps(NEW, old, new) == [Pause(old), Delete(old)]


def test_of_several_with_the_same_content_the_oldest_stays() -> None:
    """Everybody who sees them agrees, whoever created them."""
    one, two = made(NEW), made(NEW, number=2)
    assert steps(NEW, two, one) == [Pause(two), Delete(two)]

    one, two = made(NEW, enabled=False), made(NEW, enabled=False, number=2)
    assert steps(NEW, one, two) == [Delete(two), Enable(one)]

    # In the same second the ID decides.
    two = dataclasses.replace(two, created=one.created, recurring_run_id="id-0")
    assert steps(NEW, one, two) == [Delete(one), Enable(two)]


def test_the_oldest_goes_where_a_younger_one_fired_for_what_it_missed() -> None:
    one, two = made(BUSY, enabled=False), made(BUSY, number=2)

    assert steps(BUSY, one, two) == [Delete(one)]


def test_overtaken_by_another_content_that_was_created_later() -> None:
    old, own, rival = made(OLD), made(NEW, number=2), made(BUSY, number=3)
    history = History(frozenset({"id-1"}), {"id-2": NOW})

    assert kind(NEW, old, own, rival, history=history) == "overtaken"
    assert steps(NEW, old, own, rival, history=history) == [Pause(own), Delete(own)]
    assert kind(NEW, rival, history=history) == "overtaken"


def test_what_is_overtaken_enables_what_it_paused() -> None:
    """It may have paused the other one after that one looked for the last time."""
    rival = made(BUSY, enabled=False, number=3)
    history = History(frozenset(), {"id-2": NOW}, paused={"id-3"})

    assert steps(NEW, rival, history=history) == [Enable(rival)]
    assert steps(NEW, rival, history=History(frozenset(), {"id-2": NOW})) == []


def test_not_overtaken_by_one_that_was_created_before() -> None:
    rival, own = made(BUSY, enabled=False, number=2), made(NEW, enabled=False, number=3)
    history = History(frozenset(), {"id-3": NOW})

    assert steps(NEW, rival, own, history=history) == [Enable(own), Delete(rival)]


def test_overtaken_by_one_who_switches_it_back() -> None:
    off = made(NEW, enabled=False)

    assert kind(NEW, off, history=History(frozenset({"id-1"}), switched={"id-1"})) == "overtaken"


def test_what_is_not_in_the_file_any_more() -> None:
    gone = made(target("weekly"))

    (kept,) = plan.compute_removals([], [gone], prune=False)
    (deleted,) = plan.compute_removals([], [gone], prune=True)

    assert (kept.kind, list(kept.steps)) == ("unlisted", [])
    assert (deleted.kind, list(deleted.steps)) == ("delete", [Pause(gone), Delete(gone)])


def test_what_was_made_by_hand_is_left_alone() -> None:
    by_hand = made(OLD, digest="")

    assert plan.compute_removals([], [by_hand], prune=True) == []
    assert plan.find_made_by_hand([NEW], [by_hand]) == ["nightly"]


OTHERS = [
    target(interval="6h", cron=""),
    target(concurrency=2),
    target(catch_up=True),
    target(description="x"),
    target(start="2027-01-01T00:00:00Z"),
    target(end="2027-01-01T00:00:00Z"),
    dataclasses.replace(OLD, arguments={"train_steps": 1}),
    dataclasses.replace(OLD, version_id="v"),
    dataclasses.replace(OLD, experiment="e", experiment_id="e"),
    dataclasses.replace(OLD, service_account="s"),
]


@pytest.mark.parametrize("other", OTHERS)
def test_what_makes_a_schedule_another_one(other: Target) -> None:
    assert other.digest != OLD.digest
    assert len(compare(made(OLD), other, NOW)) == 1
    assert len(compare(made(other), OLD, NOW)) == 1


def test_what_does_not() -> None:
    assert target(enabled=False, time_zone="Asia/Seoul").digest == OLD.digest
    assert dataclasses.replace(OLD, pipeline_id="p").digest != OLD.digest


@pytest.mark.parametrize("source", [OLD, *OTHERS])
def test_the_mark_of_another_release_replaces_nothing(source: Target) -> None:
    marked = made(source, digest="0123456789ab")

    assert kind(source, marked) == "same"
    # As the server gives them back.
    floats = {name: float(value) for name, value in source.arguments.items()}
    assert kind(source, dataclasses.replace(marked, arguments=floats)) == "same"


def test_a_release_that_adds_a_field_changes_no_digest() -> None:
    class Later(Schedule):
        timeout: int = 0

    def digest(**values: Any) -> str:
        schedule = Later(name="nightly", cron="0 0 3 * * *", **values)
        return dataclasses.replace(OLD, schedule=schedule).digest

    assert digest() == OLD.digest == "8a9bfaade6ff"
    assert digest(timeout=3) != OLD.digest


def test_the_account_that_kfp_fills_in_is_none_of_ours() -> None:
    marked = made(OLD, digest="0123456789ab", service_account="pipeline-runner")

    assert kind(OLD, marked) == "same"
    named = dataclasses.replace(marked, service_account="runner")
    assert compare(named, OLD, NOW) == {"service account": ("runner", "KFP's default")}


def test_starts_with_the_same_effect() -> None:
    def same(schedule: Target, **changes: Any) -> bool:
        return not compare(made(schedule, digest="0123456789ab", **changes), schedule, NOW)

    often = target(cron="", interval="6h", start="2026-01-01T01:00:00Z")
    assert same(often)
    six = datetime.timedelta(hours=6)
    at_creation = often.schedule.base(CREATED)
    assert at_creation
    assert same(often, start=at_creation - six)
    assert not same(often, start=at_creation - datetime.timedelta(hours=1))
    # One that took over counts from the last run of its predecessor.
    assert same(target(cron="", interval="6h"), start=at_creation)
    assert not same(OLD, start=NOW + six)


@pytest.mark.parametrize(
    ("cron", "interval", "expected"),
    [
        ("0 3 * * *", 0, ["17:03:00", "18:03:00"]),
        ("@every 1h30m", 0, ["18:30:00", "20:00:00"]),
        ("@daily", 0, ["00:00:00", "00:00:00"]),
        ("nonsense", 0, []),
        ("", 0, []),
    ],
)
def test_times_of_what_was_made_by_hand(cron: str, interval: int, expected: list[str]) -> None:
    by_hand = made(OLD, digest="", cron=cron)

    found = itertools.islice(by_hand.times(NOW, UTC), 2)

    assert [f"{moment:%H:%M:%S}" for moment in found] == expected
    assert by_hand.missed(NOW) is False
    assert by_hand.when == (cron or "once")
