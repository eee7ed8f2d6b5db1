"""`tfx-mobile schedule` against a server; tests/unit/test_schedules.py has the plans."""

import datetime
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kfp
import pytest

from kubeflow.client import connection, pipelines
from kubeflow.schedules import apply
from kubeflow.schedules import server as schedules_server
from kubeflow.schedules.file import Schedule
from kubeflow.schedules.target import resolve
from pipelines import settings
from tests.kubeflow.client.api_faults import KillAt, dropped, unavailable
from tests.kubeflow.client.api_life import RUNNING
from tests.kubeflow.client.api_server import ApiServer
from tests.kubeflow.client.conftest import Person
from tests.kubeflow.client.test_runs import submitted

pytestmark = pytest.mark.timeout(120)
ROOT = Path(__file__).parents[3]
UTC = datetime.timezone.utc
# Far from the time of day at which the tests run.
FAR = datetime.datetime.now(UTC) + datetime.timedelta(hours=6)
CRON = f"0 {FAR.minute} {FAR.hour} * * *"
LATER = f"0 {FAR.minute} {(FAR.hour + 2) % 24} * * *"


def schedules(directory: Path, *lines: str) -> Path:
    file = directory / "schedules.yaml"
    file.write_text("\n  - ".join(["schedules:", *lines]) + "\n" if lines else "schedules: []\n")
    return file


@pytest.fixture(autouse=True)
def _clock(server: ApiServer) -> None:
    server.now = datetime.datetime.now(UTC)


@pytest.fixture
def nightly(tmp_path: Path) -> Path:
    return schedules(tmp_path, f"{{name: nightly, cron: {CRON}, parameters: {{train_steps: 300}}}}")


@pytest.fixture
def applied(person: Person, uploaded: Path, nightly: Path) -> Path:
    person.says(f"schedule apply --file {nightly}")
    return nightly


def there(server: ApiServer) -> list[Any]:
    return list(server.store.recurring_runs.values())


def changes(server: ApiServer, since: int) -> list[str]:
    return [request.route for request in server.changes()[since:]]


def test_apply(person: Person, server: ApiServer, uploaded: Path, nightly: Path) -> None:
    said = person.says(f"schedule apply --file {nightly}").stdout

    (one,) = there(server)
    assert one.display_name == "nightly"
    assert one.trigger.cron_schedule.cron == CRON
    assert one.mode == "ENABLE"
    assert one.no_catchup is True
    assert one.max_concurrency == "1"
    assert one.runtime_config.parameters == {"train_steps": 300}
    assert not one.pipeline_version_reference.pipeline_version_id
    assert server.store.experiments[one.experiment_id].display_name == "mnist"
    first = f"{FAR:%Y-%m-%d %H:%M}:00"
    assert said.startswith(f"+ nightly: create\n    next: {FAR:%a} {first}, ")
    assert "UTC, if that is the server's zone" in said
    assert said.endswith("done\n")


def test_apply_again_changes_nothing(person: Person, server: ApiServer, applied: Path) -> None:
    before = len(server.changes())

    said = person.says(f"schedule apply --file {applied}").stdout

    assert said == "  nightly: unchanged\n"
    assert len(server.changes()) == before


def test_diff_changes_nothing(
    person: Person, server: ApiServer, uploaded: Path, nightly: Path
) -> None:
    before = len(server.changes())

    said = person.says(f"schedule diff --file {nightly}").stdout

    assert said.startswith("+ nightly: create\n    next: ")
    assert len(server.changes()) == before
    assert not there(server)


def test_all_that_a_schedule_can_say(
    person: Person, server: ApiServer, uploaded: Path, tmp_path: Path
) -> None:
    (version,) = server.store.versions.values()
    file = schedules(
        tmp_path,
        f"{{name: check, description: Before noon, interval: 6h, version: {version.display_name}, "
        "concurrency: 3, catch_up: true, start: 2031-01-01T06:00:00Z, end: 2031-02-01T00:00:00Z, "
        "enabled: false}",
    )

    person.says(
        f"schedule apply --file {file} --set cluster.experiment=checks "
        "--set cluster.service_account=runner"
    )

    (one,) = there(server)
    assert one.pipeline_version_reference.pipeline_version_id == version.pipeline_version_id
    assert one.trigger.periodic_schedule.interval_second == "21600"
    # One interval before the first run: KFP takes it for a time at which it fired.
    assert str(one.trigger.periodic_schedule.start_time) == "2031-01-01T00:00:00Z"
    assert str(one.trigger.periodic_schedule.end_time) == "2031-02-01T00:00:00Z"
    assert (one.mode, one.max_concurrency, one.no_catchup) == ("DISABLE", "3", None)
    # KFP up to 2.16.1 does not keep it for a fixed version.
    assert server.asked("create_recurring_run")[0].body["service_account"] == "runner"
    assert one.description.startswith("Before noon [tfx-mobile ")
    assert server.store.experiments[one.experiment_id].display_name == "checks"


def test_a_change_makes_a_new_one_take_over(
    person: Person, server: ApiServer, applied: Path
) -> None:
    applied.write_text(applied.read_text().replace(CRON, LATER))
    before = len(server.changes())

    said = person.says(f"schedule apply --file {applied}").stdout

    assert changes(server, before) == [
        "create_recurring_run",
        "disable_recurring_run",
        "enable_recurring_run",
        "delete_recurring_run",
    ]
    (one,) = there(server)
    assert one.trigger.cron_schedule.cron == LATER
    assert one.mode == "ENABLE"
    assert f"~ nightly: replace\n    when: {CRON} -> {LATER}\n" in said
    assert "unchanged" in person.says(f"schedule apply --file {applied}").stdout


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("is_done", [False, True])
def test_ended_between_any_two_requests(server, person, applied, number, is_done) -> None:
    """At no time may two fire, and the next apply brings it to its end."""
    applied.write_text(applied.read_text().replace(CRON, LATER))
    killed = KillAt(number, is_done=is_done)
    server.faults.append(killed)

    person.says(f"schedule apply --file {applied}", code=1)

    assert killed.was_reached
    server.faults.clear()
    firing = [one for one in there(server) if one.mode == "ENABLE"]
    assert len(firing) <= 1
    person.says(f"schedule apply --file {applied}")
    (one,) = there(server)
    assert (one.trigger.cron_schedule.cron, one.mode) == (LATER, "ENABLE")
    assert "unchanged" in person.says(f"schedule apply --file {applied}").stdout


@pytest.mark.parametrize("number", range(1, 7))
@pytest.mark.parametrize("is_done", [False, True])
def test_the_first_time_ended_between_any_two_requests(
    server, person, uploaded, tmp_path, number, is_done
) -> None:
    """Several are created before any is enabled."""
    file = schedules(tmp_path, *(f"{{name: {name}, cron: {CRON}}}" for name in "abc"))
    killed = KillAt(number, is_done=is_done)
    server.faults.append(killed)
    person.says(f"schedule apply --file {file}", code=1)
    assert killed.was_reached
    server.faults.clear()

    person.says(f"schedule apply --file {file}")

    assert [(one.display_name, one.mode) for one in there(server)] == [
        (name, "ENABLE") for name in "abc"
    ]


def test_killed_in_the_middle(server, person, applied) -> None:
    """As the system does it, to a process of its own."""
    applied.write_text(applied.read_text().replace(CRON, LATER))
    command = [sys.executable, "-c", "from cli.main import main; main()", "schedule", "apply"]
    started = []

    def kill() -> None:
        started[0].send_signal(signal.SIGKILL)

    server.faults.append(KillAt(2, kill))
    started.append(subprocess.Popen([*command, "--file", applied, "--host", server.url], cwd=ROOT))
    assert started[0].wait(60) == -signal.SIGKILL
    server.faults.clear()
    assert [one.mode for one in there(server)] == ["DISABLE", "DISABLE"]

    person.says(f"schedule apply --file {applied}")

    (one,) = there(server)
    assert (one.trigger.cron_schedule.cron, one.mode) == (LATER, "ENABLE")


def test_a_new_one_that_was_left_while_the_old_one_fired_is_made_again(
    server, person, applied
) -> None:
    """KFP fires a schedule at once for a time since it was made, which the old one has had."""
    applied.write_text(applied.read_text().replace(CRON, LATER))
    server.faults.append(KillAt(1))
    person.says(f"schedule apply --file {applied}", code=1)
    server.faults.clear()
    old, left = there(server)
    server.tick(old.recurring_run_id, datetime.datetime.now(UTC))
    for run in server.store.runs.values():
        server.advance(run.run_id, {}, "SUCCEEDED")

    person.says(f"schedule apply --file {applied}")

    (one,) = there(server)
    assert one.recurring_run_id not in (old.recurring_run_id, left.recurring_run_id)


@pytest.mark.parametrize(
    "route",
    [
        "create_recurring_run",
        "disable_recurring_run",
        "enable_recurring_run",
        "delete_recurring_run",
        "list_recurring_runs",
    ],
)
@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("fault", [unavailable, dropped])
def test_an_answer_that_is_lost(
    server: ApiServer, applied: Path, route: str, is_done: bool, fault: Callable
) -> None:
    applied.write_text(applied.read_text().replace(CRON, LATER))
    server.faults.append(fault(route, is_done=is_done))
    patient = Person(("--host", server.url))

    patient.says(f"schedule apply --file {applied}")

    (one,) = there(server)
    assert (one.trigger.cron_schedule.cron, one.mode) == (LATER, "ENABLE")


def test_the_old_one_stays_until_its_runs_have_ended(
    person: Person, server: ApiServer, applied: Path
) -> None:
    """Kubernetes ends the runs of a recurring run that is deleted."""
    (old,) = there(server)
    run = server.tick(old.recurring_run_id, datetime.datetime.now(UTC))
    server.advance(run.run_id, {"transform": RUNNING})
    applied.write_text(applied.read_text().replace(CRON, LATER))

    said = person.says(f"schedule apply --file {applied}").stdout

    assert f"the old one stays, paused, until {run.display_name} has ended" in said
    assert [(one.trigger.cron_schedule.cron, one.mode) for one in there(server)] == [
        (CRON, "DISABLE"),
        (LATER, "ENABLE"),
    ]
    server.advance(run.run_id, {}, "SUCCEEDED")
    person.says(f"schedule apply --file {applied}")
    assert [one.trigger.cron_schedule.cron for one in there(server)] == [LATER]


def test_an_interval_goes_on_counting(person: Person, server: ApiServer, tmp_path, uploaded):
    file = schedules(tmp_path, "{name: often, interval: 6h}")
    person.says(f"schedule apply --file {file}")
    (old,) = there(server)
    last = datetime.datetime.now(UTC).replace(microsecond=0) - datetime.timedelta(hours=2)
    run = server.tick(old.recurring_run_id, last)
    run.scheduled_at = last.strftime("%Y-%m-%dT%H:%M:%SZ")
    server.advance(run.run_id, {}, "SUCCEEDED")
    file = schedules(tmp_path, "{name: often, interval: 6h, parameters: {train_steps: 9}}")

    person.says(f"schedule apply --file {file}")

    (new,) = there(server)
    assert str(new.trigger.periodic_schedule.start_time) == run.scheduled_at


def test_replaced_not_at_the_time_at_which_it_fires(server: ApiServer, person, uploaded) -> None:
    """A time between making the new one and pausing the old one would be had by both."""
    api = connection.connect(settings.load(flags={"cluster.host": server.url}).cluster)
    soon = datetime.datetime.now(UTC) + datetime.timedelta(seconds=20)
    version = pipelines.find(api, "mnist")
    experiment_id = schedules_server.find_experiment(api, "Default")

    def target(steps: int):
        schedule = Schedule(
            name="nightly",
            cron=f"{soon.second} {soon.minute} {soon.hour} * * *",
            parameters={"train_steps": steps},
        )
        return resolve(schedule, version, settings.load(), experiment_id)

    told: list[Any] = []
    slept: list[float] = []

    class Awake(Exception):
        pass

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        raise Awake

    created = schedules_server.create(api, target(1), experiment_id)
    schedules_server.enable(api, created)
    planned = apply.make_plan(api, version.pipeline_id, [target(2)], prune=False)
    before = len(server.changes())
    with pytest.raises(Awake):
        apply.execute(api, planned, told.append, sleep)

    (waiting,) = told
    assert waiting == apply.Waiting("nightly", slept[0])
    assert 40 < slept[0] <= 60
    assert len(server.changes()) == before


def test_what_left_the_file(person: Person, server: ApiServer, applied: Path) -> None:
    applied.write_text("schedules: []\n")

    said = person.says(f"schedule apply --file {applied}").stdout
    assert said == "? nightly: is in the file no longer and goes on: --prune deletes it\n"
    assert len(there(server)) == 1

    said = person.says(f"schedule apply --prune --file {applied}").stdout
    assert said == "- nightly: delete\ndone\n"
    assert not there(server)


def test_pause_and_resume(person: Person, server: ApiServer, applied: Path) -> None:
    assert person.says("schedule pause nightly").stdout == "nightly is paused\n"
    assert there(server)[0].mode == "DISABLE"
    said = person.says(f"schedule diff --file {applied}").stdout
    assert said.startswith("~ nightly: resume\n")

    there(server)[0].created_at = "2026-01-01T00:00:00Z"  # since then times have gone by
    said = person.says("schedule resume nightly").stdout
    assert said == "nightly is enabled, and fires at once for the time that it missed\n"
    assert there(server)[0].mode == "ENABLE"
    assert "unchanged" in person.says(f"schedule diff --file {applied}").stdout


def test_apply_resumes_what_was_paused(person: Person, server: ApiServer, applied: Path) -> None:
    person.says("schedule pause nightly")

    person.says(f"schedule apply --file {applied}")

    assert there(server)[0].mode == "ENABLE"


def test_enabled_in_the_file(person: Person, server: ApiServer, applied: Path) -> None:
    applied.write_text(applied.read_text().replace("{name", "{enabled: false, name"))

    said = person.says(f"schedule apply --file {applied}").stdout

    assert said.startswith("~ nightly: pause\n")
    (one,) = there(server)
    assert one.mode == "DISABLE"


def test_delete(person: Person, server: ApiServer, applied: Path) -> None:
    (one,) = there(server)
    run = server.tick(one.recurring_run_id, datetime.datetime.now(UTC))

    said = person.says("schedule delete nightly", code=2).stderr
    assert f"deleting nightly would end {run.display_name}" in said
    server.advance(run.run_id, {}, "SUCCEEDED")

    assert person.says("schedule delete nightly").stdout == "nightly is deleted\n"
    assert not there(server)


def test_trigger(person: Person, server: ApiServer, applied: Path) -> None:
    said = person.says("schedule trigger nightly").stdout

    (run,) = server.store.runs.values()
    assert said.startswith(f"run {run.run_id}, version ")
    assert run.display_name.startswith("nightly ")
    assert run.runtime_config.parameters == {"train_steps": 300}


def test_list(person: Person, server: ApiServer, applied: Path) -> None:
    lines = person.says("schedule list").stdout.splitlines()

    assert re.split(r" {2,}", lines[1].strip()) == [
        "nightly",
        "enabled",
        CRON,
        f"{FAR:%Y-%m-%d %H:%M}:00",
        "latest",
        "from a file",
    ]


def test_list_nothing(person: Person, uploaded: Path) -> None:
    assert person.says("schedule list").stdout == "no schedules\n"


@pytest.mark.parametrize("command", ["pause", "resume", "delete", "trigger"])
def test_an_unknown_name(person: Person, applied: Path, command: str) -> None:
    said = person.says(f"schedule {command} weekly", code=2).stderr

    assert said == "tfx-mobile: there is no schedule weekly; there are: nightly\n"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{name: n, cron: 0 3 * * *}", "write '0 0 3 * * *'"),
        ("{name: n, interval: 1h, parameters: {steps: 3}}", "schedule n: the pipeline mnist"),
        ("{name: n, interval: 1h, parameters: {train_steps: 0}}", "train_steps cannot be 0"),
        ("{name: n, interval: 1h, version: nothing}", "mnist has no version nothing"),
        ("{name: n, interval: 99999999d}", "longer than 3650d"),
        ("{name: n, interval: 1h, start: 9999-12-31T23:59:59-12:00}", "years 2000 to 2199"),
        (
            "{name: n, interval: 1h, parameters: {data_uri: 3.10}}",
            "the parameter data_uri takes a text, not 3.1: quote it",
        ),
        ("{name: n, interval: 1h, parameters: {push_to: no}}", "takes a text, not False: quote it"),
        (
            "{name: n, interval: 1h, parameters: {train_steps: 1.0e+23}}",
            "whole number, not 1e+23",
        ),
        ("{name: n, interval: 1h, parameters: {batch_size: 2147483648}}", "batch_size cannot be"),
        (f"{{name: n, interval: 1h, parameters: {{min_accuracy: {'9' * 400}}}}}", "takes a number"),
    ],
)
def test_refused_before_anything_is_made(
    person: Person, server: ApiServer, tmp_path: Path, uploaded: Path, line: str, problem: str
) -> None:
    file = schedules(tmp_path, f"{{name: good, cron: {CRON}}}", line)
    before = len(server.changes())

    assert problem in person.says(f"schedule apply --file {file}", code=2).stderr

    assert len(server.changes()) == before


def test_one_made_by_hand_has_the_name(person: Person, server: ApiServer, applied: Path) -> None:
    there(server)[0].description = "made in the UI"

    said = person.says(f"schedule apply --file {applied}", code=2).stderr

    assert "nightly is the name of a recurring run that was not made from a file" in said


def test_schedules_of_another_pipeline_are_left_alone(
    person: Person, server: ApiServer, applied: Path
) -> None:
    other = applied.with_name("other-pipeline.yaml")
    other.write_text(
        (applied.parent / "pipeline.yaml").read_text().replace("name: mnist\n", "name: other\n")
    )
    person.says(f"upload {other}")

    person.says(f"schedule apply --prune --set name=other --file {applied}")

    assert [one.display_name for one in there(server)] == ["nightly", "nightly"]
    assert len({one.pipeline_version_reference.pipeline_id for one in there(server)}) == 2


def test_many(person: Person, server: ApiServer, uploaded: Path, tmp_path, monkeypatch) -> None:
    """More than a page of them."""
    monkeypatch.setattr("kubeflow.client.api._PAGE_SIZE", 2)
    names = [f"n{number}" for number in range(5)]
    file = schedules(tmp_path, *(f"{{name: {name}, cron: {CRON}}}" for name in names))

    person.says(f"schedule apply --file {file}")

    assert [one.display_name for one in there(server)] == names
    said = person.says(f"schedule apply --file {file}").stdout
    assert said.count("unchanged") == 5


def lists(server: ApiServer, since: int) -> int:
    return sum(request.route.startswith("list_") for request in server.requests[since:])


@pytest.mark.timeout(600)
def test_a_thousand(person: Person, server: ApiServer, uploaded: Path, tmp_path: Path) -> None:
    """Requests that list grow with pages, not with schedules."""
    lines = [f"{{name: n{number}, cron: {CRON}}}" for number in range(1000)]
    file = schedules(tmp_path, *lines)
    counted = {}

    def count(command: str) -> str:
        before = len(server.requests)
        said = person.says(command).stdout
        counted[command.split()[1]] = lists(server, before)
        return said

    count(f"schedule apply --file {file}")
    first = counted.pop("apply")
    assert [one.mode for one in there(server)] == ["ENABLE"] * 1000
    assert count(f"schedule apply --file {file}").count("unchanged") == 1000
    assert count(f"schedule diff --file {file}").count("unchanged") == 1000
    for recurring_run_id in server.store.recurring_runs:
        server.tick(recurring_run_id, FAR)
    assert len(re.findall(f"{FAR:%Y-%m-%d %H:%M}", count("schedule list"))) == 1000

    assert first <= 50
    assert counted.keys() == {"apply", "diff", "list"}
    assert max(counted.values()) <= 25


def test_last_runs_of_schedules_that_fire_unequally(
    person: Person, server: ApiServer, uploaded: Path, tmp_path: Path, monkeypatch
) -> None:
    """The newest runs of many are all of the one that fires most often."""
    monkeypatch.setattr("kubeflow.schedules.server._RUNS", 3)
    file = schedules(tmp_path, *(f"{{name: {name}, cron: {CRON}}}" for name in "abcd"))
    person.says(f"schedule apply --file {file}")
    rare, often, often_too, _ = list(server.store.recurring_runs)
    for recurring_run_id in [rare, *[often] * 5, *[often_too] * 5]:
        run = server.tick(recurring_run_id, FAR)
        server.advance(run.run_id, {}, "SUCCEEDED")
    before = len(server.requests)

    lines = person.says("schedule list").stdout.splitlines()[1:]

    assert [f"{server.now:%Y-%m-%d}" in line.partition(CRON)[2][:30] for line in lines] == [
        True,
        True,
        True,
        False,
    ]
    assert len(server.requests) - before < 8


def test_one_schedule_is_found_by_its_name(
    person: Person, server: ApiServer, uploaded: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("kubeflow.client.api._PAGE_SIZE", 2)
    file = schedules(tmp_path, *(f"{{name: n{number}, cron: {CRON}}}" for number in range(9)))
    person.says(f"schedule apply --file {file}")
    before = len(server.asked("list_recurring_runs"))

    person.says("schedule pause n7")

    assert [one.display_name for one in there(server) if one.mode != "ENABLE"] == ["n7"]
    assert len(server.asked("list_recurring_runs")) - before == 1


def by_hand(server: ApiServer, uploaded: Path, name: str, **trigger: Any) -> None:
    """As the UI and other clients make them."""
    client = kfp.Client(host=server.url)
    pipeline_id = client.get_pipeline_id("mnist")
    client.create_recurring_run(
        client.create_experiment("Default").experiment_id,
        name,
        pipeline_id=pipeline_id,
        version_id="",
        enabled=False,
        **trigger,
    )


def test_recurring_runs_made_by_hand(person: Person, server: ApiServer, uploaded: Path) -> None:
    for name, cron in (
        ("five", "0 3 * * *"),
        ("every", "@every 1h30m"),
        ("daily", "@daily"),
        ("never", "0 0 0 31 2 *"),
    ):
        by_hand(server, uploaded, name, cron_expression=cron)
    by_hand(server, uploaded, "interval", interval_second=90)
    for name in ("garbage", "once"):
        by_hand(server, uploaded, name, cron_expression="@daily")
    *_, garbage, once = there(server)
    garbage.trigger.cron_schedule.cron = "every night"
    once.trigger = once.runtime_config = None
    names = [one.display_name for one in there(server)]

    for name in names:
        assert person.says(f"schedule resume {name}").stdout.startswith(f"{name} is enabled")
    lines = person.says("schedule list").stdout.splitlines()[1:]

    now = datetime.datetime.now(UTC)
    third = now.replace(minute=3, second=0, microsecond=0)
    third += datetime.timedelta(hours=third <= now)
    # Five fields are seconds, minutes, hours, day and month.
    assert re.split(r" {2,}", lines[0].strip())[2:] == [
        "0 3 * * *",
        f"{third:%Y-%m-%d %H:%M:%S}",
        "latest",
        "by hand",
    ]
    assert [line.split()[0] for line in lines] == names
    assert {line.split()[-2] for line in lines} == {"by"}
    for name in names:
        person.says(f"schedule pause {name}")


def test_recurring_runs_beyond_what_python_can_add(
    person: Person, server: ApiServer, applied: Path
) -> None:
    """KFP stores an interval as an int64 of seconds, and times up to the year 9999."""
    last = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    by_hand(server, applied, "long", interval_second=9_000_000_000)
    by_hand(server, applied, "far", interval_second=3600)
    by_hand(server, applied, "far-cron", cron_expression="0 0 3 * * *")
    by_hand(server, applied, "huge-every", cron_expression="@every 1h")
    by_hand(server, applied, "negative", interval_second=60)
    nightly, long, far, far_cron, huge_every, negative = there(server)
    long.trigger.periodic_schedule.interval_second = str(2**63 - 1)
    for bounds in (far.trigger.periodic_schedule, far_cron.trigger.cron_schedule):
        bounds.start_time = bounds.end_time = last
    huge_every.trigger.cron_schedule.cron = "@every 99999999999999999999h"
    negative.trigger.periodic_schedule.interval_second = "-60"
    names = ["long", "far", "far-cron", "huge-every", "negative"]
    for name in names:
        person.says(f"schedule resume {name}")

    for zone in ("UTC", "Pacific/Kiritimati", "Etc/GMT+12"):
        lines = person.says(f"schedule list --time-zone {zone}").stdout.splitlines()[1:]
        assert [line.split()[0] for line in lines] == ["nightly", *names]
    assert "nightly: unchanged" in person.says(f"schedule diff --file {applied}").stdout

    # As if they were of the file, they are compared with it.
    for recurring_run in (long, far, far_cron, huge_every, negative):
        recurring_run.display_name = nightly.display_name
        recurring_run.description = nightly.description
    assert "nightly: " in person.says(f"schedule diff --file {applied}").stdout
    for name in names:
        assert name not in person.says("schedule list").stdout


def test_times_in_the_zone_of_the_server(person: Person, server: ApiServer, applied: Path) -> None:
    said = person.says("schedule list --time-zone Asia/Kolkata").stdout

    assert "next (Asia/Kolkata)" in said
    assert f"{FAR:%H:%M}:00" in said  # the expression is read in that zone too
    assert "'Mars'" in person.says("schedule list --time-zone Mars", code=2).stderr


def test_a_schedule_that_another_release_marked(
    person: Person, server: ApiServer, tmp_path: Path, uploaded: Path
) -> None:
    """An upgrade replaces none."""
    file = schedules(
        tmp_path,
        f"{{name: nightly, cron: {CRON}, parameters: {{train_steps: 300}}}}",
        "{name: often, interval: 6h, start: 2026-01-01T01:00:00Z, description: Often}",
    )
    person.says(f"schedule apply --file {file}")
    for one in there(server):
        one.description = re.sub("[0-9a-f]{12}", "0123456789ab", one.description)
    before = len(server.changes())

    assert person.says(f"schedule apply --file {file}").stdout.count("unchanged") == 2

    assert len(server.changes()) == before


def test_runs_end_with_a_deleted_schedule(person: Person, server: ApiServer, applied: Path) -> None:
    """As Kubernetes does it; KFP goes on saying that they run."""
    (one,) = there(server)
    run = server.tick(one.recurring_run_id, datetime.datetime.now(UTC))

    kfp.Client(host=server.url).delete_recurring_run(one.recurring_run_id)

    assert run.run_id in person.says("runs list").stdout
    with pytest.raises(AssertionError, match="its workflow went with its recurring run"):
        server.advance(run.run_id, {}, "SUCCEEDED")


def test_runs_of_a_schedule_are_in_the_list(
    person: Person, server: ApiServer, applied: Path
) -> None:
    (one,) = there(server)
    by_hand = submitted(person)
    run = server.tick(one.recurring_run_id, datetime.datetime.now(UTC))

    listed = person.says("runs list").stdout.splitlines()[1:]

    assert [line.split()[0] for line in listed] == [run.run_id, by_hand]
