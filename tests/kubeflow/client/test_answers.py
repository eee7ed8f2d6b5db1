"""What answers at the address of Kubeflow Pipelines without being it, or out of order."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kubeflow.answers import Answer, Request, json_text, page, serving
from tests.kubeflow.client.conftest import Person

RUN_ID = "11111111-1111-1111-1111-111111111111"
COMMANDS = (
    "runs list",
    f"runs show {RUN_ID}",
    f"runs cancel {RUN_ID}",
    f"runs logs-hint {RUN_ID} transform",
    f"report {RUN_ID} -o {{directory}}",
    "submit",
    "upload {compiled}",
    "schedule list",
    "schedule apply --file {schedules}",
)
FOREIGN = {
    "page": page(),
    "list": json_text("[]"),
    "null": json_text("null"),
    "object": json_text("{}"),
    "number": json_text("17"),
    "nothing": Answer(),
    "204": Answer("204 No Content", length=-1),
    "302-nowhere": Answer("302 Found"),
    "302-loop": Answer("302 Found", headers=("Location: /x",)),
    "102": Answer(raw=b"HTTP/1.1 102 Processing\r\n\r\n"),
    "no-http": Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n"),
    "no-gzip": Answer(body=b"abc", headers=("Content-Encoding: gzip",)),
    "no-text": Answer(body=b"\xff\xfe{", content_type="application/json"),
    "truncated": json_text('{"pipelines": [{"pipel'),
    "shorter-than-its-length": Answer(body=b'{"a":', length=100, content_type="application/json"),
    "400-list": json_text("[]", "400 Bad Request"),
    "400-types": json_text('{"message": 3, "details": 7}', "400 Bad Request"),
    "404-types": json_text('{"message": [3], "details": ["x"]}', "404 Not Found"),
    "500-null": json_text("null", "500 Internal Server Error"),
}
LISTS = ("pipelines", "pipeline_versions", "runs", "recurring_runs", "experiments")
TIMES = '{"pipeline_id": "p", "run_id": "r", "recurring_run_id": "r", "created_at": "yesterday"}'
AFTER_HEALTH = {
    "null": "null",
    "list": "[]",
    "no-lists": ", ".join(f'"{name}": 3' for name in LISTS),
    "numbers": ", ".join(f'"{name}": [3]' for name in LISTS),
    "nulls": ", ".join(f'"{name}": [null]' for name in LISTS),
    "no-fields": ", ".join(f'"{name}": [{{}}]' for name in LISTS),
    "times": ", ".join(f'"{name}": [{TIMES}]' for name in LISTS) + f", {TIMES.strip('{}')}",
    "same-page": '"next_page_token": "a"',
}


def one_sentence(
    choose: Answer | Callable[[Request], Answer], command: str, tmp_path: Path, compiled: Path
) -> str:
    schedules = tmp_path / "schedules.yaml"
    schedules.write_text("schedules: [{name: nightly, cron: 0 0 3 * * *}]\n")
    command = command.format(directory=tmp_path, compiled=compiled, schedules=schedules)
    with serving(choose) as server:
        person = Person(("--host", server.endpoint, "--set", "cluster.retry_seconds=0"))
        result = person.fails(command)
        assert len(server.requests) < 50
    assert not (tmp_path / "report.json").exists()
    assert server.endpoint in result.stderr
    assert "unexpected" not in result.stderr
    return result.stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", FOREIGN)
def test_another_server(name: str, command: str, tmp_path: Path, compiled: Path) -> None:
    one_sentence(FOREIGN[name], command, tmp_path, compiled)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", AFTER_HEALTH)
def test_answers_that_cannot_be_read(
    name: str, command: str, tmp_path: Path, compiled: Path
) -> None:
    text = AFTER_HEALTH[name]
    answer = json_text(text if text in ("null", "[]") else f"{{{text}}}")

    def choose(request: Request) -> Answer:
        return json_text('{"multi_user": false}') if "healthz" in request.path else answer

    one_sentence(choose, command, tmp_path, compiled)
