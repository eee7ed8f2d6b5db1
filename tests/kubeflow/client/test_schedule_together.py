"""Two `schedule apply` at once: real processes, and every order of their requests that matters."""

import copy
import datetime
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.kubeflow.client.api_server import ApiServer
from tests.kubeflow.client.conftest import at
from tests.kubeflow.client.turns import Client, Said, Turns

pytestmark = pytest.mark.timeout(600)
UTC = datetime.timezone.utc
# Far from the time of day at which the tests run.
FAR = datetime.datetime.now(UTC) + datetime.timedelta(hours=6)
CRONS = {name: f"0 {FAR.minute} {(FAR.hour + n) % 24} * * *" for n, name in enumerate("oab")}


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[str, Client]]:
    clients = {name: Client() for name in "ab"}
    yield clients
    for client in clients.values():
        client.close()


def schedules(directory: Path, name: str, cron: str = "", **more: object) -> Path:
    file = directory / f"{name}.yaml"
    fields = "".join(f", {key}: {value}" for key, value in more.items())
    file.write_text(f"schedules: [{{name: nightly, cron: {cron or CRONS[name]}{fields}}}]")
    return file


def with_two_changes(most: int) -> Iterator[list[str]]:
    """One client goes on for some requests, then the other, then the first to its end."""
    for first, second in itertools.product(range(most), repeat=2):
        yield [*"a" * first, *"b" * second, *"a" * 50]


def at_random(count: int) -> Iterator[list[str]]:
    """Orders with any number of changes, the same in each run."""
    source = random.Random(7)
    for _ in range(count):
        yield source.choices("ab", [source.random(), 0.5], k=60)


class Both:
    """What two clients do to one server, in one order after the other."""

    def __init__(self, server: ApiServer, clients: dict[str, Client]) -> None:
        self._server = server
        self._clients = clients
        self.turns = Turns(server)
        self._before = copy.deepcopy(server.store)

    def apply(
        self, files: dict[str, Path], order: Sequence[str], killed: str = ""
    ) -> dict[str, Said]:
        """Applies a file in each, after the server is as it was."""
        store = self._server.store
        store.recurring_runs.clear()
        store.recurring_runs.update(copy.deepcopy(self._before.recurring_runs))
        port = self._server.url.rpartition(":")[2]
        hosts = {"a": f"http://127.0.0.1:{port}", "b": f"http://localhost:{port}"}
        commands = {
            name: ["schedule", "apply", "--file", str(files[name]), "--host", hosts[name]]
            for name in files
        }
        return self.turns.run(self._clients, commands, order, killed)

    def crons(self) -> list[tuple[str, str]]:
        """What there is afterwards."""
        found = self._server.store.recurring_runs.values()
        return [(one.trigger.cron_schedule.cron, one.mode) for one in found]


@pytest.fixture
def server(tmp_path: Path, compiled: Path) -> Iterator[ApiServer]:
    with ApiServer() as running:
        running.now = datetime.datetime.now(UTC)
        at(running).says(f"upload {compiled}")
        yield running


@pytest.fixture(params=["later", "same second"])
def step(server: ApiServer, request: pytest.FixtureRequest) -> None:
    """In the same second only the ID tells which one is older, and it is random."""
    server.store.step = datetime.timedelta(seconds=request.param == "later")


@pytest.mark.usefixtures("step")
def test_the_same_file(server: ApiServer, clients: dict[str, Client], tmp_path: Path) -> None:
    both = Both(server, clients)
    file = schedules(tmp_path, "a")

    for order in with_two_changes(6):
        said = both.apply({"a": file, "b": file}, order)

        assert both.crons() == [(CRONS["a"], "ENABLE")], (order, said)
        assert [said[name].code for name in "ab"] == [0, 0], (order, said)
        assert both.turns.most_enabled == 1, (order, said)


def test_the_same_change(server: ApiServer, clients: dict[str, Client], tmp_path: Path) -> None:
    server.store.step = datetime.timedelta()  # so that the IDs decide
    at(server).says(f"schedule apply --file {schedules(tmp_path, 'o')}")
    both = Both(server, clients)
    file = schedules(tmp_path, "a")

    for order in with_two_changes(9):
        said = both.apply({"a": file, "b": file}, order)

        assert both.crons() == [(CRONS["a"], "ENABLE")], (order, said)
        assert [said[name].code for name in "ab"] == [0, 0], (order, said)
        assert both.turns.most_enabled == 1, (order, said)


@pytest.mark.usefixtures("step")
def test_two_files(server: ApiServer, clients: dict[str, Client], tmp_path: Path) -> None:
    check_two_files(server, clients, tmp_path, [*with_two_changes(6), *at_random(20)])


def test_two_changes(server: ApiServer, clients: dict[str, Client], tmp_path: Path) -> None:
    at(server).says(f"schedule apply --file {schedules(tmp_path, 'o')}")

    check_two_files(server, clients, tmp_path, [*with_two_changes(9), *at_random(20)])


def check_two_files(
    server: ApiServer, clients: dict[str, Client], directory: Path, orders: Iterable[list[str]]
) -> None:
    both = Both(server, clients)
    files = {name: schedules(directory, name) for name in "ab"}

    for order in orders:
        said = both.apply(files, order)

        ((cron, mode),) = both.crons()
        assert mode == "ENABLE", (order, said)
        assert both.turns.most_enabled <= 2, (order, said)
        winner = "a" if cron == CRONS["a"] else "b"
        assert said[winner].code == 0, (order, said)
        loser = said["b" if winner == "a" else "a"]
        # It was overtaken, or had ended before.
        assert loser.code == 0 or "another schedule apply changed nightly" in loser.output


@pytest.mark.parametrize("number", range(1, 9))
def test_one_is_killed(server: ApiServer, tmp_path: Path, number: int) -> None:
    """Before any of its requests; the other one does what both were to do."""
    at(server).says(f"schedule apply --file {schedules(tmp_path, 'o')}")
    clients = {name: Client() for name in "ab"}
    both = Both(server, clients)
    file = schedules(tmp_path, "a")

    said = both.apply({"a": file, "b": file}, ["b", *"a" * number], killed="a")

    assert (said["a"].code, said["b"].code) in ((-9, 0), (0, 0)), said
    assert both.crons() == [(CRONS["a"], "ENABLE")]
    assert both.turns.most_enabled == 1
    clients["b"].close()
