"""`tfx-mobile upload`."""

import shutil
import subprocess
from pathlib import Path

import kfp
import pytest
import yaml

from kubeflow.client import api
from kubeflow.package import Package
from tests.kubeflow.client.api_faults import KillAt, Moment, dropped, unavailable
from tests.kubeflow.client.api_server import ApiServer
from tests.kubeflow.client.api_spec import Spec
from tests.kubeflow.client.conftest import Person, at, change
from tests.kubeflow.kustomize import MANIFESTS


def versions(server: ApiServer) -> list[str]:
    return [version.display_name for version in server.store.versions.values()]


def test_first_version(person: Person, server: ApiServer, compiled: Path) -> None:
    said = person.says(f"upload {compiled}").stdout

    digest = Package.read(compiled).digest[:12]
    (pipeline,) = server.store.pipelines.values()
    (version,) = server.store.versions.values()
    assert pipeline.display_name == "mnist"
    assert version.display_name == digest
    assert version.pipeline_spec == Package.read(compiled).spec
    assert said.splitlines() == [
        f"pipeline mnist, version {digest}: uploaded",
        f"{server.url}/#/pipelines/details/{pipeline.pipeline_id}"
        f"/version/{version.pipeline_version_id}",
    ]


def test_the_same_again_changes_nothing(person: Person, server: ApiServer, compiled: Path) -> None:
    person.says(f"upload {compiled}")
    before = len(server.requests)

    said = person.says(f"upload {compiled}").stdout

    assert "unchanged, nothing uploaded" in said
    assert {request.method for request in server.requests[before:]} == {"GET"}


def test_another_layout_is_the_same_version(
    person: Person, server: ApiServer, uploaded: Path, tmp_path: Path
) -> None:
    again = change(uploaded, tmp_path / "other.yml", lambda spec: None)
    again.write_text(f"# another comment\n{again.read_text()}")

    assert "unchanged" in person.says(f"upload {again}").stdout


def test_other_content_is_a_new_version_beside_the_old(
    person: Person, server: ApiServer, uploaded: Path
) -> None:
    change(uploaded, uploaded, lambda spec: spec["pipelineInfo"].update(description="new"))

    assert ": uploaded" in person.says(f"upload {uploaded}").stdout

    assert len(versions(server)) == 2
    assert len(server.store.pipelines) == 1


def test_a_platform_document_goes_with_it(
    person: Person, server: ApiServer, compiled: Path
) -> None:
    document = "---\nplatforms: {kubernetes: {deploymentSpec: {executors: {}}}}\n"
    compiled.write_text(compiled.read_text() + document)

    person.says(f"upload {compiled}")

    (version,) = server.store.versions.values()
    assert set(version.pipeline_spec) == {"pipeline_spec", "platform_spec"}
    assert "unchanged" in person.says(f"upload {compiled}").stdout
    assert person.says("submit").exit_code == 0


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_git_revision_is_in_the_name(person: Person, server: ApiServer, compiled: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", *identity, *arguments]
        done = subprocess.run(
            command, cwd=compiled.parent, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    revision = git("rev-parse", "--short=12", "HEAD")

    person.says(f"upload {compiled}")
    git("commit", "-q", "--allow-empty", "-m", "second")
    said = person.says(f"upload {compiled}").stdout

    assert versions(server) == [f"{Package.read(compiled).digest[:12]}-{revision}"]
    assert "unchanged" in said


def test_name_taken_by_another_pipeline(
    person: Person, server: ApiServer, compiled: Path, tmp_path: Path
) -> None:
    def theirs(spec: dict) -> None:
        for executor in spec["deploymentSpec"]["executors"].values():
            if "container" in executor:
                executor["container"]["command"] = ["python", "train.py"]

    other = change(compiled, tmp_path / "other.yaml", theirs)
    kfp.Client(host=server.url).upload_pipeline(str(other), "mnist")

    said = person.says(f"upload {compiled}", code=2)

    assert "the name mnist is taken by a pipeline that tfx-mobile did not compile" in said.stderr
    assert len(server.store.versions) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "cannot read"),
        ("", "is not what tfx-mobile compile writes"),
        ("{", "is not what tfx-mobile compile writes"),
        ("a: 1", "is not what tfx-mobile compile writes"),
        ("pipelineInfo: {name: x}", "is not what tfx-mobile compile writes"),
    ],
)
def test_what_is_no_compiled_pipeline(
    person: Person, server: ApiServer, tmp_path: Path, text: str | None, problem: str
) -> None:
    file = tmp_path / "other.yaml"
    if text is not None:
        file.write_text(text)

    assert problem in person.says(f"upload {file}", code=2).stderr
    assert not server.requests


def test_what_the_server_refuses_is_said_in_its_words(
    person: Person, server: ApiServer, compiled: Path
) -> None:
    change(compiled, compiled, lambda spec: spec.update(schemaVersion="2.0.0"))

    said = person.says(f"upload {compiled}", code=2).stderr

    assert "schema" in said.lower()


@pytest.mark.parametrize("route", ["upload_pipeline", "upload_version", "delete_version"])
@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("fault", [unavailable, dropped])
def test_an_answer_that_is_lost(server, compiled, route, is_done, fault) -> None:
    """The request was handled or was not: the outcome is the same."""
    server.faults.append(fault(route, is_done=is_done))
    patient = Person(("--host", server.url))

    patient.says(f"upload {compiled}")

    assert versions(server) == [Package.read(compiled).digest[:12]]
    assert len(server.store.pipelines) == 1


@pytest.mark.parametrize("change_number", [1, 2, 3])
@pytest.mark.parametrize("is_done", [False, True])
def test_ended_between_any_two_requests(server, compiled, change_number, is_done) -> None:
    killed = KillAt(change_number, is_done=is_done)
    server.faults.append(killed)
    at(server).says(f"upload {compiled}", code=1)
    assert killed.was_reached
    server.faults.clear()

    at(server).says(f"upload {compiled}")

    digest = Package.read(compiled).digest[:12]
    assert versions(server).count(digest) == 1
    assert set(versions(server)) <= {digest, "mnist"}
    # A run takes the version that was uploaded, not the one that KFP made by itself.
    assert f"version {digest}" in at(server).says("submit").stdout


def test_many_versions(
    person: Person, server: ApiServer, uploaded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server looks for the content; no version beside the newest is read."""
    monkeypatch.setattr(api, "_PAGE_SIZE", 2)
    first = uploaded.read_text()
    for number in range(4):
        text = str(number)
        change(uploaded, uploaded, lambda spec, t=text: spec["pipelineInfo"].update(description=t))
        person.says(f"upload {uploaded}")
    uploaded.write_text(first)
    before = len(server.asked("list_versions"))

    assert "unchanged" in person.says(f"upload {uploaded}").stdout

    assert len(server.store.versions) == 5
    assert len(server.asked("list_versions")) - before == 2


def role() -> dict[str, list[str]]:
    """What the account of the upload Job may do, by kind."""
    documents = yaml.safe_load_all((MANIFESTS / "base" / "service-account.yaml").read_text())
    (found,) = (document for document in documents if document["kind"] == "Role")
    return {kind: rule["verbs"] for rule in found["rules"] for kind in rule["resources"]}


def test_with_the_rights_of_the_upload_job(compiled: Path) -> None:
    """The Role lacks `delete`, which removing KFP's automatic version would need."""
    with ApiServer(namespaces=["team"], rights=role(), access=lambda request: "job") as server:
        job = at(server, "--namespace", "team")
        assert ": uploaded" in job.says(f"upload {compiled}").stdout
        assert "unchanged" in job.says(f"upload {compiled}").stdout
        change(compiled, compiled, lambda spec: spec["pipelineInfo"].update(description="new"))
        assert ": uploaded" in job.says(f"upload {compiled}").stdout

        digest = Package.read(compiled).digest[:12]
        assert versions(server)[0] == "mnist"
        assert versions(server)[2] == digest
        assert len(server.store.versions) == 3


@pytest.mark.parametrize("missing", ["create", "list"])
def test_each_verb_of_the_upload_job_is_needed(compiled: Path, missing: str) -> None:
    rights = {kind: [v for v in verbs if v != missing] for kind, verbs in role().items()}

    with ApiServer(namespaces=["team"], rights=rights, access=lambda request: "job") as server:
        at(server, "--namespace", "team").says(f"upload {compiled}", code=2)


@pytest.mark.parametrize("number", [1, 2])
def test_two_at_once(server: ApiServer, compiled: Path, number: int) -> None:
    """Another one uploads the same between our look-up and our request."""
    seen = []

    def other(moment: Moment) -> None:
        if not moment.is_change or moment.is_done:
            return
        seen.append(moment)
        if len(seen) == number:
            server.faults.clear()
            pipelines, uploads = server._pipelines, Spec.read(compiled.read_text())
            if not server.store.pipelines:
                pipelines.create("mnist", uploads, {}, "")
            (pipeline_id,) = server.store.pipelines
            digest = Package.read(compiled).digest[:12]
            pipelines.create_version(digest, uploads, {"pipelineid": pipeline_id}, "")

    server.faults.append(other)

    at(server).says(f"upload {compiled}")

    assert len(seen) >= number
    assert Package.read(compiled).digest[:12] in versions(server)
    assert len(versions(server)) <= 2
