"""Two clients of one server whose requests come in an order that a test decides.

Each client is a process of its own, which runs commands one after the other. A request waits in the
server until it is its client's turn, so that an order of turns is an interleaving.
"""

import dataclasses
import multiprocessing
import threading
from collections.abc import Iterable, Mapping, Sequence
from multiprocessing.connection import Connection

from click.testing import CliRunner
from werkzeug.wrappers import Request

from cli.main import main
from tests.kubeflow.client.api_server import ApiServer

_PATIENCE = 60  # seconds, after which a test gives up


@dataclasses.dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    output: str


class Client:
    """A process that runs commands of `tfx-mobile`."""

    def __init__(self) -> None:
        """Starts it."""
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_run, args=(there,), daemon=True)
        self._process.start()

    def call(self, arguments: Sequence[str]) -> Said:
        """Runs a command to its end."""
        self._connection.send(list(arguments))
        assert self._connection.poll(_PATIENCE), "it does not end"
        said: Said = self._connection.recv()
        return said

    def close(self) -> None:
        """Ends it."""
        self._connection.send(None)
        self._process.join(_PATIENCE)


class Turns:
    """Lets one request of two clients through at a time, in a given order.

    `most_enabled` is how many recurring runs were enabled at the same time in the last order.
    """

    def __init__(self, server: ApiServer) -> None:
        """Takes over the server's `turns`."""
        self._server = server
        self._condition = threading.Condition()
        self._waiting: set[str] = set()
        self._alive: set[str] = set()
        self._granted = ""
        self.most_enabled = 0
        server.turns = self._wait

    def run(
        self,
        clients: Mapping[str, Client],
        commands: Mapping[str, Sequence[str]],
        order: Iterable[str],
    ) -> dict[str, Said]:
        """Runs a command in each client, and what they said.

        Args:
          clients: By the names that `name_of` gives them.
          commands: One for each.
          order: Whose request comes next; when it ends, or its client has ended, any.
        """
        said: dict[str, Said] = {}
        self.most_enabled = 0

        def call(name: str) -> None:
            said[name] = clients[name].call(commands[name])
            with self._condition:
                self._alive.discard(name)
                self._condition.notify_all()

        self._alive = set(commands)
        threads = [threading.Thread(target=call, args=(name,)) for name in commands]
        for thread in threads:
            thread.start()
        following = iter(order)
        while True:
            with self._condition:
                assert self._condition.wait_for(lambda: self._waiting >= self._alive, _PATIENCE)
                self._look()
                if not self._alive:
                    break
                name = next(following, "")
                self._granted = name if name in self._alive else min(self._alive)
                self._waiting.discard(self._granted)
                self._condition.notify_all()
        for thread in threads:
            thread.join()
        return said

    def _look(self) -> None:
        found = self._server.store.recurring_runs.values()
        enabled = sum(one.mode == "ENABLE" for one in found)
        self.most_enabled = max(self.most_enabled, enabled)

    def _wait(self, request: Request) -> None:
        if "recurringruns" not in request.path:
            return
        name = name_of(request)
        with self._condition:
            self._waiting.add(name)
            self._condition.notify_all()
            granted = self._condition.wait_for(lambda: self._granted == name, _PATIENCE)
            assert granted, f"{name} waits for its turn in vain"
            self._granted = ""


def name_of(request: Request) -> str:
    """Which client it is: they call the server by different names."""
    return "b" if request.host.startswith("localhost") else "a"


def _run(connection: Connection) -> None:
    while (arguments := connection.recv()) is not None:
        result = CliRunner().invoke(main, arguments)
        connection.send(Said(result.exit_code, result.output))
