"""Two clients of one server whose requests come in an order that a test decides.

Each client is a process of its own, which runs commands one after the other. A request waits in the
server until it is its client's turn, so that an order of turns is an interleaving.
"""

import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from werkzeug.wrappers import Request

from tests.kubeflow.client.api_server import ApiServer

_PATIENCE = 60  # seconds, after which a test gives up


_ROOT = Path(__file__).parents[3]
_PROGRAM = """
import json, sys
from click.testing import CliRunner
from cli.main import main
for line in sys.stdin:
    result = CliRunner().invoke(main, json.loads(line))
    print(json.dumps([result.exit_code, result.output]), flush=True)
"""


@dataclasses.dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    output: str


class Client:
    """A process that runs commands of `tfx-mobile`."""

    def __init__(self) -> None:
        """Starts it."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, arguments: Sequence[str]) -> Said:
        """Runs a command to its end."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(list(arguments)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        return Said(*json.loads(line)) if line else Said(self._process.wait(), "")

    def kill(self) -> None:
        """Kills it in the middle of a command."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(_PATIENCE)
        self._process.stdout.close()


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
        self._killed: set[str] = set()
        self.most_enabled = 0
        server.turns = self._wait

    def run(
        self,
        clients: Mapping[str, Client],
        commands: Mapping[str, Sequence[str]],
        order: Iterable[str],
        killed: str = "",
    ) -> dict[str, Said]:
        """Runs a command in each client, and what they said.

        Args:
          clients: By the names that `name_of` gives them.
          commands: One for each.
          order: Whose request comes next; when it ends, or its client has ended, any.
          killed: Who is killed instead of another turn when the order has ended.
        """
        said: dict[str, Said] = {}
        self.most_enabled = 0
        self._killed.clear()

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
                if not name and killed in self._alive:
                    self._killed.add(killed)
                    clients[killed].kill()
                    self._waiting.discard(killed)
                    self._alive.discard(killed)
                    self._condition.notify_all()
                    continue
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
            self._condition.wait_for(lambda: name in (self._granted, *self._killed), _PATIENCE)
            if self._granted != name:
                raise ConnectionAbortedError
            self._granted = ""


def name_of(request: Request) -> str:
    """Which client it is: they call the server by different names."""
    return "b" if request.host.startswith("localhost") else "a"
