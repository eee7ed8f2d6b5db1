"""A server on this machine that speaks KFP's v2beta1 API, for clients under test.

It keeps everything in memory, does the same for the same requests, and refuses what the real one
refuses, in its words. Requests and responses go through the models of the installed kfp-server-api.
"""

import contextlib
import dataclasses
import datetime
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from types import TracebackType
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.kubeflow.client import api_life, api_models, api_uploads
from tests.kubeflow.client.api_access import Access, anybody
from tests.kubeflow.client.api_experiments import Experiments
from tests.kubeflow.client.api_faults import Answer, Drop, Fault, Moment
from tests.kubeflow.client.api_pipelines import Pipelines
from tests.kubeflow.client.api_refusal import Code, Refusal
from tests.kubeflow.client.api_runs import Runs
from tests.kubeflow.client.api_schedules import Schedules
from tests.kubeflow.client.api_store import NEW, OLD, Store
from tests.kubeflow.storage.servers import Certificate

TOO_OLD = "1.8"


@dataclasses.dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    """The JSON, or the text of the uploaded file."""
    route: str
    """What it is for, such as `create_run`."""
    user: str
    """Who asks; empty if nobody says so."""


class ApiServer:
    """Serves while its block runs; then complains about requests that no server understands.

    `store` holds what is in the server and its clock, `requests` what was asked, `faults` what
    shall go wrong, `turns` when each of several clients may go on, and `problems` what was asked
    although the models of kfp-server-api do not know it: the block's end raises if there is any.
    """

    def __init__(
        self,
        *,
        release: str = "",
        namespaces: Collection[str] | None = None,
        rights: Mapping[str, Collection[str]] | None = None,
        access: Access = anybody,
        certificate: Certificate | None = None,
    ) -> None:
        """Takes a free port.

        Args:
          release: `2.5` or `2.17`, whose behaviour it has, by default what fits the installed SDK;
            or `1.8`, which knows nothing of v2beta1.
          namespaces: Those that the user may use in multi-user mode; None for single-user mode.
          rights: The verbs that the user has there, by kind, such as `{"pipelines": ["get"]}`; None
            for all.
          access: Who is let in.
          certificate: Makes it speak TLS.
        """
        self.release = release or (NEW if api_models.knows("V2beta1Pipeline", "name") else OLD)
        self.store = Store(self.release, namespaces, rights)
        self.requests: list[Asked] = []
        self.faults: list[Fault] = []
        self.turns: Callable[[Request], None] | None = None
        self.problems: list[str] = []
        self._pipelines = Pipelines(self.store)
        self._experiments = Experiments(self.store)
        self._runs = Runs(self.store)
        self._schedules = Schedules(self.store, self._runs)
        if not self.store.is_multi_user:
            self._experiments.create_default()
        self._access = access
        self._scheme = "https" if certificate else "http"
        self._lock = threading.Lock()
        self._server = make_server(
            "127.0.0.1",
            0,
            self._serve,
            threaded=True,
            request_handler=_Quiet,
            ssl_context=(str(certificate.certificate), str(certificate.key))
            if certificate
            else None,
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    @property
    def now(self) -> datetime.datetime:
        """The server's clock, which goes on when something is created."""
        return self.store.now

    @now.setter
    def now(self, moment: datetime.datetime) -> None:
        self.store.now = moment

    def asked(self, route: str) -> list[Asked]:
        """The requests of one kind, such as `create_run`, that came so far."""
        return [one for one in self.requests if one.route == route]

    def changes(self) -> list[Asked]:
        """The requests to change something that came so far."""
        return [one for one in self.requests if one.method != "GET"]

    def advance(self, run_id: str, tasks: Mapping[str, str], state: str | None = None) -> Any:
        """Moves a run on as `api_life.advance` says, and returns it."""
        with self._lock:
            assert run_id not in self.store.ended, "its workflow went with its recurring run"
            api_life.advance(self.store, run_id, tasks, state)
            return self.store.runs[run_id]

    def tick(self, recurring_run_id: str, at: datetime.datetime) -> Any | None:
        """Starts the run that is due, if any is: `api_life.tick`."""
        with self._lock:
            return api_life.tick(self.store, recurring_run_id, at)

    def __enter__(self) -> "ApiServer":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if kind is None:
            assert not self.problems, "\n".join(self.problems)

    def _serve(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        if self.turns:
            self.turns(request)
        with self._lock:
            try:
                response = self._admit(request)
            except Exception as error:
                self.problems.append(f"{request.method} {request.path}: {error!r} in the server")
                raise
        if isinstance(response, Drop):
            with contextlib.suppress(OSError):
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError
        return response(environ, start)

    def _admit(self, request: Request) -> Response | Drop:
        """Lets the request through to the server, which may be none, unless a fault stops it."""
        route, values = self._route(request)
        query = request.args.to_dict()
        user = self._access(request)
        who = user if isinstance(user, str) else ""
        asked = Asked(request.method, request.path, query, _body(request), route, who)
        self.requests.append(asked)
        if not isinstance(user, str):
            return user
        return self._fault(asked, False) or self._answer(asked, request, values)

    def _answer(self, asked: Asked, request: Request, values: Mapping[str, str]) -> Response | Drop:
        if not asked.route:
            return self._no_route(asked, request)
        try:
            response = _json(getattr(self, f"_{asked.route}")(asked, request, **values))
        except api_models.UnknownFieldError as error:
            self.problems.append(f"{asked.method} {asked.path}: {error}")
            response = self._refuse(Refusal(Code.INVALID_ARGUMENT, str(error), str(error)))
        except Refusal as refusal:
            response = self._refuse(refusal)
        except api_uploads.UploadError as error:
            body = {"error_message": error.message, "error_details": error.message}
            response = _json(body, error.status)
        return self._fault(asked, True) or response

    def _fault(self, asked: Asked, is_done: bool) -> Response | Drop | None:
        moment = Moment(asked.route, asked.method != "GET", is_done)
        for fault in self.faults:
            action = fault(moment)
            if isinstance(action, Answer):
                return Response(action.body, action.status, mimetype="text/plain")
            if action:
                return action
        return None

    def _route(self, request: Request) -> tuple[str, Mapping[str, str]]:
        if self.release == TOO_OLD and not request.path.startswith("/apis/v1beta1/"):
            return "", {}
        try:
            return _ROUTES.bind_to_environ(request.environ).match()
        except HTTPException:
            return "", {}

    def _refuse(self, refusal: Refusal) -> Response:
        return _json(refusal.body(with_error=self.release == OLD), refusal.code.status)

    def _no_route(self, asked: Asked, request: Request) -> Response:
        """As the router answers."""
        is_method = bool(_ROUTES.bind_to_environ(request.environ).allowed_methods())
        if self.release == TOO_OLD:
            is_method = False
        else:
            self.problems.append(f"{asked.method} {asked.path}: this server has no such route")
        words = "Method Not Allowed" if is_method else "Not Found"
        if self.release == NEW:
            code, status = (12, 501) if is_method else (5, 404)
            return _json({"code": code, "message": words}, status)
        return Response(f"{words}\n", 405 if is_method else 404, mimetype="text/plain")

    # One method for each route

    def _healthz(self, asked: Asked, request: Request) -> Any:
        newer = {"pipeline_store": "database"} if self.release == NEW else {}
        return {**self._healthz_v1(asked, request), **newer}

    def _healthz_v1(self, asked: Asked, request: Request) -> Any:
        return {
            "commit_sha": "unknown",
            "tag_name": f"{self.release}.0",
            "multi_user": self.store.is_multi_user,
        }

    def _upload_pipeline(self, asked: Asked, request: Request) -> Any:
        outer = "Failed to create a pipeline and a pipeline version"
        with api_uploads.explained(self.release, outer, "pipeline"):
            spec = api_uploads.spec_of(request, outer)
            name = api_uploads.name_of(request, self.release)
            return self._pipelines.create(name, spec, asked.query, asked.user)

    def _upload_version(self, asked: Asked, request: Request) -> Any:
        outer = "Failed to create a pipeline version"
        with api_uploads.explained(self.release, outer, "pipeline"):
            spec = api_uploads.spec_of(request, outer)
            name = api_uploads.name_of(request, self.release)
            return self._pipelines.create_version(name, spec, asked.query, asked.user)

    def _create_pipeline(self, asked: Asked, request: Request) -> Any:
        sent = api_models.read("V2beta1Pipeline", asked.body)
        return self._pipelines.create_empty(sent, asked.user)

    def _get_pipeline(self, asked: Asked, request: Request, key: str) -> Any:
        return self._pipelines.get(key, asked.user)

    def _get_pipeline_by_name(self, asked: Asked, request: Request, key: str) -> Any:
        return self._pipelines.get_by_name(key, asked.query, asked.user)

    def _list_pipelines(self, asked: Asked, request: Request) -> Any:
        found = self._pipelines.page(asked.query, asked.user)
        return _page("V2beta1ListPipelinesResponse", "pipelines", found)

    def _delete_pipeline(self, asked: Asked, request: Request, key: str) -> None:
        self._pipelines.delete(key, asked.query, asked.user)

    def _get_version(self, asked: Asked, request: Request, key: str, version: str) -> Any:
        return self._pipelines.get_version(version, asked.user)

    def _list_versions(self, asked: Asked, request: Request, key: str) -> Any:
        found = self._pipelines.list_versions(key, asked.query, asked.user)
        return _page("V2beta1ListPipelineVersionsResponse", "pipeline_versions", found)

    def _delete_version(self, asked: Asked, request: Request, key: str, version: str) -> None:
        self._pipelines.delete_version(key, version, asked.user)

    def _create_experiment(self, asked: Asked, request: Request) -> Any:
        sent = api_models.read("V2beta1Experiment", asked.body)
        return self._experiments.create(sent, asked.user)

    def _get_experiment(self, asked: Asked, request: Request, key: str) -> Any:
        return self._experiments.get(key, asked.user)

    def _list_experiments(self, asked: Asked, request: Request) -> Any:
        found = self._experiments.page(asked.query, asked.user)
        return _page("V2beta1ListExperimentsResponse", "experiments", found)

    def _archive_experiment(self, asked: Asked, request: Request, key: str) -> None:
        self._experiments.archive(key, asked.user)

    def _unarchive_experiment(self, asked: Asked, request: Request, key: str) -> None:
        self._experiments.unarchive(key, asked.user)

    def _delete_experiment(self, asked: Asked, request: Request, key: str) -> None:
        self._experiments.delete(key, asked.user)

    def _create_run(self, asked: Asked, request: Request) -> Any:
        return self._runs.create(api_models.read("V2beta1Run", asked.body), asked.user)

    def _get_run(self, asked: Asked, request: Request, key: str) -> Any:
        return self._runs.get(key, asked.user)

    def _list_runs(self, asked: Asked, request: Request) -> Any:
        found = self._runs.page(asked.query, asked.user)
        return _page("V2beta1ListRunsResponse", "runs", found)

    def _terminate_run(self, asked: Asked, request: Request, key: str) -> None:
        self._runs.terminate(key, asked.user)

    def _archive_run(self, asked: Asked, request: Request, key: str) -> None:
        self._runs.archive(key, asked.user)

    def _unarchive_run(self, asked: Asked, request: Request, key: str) -> None:
        self._runs.unarchive(key, asked.user)

    def _delete_run(self, asked: Asked, request: Request, key: str) -> None:
        self._runs.delete(key, asked.user)

    def _create_recurring_run(self, asked: Asked, request: Request) -> Any:
        sent = api_models.read("V2beta1RecurringRun", asked.body)
        return self._schedules.create(sent, asked.user)

    def _get_recurring_run(self, asked: Asked, request: Request, key: str) -> Any:
        return self._schedules.get(key, asked.user)

    def _list_recurring_runs(self, asked: Asked, request: Request) -> Any:
        found = self._schedules.page(asked.query, asked.user)
        return _page("V2beta1ListRecurringRunsResponse", "recurring_runs", found)

    def _enable_recurring_run(self, asked: Asked, request: Request, key: str) -> None:
        self._schedules.enable(key, asked.user, enable=True)

    def _disable_recurring_run(self, asked: Asked, request: Request, key: str) -> None:
        self._schedules.enable(key, asked.user, enable=False)

    def _delete_recurring_run(self, asked: Asked, request: Request, key: str) -> None:
        self._schedules.delete(key, asked.user)


def _rules() -> Iterable[Rule]:
    for method, path, route in (
        ("GET", "healthz", "healthz"),
        ("GET", "pipelines", "list_pipelines"),
        ("POST", "pipelines", "create_pipeline"),
        ("POST", "pipelines/upload", "upload_pipeline"),
        ("POST", "pipelines/upload_version", "upload_version"),
        ("GET", "pipelines/<key>", "get_pipeline"),
        ("GET", "pipelines/names/<key>", "get_pipeline_by_name"),
        ("DELETE", "pipelines/<key>", "delete_pipeline"),
        ("GET", "pipelines/<key>/versions", "list_versions"),
        ("GET", "pipelines/<key>/versions/<version>", "get_version"),
        ("DELETE", "pipelines/<key>/versions/<version>", "delete_version"),
        ("GET", "experiments", "list_experiments"),
        ("POST", "experiments", "create_experiment"),
        ("GET", "experiments/<key>", "get_experiment"),
        ("DELETE", "experiments/<key>", "delete_experiment"),
        ("POST", "experiments/<key>:archive", "archive_experiment"),
        ("POST", "experiments/<key>:unarchive", "unarchive_experiment"),
        ("GET", "runs", "list_runs"),
        ("POST", "runs", "create_run"),
        ("GET", "runs/<key>", "get_run"),
        ("DELETE", "runs/<key>", "delete_run"),
        ("POST", "runs/<key>:archive", "archive_run"),
        ("POST", "runs/<key>:unarchive", "unarchive_run"),
        ("POST", "runs/<key>:terminate", "terminate_run"),
        ("GET", "recurringruns", "list_recurring_runs"),
        ("POST", "recurringruns", "create_recurring_run"),
        ("GET", "recurringruns/<key>", "get_recurring_run"),
        ("DELETE", "recurringruns/<key>", "delete_recurring_run"),
        ("POST", "recurringruns/<key>:enable", "enable_recurring_run"),
        ("POST", "recurringruns/<key>:disable", "disable_recurring_run"),
    ):
        yield Rule(f"/apis/v2beta1/{path}", methods=[method], endpoint=route)
    yield Rule("/apis/v1beta1/healthz", methods=["GET"], endpoint="healthz_v1")


_ROUTES = Map(_rules(), strict_slashes=False)


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        pass


def _body(request: Request) -> Any:
    if request.is_json:
        return request.get_json(silent=True)
    for file in request.files.values():
        text = file.stream.read().decode(errors="replace")
        file.stream.seek(0)
        return text
    return None


def _page(model: str, field: str, found: tuple[list[Any], int, str]) -> Any:
    items, total, token = found
    fields: dict[str, Any] = {field: items, "total_size": total, "next_page_token": token}
    return api_models.made(model, **fields)


def _json(content: Any, status: int = 200) -> Response:
    text = api_models.json_text({} if content is None else content)
    return Response(text, status, mimetype="application/json")
