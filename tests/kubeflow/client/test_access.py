"""Every way in, and what a person is told who is not let in."""

import http.server
import json
import os
import socket
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    ResponseError,
)

from cli.main import main
from kubeflow.client import errors
from tests.kubeflow.client.api_access import Bearer, IdentityAwareProxy, Session
from tests.kubeflow.client.api_faults import Answer, On
from tests.kubeflow.client.api_server import ApiServer
from tests.kubeflow.client.conftest import Person, at
from tests.kubeflow.storage.servers import make_certificate

SECRET = "s3cr3t-of-the-tests"
LIST = "runs list"


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    return file


def says(person: Person, command: str, code: int = 0) -> str:
    """All that is printed, with nothing secret in it, with and without the trace."""
    result = person.says(command, code)
    assert SECRET not in result.output
    return result.stderr if code else result.stdout


def nothing_written(directory: Path) -> bool:
    """Whether no file below a directory holds the secret."""
    files = [file for file in directory.rglob("*") if file.is_file()]
    return not any(SECRET in file.read_text(errors="replace") for file in files)


class TestToken:
    @pytest.fixture
    def server(self) -> Iterator[ApiServer]:
        with ApiServer(access=Bearer(SECRET, expired="old")) as running:
            yield running

    def test_in_a_file(self, person, compiled, token, tmp_path) -> None:
        says(person, f"upload {compiled} --token-file {token}")
        assert says(person, f"{LIST} --token-file {token}") == "no runs\n"
        assert nothing_written(tmp_path / "home")

    def test_in_a_variable(self, person, compiled, monkeypatch) -> None:
        monkeypatch.setenv("TFX_MOBILE_KFP_TOKEN", SECRET)
        says(person, f"upload {compiled}")

    def test_in_the_settings(self, server, compiled, token, tmp_path) -> None:
        file = tmp_path / "settings.yaml"
        file.write_text(f"cluster: {{host: '{server.url}', auth: token, token_file: {token}}}\n")
        says(Person(("--settings", str(file))), f"upload {compiled}")

    def test_of_a_service_account(self, person, server, compiled, token, monkeypatch) -> None:
        """Mounted into a pod; the client does not take it by itself where a host is given."""
        monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(token))
        says(person, f"upload {compiled}")
        says(person, f"{LIST} --auth service-account")
        assert "forbids it" in says(person, f"{LIST} --auth none", code=2)

    def test_expired(self, person, token) -> None:
        token.write_text("old")
        said = says(person, f"{LIST} --token-file {token}", code=2)
        assert "does not accept the credentials" in said
        assert "get a new token" in said

    def test_none(self, person) -> None:
        assert "forbids it" in says(person, LIST, code=2)

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            ("", "there is no token: set cluster.token_file or TFX_MOBILE_KFP_TOKEN"),
            (f"{SECRET}\nX-Other: {SECRET}", "one line of plain text is expected"),
            ("tökén", "one line of plain text is expected"),
            (None, "cannot read the token"),
        ],
    )
    def test_no_token_in_the_file(self, person, server, token, content, problem) -> None:
        token.unlink() if content is None else token.write_text(content)
        assert problem in says(person, f"{LIST} --token-file {token}", code=2)
        assert not server.requests

    def test_no_service_account(self, person, server) -> None:
        said = says(person, f"{LIST} --auth service-account", code=2)
        assert "cannot read the service account's token, /var/run/secrets/" in said
        assert not server.requests

    def test_the_trace_holds_no_secret(self, person, token) -> None:
        token.write_text(f"wrong-{SECRET}")
        command = ["--debug", "runs", "list", "--token-file", str(token), *person.options]
        result = CliRunner().invoke(main, command)
        trace = "".join(traceback.format_exception(*result.exc_info))
        assert "does not accept the credentials" in trace
        assert SECRET not in trace + result.output


class TestSession:
    @pytest.fixture
    def server(self) -> Iterator[ApiServer]:
        with ApiServer(access=Session(SECRET)) as running:
            yield running

    def test_cookie(self, person, compiled, token, monkeypatch) -> None:
        token.write_text(f"authservice_session={SECRET}")
        says(person, f"upload {compiled} --cookie-file {token}")
        monkeypatch.setenv("TFX_MOBILE_KFP_COOKIE", f"authservice_session={SECRET}")
        assert says(person, LIST) == "no runs\n"

    def test_session_that_has_ended(self, person, server, compiled, token) -> None:
        """The login page comes instead, which the client takes for an empty list."""
        token.write_text("authservice_session=ended")
        said = says(person, f"upload {compiled} --cookie-file {token}", code=2)
        assert "a login page most likely: get a new session cookie" in said
        assert not server.store.pipelines


class TestIdentityAwareProxy:
    @pytest.fixture
    def server(self) -> Iterator[ApiServer]:
        with ApiServer(access=IdentityAwareProxy(SECRET)) as running:
            yield running

    def test_client_that_is_missing(self, person) -> None:
        said = says(person, f"{LIST} --auth iap", code=2)
        assert "set cluster.iap_client_id or KF_PIPELINES_IAP_OAUTH2_CLIENT_ID" in said

    def test_no_credentials_of_google(self, person, monkeypatch, tmp_path) -> None:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
        said = says(person, f"{LIST} --iap-client-id mine", code=2)
        assert "the credentials cannot be had: File" in said

    def test_token_of_the_service_account(self, person, compiled, monkeypatch) -> None:
        """The client asks Google for it, for this client id; Google is not here."""
        asked = []

        def get_auth_token(client_id: str, *others: object) -> tuple[str, bool]:
            asked.append(client_id)
            return SECRET, False

        monkeypatch.setattr("kfp.client.auth.get_auth_token", get_auth_token)
        says(person, f"upload {compiled} --iap-client-id mine.apps.googleusercontent.com")
        assert asked == ["mine.apps.googleusercontent.com"]


class TestNamespaces:
    @pytest.fixture
    def server(self) -> Iterator[ApiServer]:
        with ApiServer(namespaces=["ada"], access=Bearer(SECRET)) as running:
            yield running

    @pytest.fixture
    def person(self, server, token) -> Person:
        return at(server, "--token-file", str(token))

    def test_life(self, server, person, compiled, tmp_path) -> None:
        ada = Person((*person.options, "--namespace", "ada"))
        file = tmp_path / "schedules.yaml"
        file.write_text("schedules: [{name: nightly, cron: 0 0 3 * * *}]\n")
        says(ada, f"upload {compiled}")
        says(ada, "submit")
        says(ada, f"schedule apply --file {file}")
        assert "unchanged" in says(ada, f"upload {compiled}")
        assert "unchanged" in says(ada, f"schedule apply --file {file}")
        (run,) = server.store.runs.values()
        assert run.run_id in says(ada, LIST)
        assert "-n ada" in says(ada, f"runs logs-hint {run.run_id} transform")
        mine = [e for e in server.store.experiments.values() if e.display_name == "mnist"]
        assert [e.namespace for e in mine] == ["ada"]
        assert {p.namespace for p in server.store.pipelines.values()} == {"ada"}

    def test_no_namespace(self, person, server) -> None:
        said = says(person, LIST, code=2)
        assert "has many users: name your profile's namespace with --namespace" in said

    def test_namespace_of_somebody_else(self, person) -> None:
        said = says(person, f"{LIST} --namespace bob", code=2)
        assert "forbids it" in said


def test_namespace_where_there_are_none(person, server, compiled) -> None:
    """It is for kubectl then; KFP would refuse it."""
    says(person, f"upload {compiled} --namespace kfp")
    run_id = says(person, "submit --namespace kfp").split()[1].rstrip(",")
    assert "kubectl -n kfp " in says(person, f"runs logs-hint {run_id} transform --namespace kfp")


def test_certificate_of_an_own_ca(tmp_path, compiled) -> None:
    certificate = make_certificate(tmp_path)
    with ApiServer(certificate=certificate) as server:
        person = at(server)
        said = says(person, f"upload {compiled}", code=2)
        assert "is not trusted: give its CA as cluster.ca_file" in said
        says(person, f"upload {compiled} --host-ca-file {certificate.ca}")


def test_a_server_that_is_too_old(tmp_path) -> None:
    with ApiServer(release="1.8") as server:
        said = says(at(server), LIST, code=3)
        assert "does not speak version 2 of KFP's API: it is older than 2.0" in said
        server.problems.clear()


def test_something_else_listens_there() -> None:
    class Other(http.server.BaseHTTPRequestHandler):
        def log_message(self, *message: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{other.server_port}"
        person = Person(("--host", host, "--set", "cluster.retry_seconds=0"))
        said = says(person, LIST, code=1)
        assert f"{host} fails, try again later: a page instead of data (501)" in said
        other.shutdown()


def test_nobody_listens_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{free.getsockname()[1]}"
        said = says(Person(("--host", host)), LIST, code=1)
    assert f"no server answers at {host} (Connection refused)" in said


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectTimeoutError(object(), "Connection to h timed out."), "Connection to h timed out."),
        (MaxRetryError(HTTPConnectionPool("h", 1), "/", ResponseError("too many")), "too many"),
        (MaxRetryError(HTTPConnectionPool("h", 1), "/", None), "no answer"),
        (ReadTimeoutError(HTTPConnectionPool("h", 1), "/", "Read timed out."), "Read timed out."),
        (ProtocolError("Connection aborted.", OSError("Remote end closed")), "Remote end closed"),
        (NewConnectionError(HTTPConnection("h", 1), "no such thing"), "no such thing"),
    ],
)
def test_no_answer_is_told_without_objects(error: Exception, reason: str) -> None:
    said = str(errors.translate(error, "http://h:1"))
    assert said.startswith(f"no server answers at http://h:1 ({reason}): check the address")


def test_no_such_host() -> None:
    said = says(Person(("--host", "http://nowhere.invalid:8080")), LIST, code=1)
    assert "no server answers at http://nowhere.invalid:8080" in said


def test_no_server_is_named() -> None:
    said = says(Person(), LIST, code=2)
    assert "no server of Kubeflow Pipelines is named: give --host" in said


def test_server_in_a_variable(server, compiled, monkeypatch) -> None:
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", server.url)
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://ui.example")
    assert "https://ui.example/#/pipelines/details/" in says(Person(), f"upload {compiled}")


@pytest.mark.parametrize(
    ("value", "problem", "code"),
    [
        ("127.0.0.1:1", "no server answers at https://127.0.0.1:1", 1),
        (f"http://user:{SECRET}@127.0.0.1", "cluster.host: String should match", 2),
        ("http://127.0.0.1:99999", "http://127.0.0.1:99999 is no address: Port out of range", 2),
    ],
)
def test_what_is_no_server_in_a_variable(monkeypatch, value, problem, code) -> None:
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", value)
    assert problem in says(Person(), LIST, code)


def test_through_kubectl(server, compiled, monkeypatch, tmp_path) -> None:
    """Without a host, the client goes through Kubernetes' API as kubectl's context says."""
    seen = []

    class Proxy(ApiServer):
        def _route(self, request):
            prefix = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"
            seen.append(request.path.startswith(prefix))
            request.environ["PATH_INFO"] = request.path.removeprefix(prefix)
            return super()._route(type(request)(request.environ))

    with Proxy() as cluster:
        config = tmp_path / "kubeconfig"
        config.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "here",
                    "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [{"name": "c", "cluster": {"server": cluster.url}}],
                    "users": [{"name": "u", "user": {}}],
                }
            )
        )
        monkeypatch.setenv("KUBECONFIG", str(config))
        monkeypatch.setattr(
            "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config)
        )
        says(Person(), f"upload {compiled}")
        assert seen
        assert all(seen)
        said = says(Person(("--set", "cluster.context=other")), LIST, code=2)
        assert "kubectl has no context other" in said


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_what_passes_is_tried_again(server, compiled, status) -> None:
    server.faults.append(On("list_pipelines", Answer(status)))
    says(Person(("--host", server.url)), f"upload {compiled}")


def test_what_does_not_pass(server) -> None:
    server.faults.append(On("list_pipelines", Answer(503), times=1000))
    said = says(at(server, "--set", "cluster.retry_seconds=1"), LIST, code=1)
    assert "fails, try again later: upstream connect error" in said
    assert len(server.asked("list_pipelines")) > 1


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("cluster.host=localhost:8080", "cluster.host: String should match"),
        (f"cluster.host=http://user:{SECRET}@host", "cluster.host"),
        ("cluster.auth=password", "cluster.auth: Input should be 'auto', 'none'"),
        ("cluster.experiment=50%", "cluster.experiment: String should match"),
        ("cluster.retry_seconds=-1", "cluster.retry_seconds"),
        ("cluster.tokn_file=x", "did you mean 'cluster.token_file'?"),
    ],
)
def test_settings_that_cannot_be(setting: str, problem: str) -> None:
    result = Person().says(f"{LIST} --set '{setting}'", code=2)
    assert problem in result.stderr
    assert SECRET not in result.output


def test_the_tests_see_no_cluster_of_whoever_runs_them() -> None:
    assert not any(name.startswith("KF_PIPELINES_") for name in os.environ)
