"""A server on this machine that speaks KFP's v2beta1 API, for clients under test.

It keeps everything in memory, does the same for the same requests, and refuses what the real one
refuses, in its words. Requests and responses go through the models of the installed kfp-server-api.
"""

import dataclasses
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from types import TracebackType
from typing import Any

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from tests.kubeflow.client import api_models, api_uploads
from tests.kubeflow.client.api_refusal import Code, Refusal
from tests.kubeflow.client.api_store import NEW, OLD, Store


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

    `store` holds what is in the server, `requests` what was asked, and `problems` what was asked
    although the models of kfp-server-api do not know it: the block's end raises if there is any.
    """

    def __init__(self, *, release: str = "", namespaces: Collection[str] | None = None) -> None:
        """Takes a free port.

        Args:
          release: `2.5` or `2.17`, whose behaviour it has; by default what fits the installed SDK.
          namespaces: Those that the user may use in multi-user mode; None for single-user mode.
        """
        self.release = release or (NEW if api_models.knows("V2beta1Pipeline", "name") else OLD)
        self.store = Store(self.release, namespaces)
        self.requests: list[Asked] = []
        self.problems: list[str] = []
        self._lock = threading.Lock()
        self._server = make_server(
            "127.0.0.1", 0, self._serve, threaded=True, request_handler=_Quiet
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

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
        with self._lock:
            response = self._answer(request)
        return response(environ, start)

    def _answer(self, request: Request) -> Response:
        query = request.args.to_dict()
        asked = Asked(request.method, request.path, query, _body(request), "", "")
        try:
            rule, values = _ROUTES.bind_to_environ(request.environ).match(return_rule=True)
        except HTTPException as error:
            self.requests.append(asked)
            self.problems.append(f"{asked.method} {asked.path}: this server has no such route")
            return self._router_error(404 if isinstance(error, NotFound) else 501)
        asked = dataclasses.replace(asked, route=rule.endpoint)
        self.requests.append(asked)
        try:
            return _json(getattr(self, f"_{rule.endpoint}")(asked, request, **values))
        except api_models.UnknownFieldError as error:
            self.problems.append(f"{asked.method} {asked.path}: {error}")
            return self._refuse(Refusal(Code.INVALID_ARGUMENT, str(error), str(error)))
        except Refusal as refusal:
            return self._refuse(refusal)
        except api_uploads.UploadError as error:
            body = {"error_message": error.message, "error_details": error.message}
            return _json(body, error.status)

    def _refuse(self, refusal: Refusal) -> Response:
        return _json(refusal.body(with_error=self.release == OLD), refusal.code.status)

    def _router_error(self, status: int) -> Response:
        """As grpc-gateway answers what it has no route for."""
        code, words = {404: (5, "Not Found"), 501: (12, "Method Not Allowed")}[status]
        if self.release == OLD:
            return Response(f"{words}\n", status, mimetype="text/plain")
        return _json({"code": code, "message": words, "details": []}, status)

    # One method for each route

    def _healthz(self, asked: Asked, request: Request) -> Any:
        newer = {"pipeline_store": "database"} if self.release == NEW else {}
        health = api_models.made("V2beta1GetHealthzResponse", newer)
        health.multi_user = self.store.is_multi_user
        return health

    def _upload_pipeline(self, asked: Asked, request: Request) -> Any:
        outer = "Failed to create a pipeline and a pipeline version"
        with api_uploads.explained(self.release, outer, "pipeline"):
            spec = api_uploads.spec_of(request, outer)
            name = api_uploads.name_of(request, self.release)
            return self.store.create_pipeline(name, spec, asked.query, asked.user)

    def _upload_version(self, asked: Asked, request: Request) -> Any:
        outer = "Failed to create a pipeline version"
        with api_uploads.explained(self.release, outer, "pipeline"):
            spec = api_uploads.spec_of(request, outer)
            name = api_uploads.name_of(request, self.release)
            return self.store.create_version(name, spec, asked.query, asked.user)

    def _create_pipeline(self, asked: Asked, request: Request) -> Any:
        sent = api_models.read("V2beta1Pipeline", asked.body)
        return self.store.create_empty_pipeline(sent, asked.user)

    def _get_pipeline(self, asked: Asked, request: Request, key: str) -> Any:
        return self.store.get_pipeline(key, asked.user)

    def _get_pipeline_by_name(self, asked: Asked, request: Request, key: str) -> Any:
        return self.store.get_pipeline_by_name(key, asked.query, asked.user)

    def _list_pipelines(self, asked: Asked, request: Request) -> Any:
        found = self.store.list_pipelines(asked.query, asked.user)
        return _page("V2beta1ListPipelinesResponse", "pipelines", found)

    def _delete_pipeline(self, asked: Asked, request: Request, key: str) -> None:
        self.store.delete_pipeline(key, asked.query, asked.user)

    def _get_version(self, asked: Asked, request: Request, key: str, version: str) -> Any:
        return self.store.get_version(version, asked.user)

    def _list_versions(self, asked: Asked, request: Request, key: str) -> Any:
        found = self.store.list_versions(key, asked.query, asked.user)
        return _page("V2beta1ListPipelineVersionsResponse", "pipeline_versions", found)

    def _delete_version(self, asked: Asked, request: Request, key: str, version: str) -> None:
        self.store.delete_version(key, version, asked.user)

    def _create_experiment(self, asked: Asked, request: Request) -> Any:
        sent = api_models.read("V2beta1Experiment", asked.body)
        return self.store.create_experiment(sent, asked.user)

    def _get_experiment(self, asked: Asked, request: Request, key: str) -> Any:
        return self.store.get_experiment(key, asked.user)

    def _list_experiments(self, asked: Asked, request: Request) -> Any:
        found = self.store.list_experiments(asked.query, asked.user)
        return _page("V2beta1ListExperimentsResponse", "experiments", found)

    def _archive_experiment(self, asked: Asked, request: Request, key: str) -> None:
        self.store.archive_experiment(key, asked.user)

    def _unarchive_experiment(self, asked: Asked, request: Request, key: str) -> None:
        self.store.unarchive_experiment(key, asked.user)

    def _delete_experiment(self, asked: Asked, request: Request, key: str) -> None:
        self.store.delete_experiment(key, asked.user)

    def _create_run(self, asked: Asked, request: Request) -> Any:
        return self.store.create_run(api_models.read("V2beta1Run", asked.body), asked.user)

    def _get_run(self, asked: Asked, request: Request, key: str) -> Any:
        return self.store.get_run(key, asked.user)

    def _list_runs(self, asked: Asked, request: Request) -> Any:
        found = self.store.list_runs(asked.query, asked.user)
        return _page("V2beta1ListRunsResponse", "runs", found)

    def _terminate_run(self, asked: Asked, request: Request, key: str) -> None:
        self.store.terminate_run(key, asked.user)

    def _archive_run(self, asked: Asked, request: Request, key: str) -> None:
        self.store.archive_run(key, asked.user)

    def _unarchive_run(self, asked: Asked, request: Request, key: str) -> None:
        self.store.unarchive_run(key, asked.user)

    def _delete_run(self, asked: Asked, request: Request, key: str) -> None:
        self.store.delete_run(key, asked.user)

    def _create_recurring_run(self, asked: Asked, request: Request) -> Any:
        sent = api_models.read("V2beta1RecurringRun", asked.body)
        return self.store.create_recurring_run(sent, asked.user)

    def _get_recurring_run(self, asked: Asked, request: Request, key: str) -> Any:
        return self.store.get_recurring_run(key, asked.user)

    def _list_recurring_runs(self, asked: Asked, request: Request) -> Any:
        found = self.store.list_recurring_runs(asked.query, asked.user)
        return _page("V2beta1ListRecurringRunsResponse", "recurring_runs", found)

    def _enable_recurring_run(self, asked: Asked, request: Request, key: str) -> None:
        self.store.enable_recurring_run(key, asked.user, enable=True)

    def _disable_recurring_run(self, asked: Asked, request: Request, key: str) -> None:
        self.store.enable_recurring_run(key, asked.user, enable=False)

    def _delete_recurring_run(self, asked: Asked, request: Request, key: str) -> None:
        self.store.delete_recurring_run(key, asked.user)


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
    return api_models.made(model, total_size=total, next_page_token=token, **{field: items})


def _json(content: Any, status: int = 200) -> Response:
    text = api_models.json_text({} if content is None else content)
    return Response(text, status, mimetype="application/json")
