"""A server, and our commands against it, in this process and through the installed SDK."""

import dataclasses
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from cli.main import main
from tests.kubeflow.client.api_server import ApiServer

_GOLDEN = Path(__file__).parents[1] / "golden"
_VARIABLES = (
    "KF_PIPELINES_ENDPOINT",
    "KF_PIPELINES_UI_ENDPOINT",
    "KF_PIPELINES_IAP_OAUTH2_CLIENT_ID",
    "KF_PIPELINES_SA_TOKEN_PATH",
    "KUBERNETES_SERVICE_HOST",
    "TFX_MOBILE_KFP_TOKEN",
    "TFX_MOBILE_KFP_COOKIE",
)


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees a cluster or a session of whoever runs it."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as running:
        yield running


@dataclasses.dataclass(frozen=True)
class Person:
    """Somebody at a terminal.

    Attributes:
      options: Given with every command.
    """

    options: tuple[str, ...] = ()

    def says(self, command: str, code: int = 0) -> Result:
        """Starts a command, which has to end with this code, and with one sentence if it failed."""
        result = self._start(command)
        assert result.exit_code == code, (command, result.output, result.exception)
        return result

    def fails(self, command: str) -> Result:
        """Starts a command, which has to fail with one sentence."""
        result = self._start(command)
        assert result.exit_code in (1, 2, 3), (command, result.output, result.exception)
        return result

    def _start(self, command: str) -> Result:
        result = CliRunner().invoke(main, [*shlex.split(command), *self.options])
        assert "Traceback" not in result.output
        if result.exit_code:
            sentence = result.stderr.splitlines()
            assert len(sentence) == 1, sentence
            assert sentence[0].startswith("tfx-mobile: ")
        return result


@pytest.fixture
def person(server: ApiServer) -> Person:
    return at(server)


def at(server: ApiServer, *options: str) -> Person:
    """Somebody who works with a server and does not wait for one that fails."""
    return Person(("--host", server.url, "--set", "cluster.retry_seconds=0", *options))


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """What `compile` writes, but for artifacts in a directory, which serves as a store."""
    return change(
        _GOLDEN / "legacy.yaml",
        tmp_path / "pipeline.yaml",
        lambda spec: spec.update(defaultPipelineRoot=str(tmp_path / "root")),
    )


def change(source: Path, target: Path, how: Callable[[dict], None]) -> Path:
    """Writes a changed copy of a compiled pipeline."""
    documents = list(yaml.load_all(source.read_text(), yaml.CSafeLoader))
    how(documents[0])
    target.write_text(yaml.dump_all(documents, Dumper=yaml.CSafeDumper))
    return target


@pytest.fixture
def uploaded(person: Person, compiled: Path) -> Path:
    person.says(f"upload {compiled}")
    return compiled
