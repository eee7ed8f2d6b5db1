"""The tests' API server is held to KFP's own by exchanges recorded with it: see `exchanges`."""

import contextlib
import dataclasses
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import kfp_server_api
import pytest

from tests.kubeflow.client.api_server import ApiServer
from tests.kubeflow.client.exchange import Answer, Exchange, Recorder, read
from tests.kubeflow.client.scenarios import NAMESPACE, SCENARIOS

RECORDED = Path(__file__).parent / "recorded"
RELEASES = {"2.5.0": "2.5", "2.17.0": "2.17"}
SCENARIO_OF = {one.__name__: one for some in SCENARIOS.values() for one in some}
MODELS = {
    "run_id": "V2beta1Run",
    "recurring_run_id": "V2beta1RecurringRun",
    "pipeline_version_id": "V2beta1PipelineVersion",
    "pipeline_id": "V2beta1Pipeline",
    "experiment_id": "V2beta1Experiment",
}
"""By the first of these fields that an object has."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference between the answers to some requests that is there on purpose.

    Attributes:
      reason: Why the tests' server answers otherwise.
      exchange: A regular expression of the exchanges, as `describe` has them.
      part: What differs: `message` of the body, the whole `body`, or even the `status`.
      releases: Those whose answers differ.
    """

    reason: str
    exchange: str
    part: str = "body"
    releases: tuple[str, ...] = tuple(RELEASES)

    def remove(self, answer: Answer) -> Answer:
        """The answer without what differs."""
        if self.part == "message":
            body = {key: answer.body[key] for key in set(answer.body) - {"message", "error"}}
            return Answer(answer.status, body)
        return Answer(0 if self.part == "status" else answer.status, None)


DIFFERENCES = (
    Difference(
        "It parses filters with another parser than protobuf's, whose words no client reads.",
        r'GET .*/experiments filter=({|\[\]|"x"|.*(LIKE|yesterday).*) -> 400',
    ),
    Difference(
        "It has the older server's words for a field that filters do not have.",
        r'GET .*/experiments filter=(null|.*"colour": "red".*) -> 400',
        releases=("2.17.0",),
    ),
    Difference(
        "It takes null for a filter as little as the newer server does.",
        r"GET .*/experiments filter=null -> 200",
        part="status",
        releases=("2.5.0",),
    ),
    Difference(
        "It has the newer server's words for pages that there cannot be.",
        r"GET .*/experiments page_(size=(-1|x|99999999999)|token=x) -> 400",
        releases=("2.5.0",),
    ),
    Difference(
        "It names what the models of kfp-server-api do not know, and fails the test that sent it.",
        r'POST .*(, "colour": "red"}|\["x"\]}|"tomorrow".*) -> 400',
    ),
    Difference(
        "It refuses fields that are unknown, which the older server leaves out.",
        r'POST .*, "colour": "red"} -> 200',
        part="status",
        releases=("2.5.0",),
    ),
    Difference(
        "It has the newer server's words for values of another type.",
        r'POST .*/recurringruns .*"(SOMETIMES|x)".* -> 400',
        releases=("2.5.0",),
    ),
    Difference(
        "It refuses a task's name in Argo's words for the name, not for what depends on it.",
        r"POST .*/runs .*da_ta.* -> 500",
        part="message",
    ),
    Difference(
        "It says what is missing without the server's own error around it.",
        r'POST .*/recurringruns (?!.*"pipeline_(version_reference|spec)").* -> 500',
    ),
    Difference(
        "It says who may not do what, but not through which functions of the server that went.",
        r"(?!GET .*/recurringruns/|(GET|POST) .*/experiments).* -> 40[13]|.*runs as .* -> 400",
        part="message",
    ),
    Difference(
        "It does not name the experiment that a user may not create.",
        r"POST .*/experiments .* -> 403",
    ),
    Difference(
        "It takes a pipeline without a namespace where none is given; KFP takes one of any.",
        r"GET .*/pipelines/names/mnist as .* -> 200",
    ),
    Difference(
        "It has the newer server's words for files that cannot be read; we send none.",
        r"POST .*/upload (name=(ending|part) .*|{.*) -> 400",
        releases=("2.5.0",),
    ),
    Difference(
        "To it, a pipeline whose id is missing is one that there is not.",
        r"POST .*/upload_version name=second .* -> 400",
        releases=("2.5.0",),
    ),
    Difference(
        "An empty file is a specification in no known format like any other.",
        r"POST .*/upload name=empty .*",
        part="status",
        releases=("2.17.0",),
    ),
)
"""Every other difference is a fault of the tests' server, and so is one that is here and gone."""


@pytest.mark.parametrize("name", SCENARIO_OF)
@pytest.mark.parametrize("release", RELEASES)
def test_answers(release: str, name: str) -> None:
    recorded = read(RECORDED / release / f"{name}.json")
    replayed = replay(RELEASES[release], name)

    complaints = []
    for number, (real, tested) in enumerate(zip(recorded, replayed, strict=False), 1):
        assert tested.request == real.request, f"{number}. record again: the scenario has changed"
        line = describe(real)
        theirs, ours = known(real.answer), known(tested.answer)
        expected = [
            one
            for one in DIFFERENCES
            if release in one.releases and re.fullmatch(one.exchange, line)
        ]
        if expected and theirs == ours:
            complaints.append(f"{number}. {line}: no difference any more: {expected[0].reason}")
        for difference in expected:
            theirs, ours = difference.remove(theirs), difference.remove(ours)
        if theirs != ours:
            complaints.append(f"{number}. {line}\n  real:  {theirs}\n  tests: {ours}")
    assert not complaints, "\n".join(complaints)
    assert len(replayed) == len(recorded)


@pytest.mark.parametrize("release", RELEASES)
def test_differences_were_recorded(release: str) -> None:
    files = sorted((RECORDED / release).glob("*.json"))
    lines = [describe(exchange) for file in files for exchange in read(file)]
    for one in DIFFERENCES:
        if release in one.releases:
            assert any(re.fullmatch(one.exchange, line) for line in lines), one.reason


def replay(release: str, name: str) -> list[Exchange]:
    """The exchanges of a scenario with the tests' server."""
    namespaces = [NAMESPACE] if name == "namespaces" else None
    with ApiServer(release=release, namespaces=namespaces) as server:

        def advance_clock() -> None:
            server.now += timedelta(seconds=1)

        recorder = Recorder(server.url, advance_clock)
        # An answer that lacks something ends the scenario; it is told as a difference.
        with contextlib.suppress(LookupError):
            SCENARIO_OF[name](recorder)
        server.problems.clear()
    return recorder.exchanges


def describe(exchange: Exchange) -> str:
    """The request and the status of the answer in one line."""
    request = exchange.request
    parts = [request.method, request.path, *(f"{k}={v}" for k, v in request.query.items())]
    parts += [json.dumps(request.json)] if request.json is not None else []
    parts += [f"{part}: {name} {text!r}" for part, (name, text) in request.files.items()]
    parts += [f"as {request.user}"] if request.user else []
    return f"{' '.join(parts)} -> {exchange.answer.status}"


def known(answer: Answer) -> Answer:
    """The answer without fields that the installed package does not know, and we cannot write."""

    def keep(value: Any) -> Any:
        if isinstance(value, list):
            return [keep(item) for item in value]
        if not isinstance(value, dict):
            return value
        model = next((name for key, name in MODELS.items() if key in value), "")
        fields = getattr(kfp_server_api, model).attribute_map.values() if model else value
        is_object = "created_at" in value
        return {key: keep(item) for key, item in value.items() if not is_object or key in fields}

    return Answer(answer.status, keep(answer.body))
