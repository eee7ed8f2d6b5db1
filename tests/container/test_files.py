"""The Dockerfile, what the build sees of the checkout, and Skaffold's configuration."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.container import skaffold
from tests.container.engine import ROOT, Engine

BUILD = yaml.safe_load((ROOT / "build.yaml").read_text(encoding="utf-8"))
ALLOWED = {
    *("LICENSE", "README.md", "pyproject.toml"),
    *("cli", "docker", "kubeflow", "modules", "pipelines", "requirements"),
}


def _hadolint(text: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("hadolint")
    return subprocess.run([program, "-"], input=text, capture_output=True, text=True)


def test_hadolint_has_nothing_to_say():
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert _hadolint(dockerfile).stdout == ""
    assert "DL3002" in _hadolint(dockerfile.replace("USER 1000", "USER root")).stdout


def test_the_dockerfile_needs_no_newer_frontend():
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert "# syntax=" not in dockerfile
    assert "<<" not in dockerfile
    assert "--link" not in dockerfile


def test_the_build_sees_only_what_it_needs(engine: Engine, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    subprocess.run(
        ["git", "checkout-index", "--all", f"--prefix={checkout}/"], cwd=ROOT, check=True
    )
    shutil.copy(ROOT / ".dockerignore", checkout)
    for stray in (
        ".git/config",
        ".venv/bin/python",
        "demo/report.json",
        "kubeflow/.env",
        "key.pem",
    ):
        (checkout / stray).parent.mkdir(parents=True, exist_ok=True)
        (checkout / stray).write_text("stray")
    (checkout / "cli/__pycache__").mkdir()
    (checkout / "cli/__pycache__/main.cpython-312.pyc").write_bytes(b"stray")
    (checkout / "Dockerfile").write_text("FROM scratch\nCOPY . /context\n")

    engine.docker("build", "--tag", "context", str(checkout))
    container = engine.docker("create", "context", "nothing").stdout.strip()
    engine.docker("cp", f"{container}:/context", str(tmp_path / "seen"))
    engine.docker("rm", container)
    engine.docker("image", "rm", "context")

    seen = {
        str(path.relative_to(tmp_path / "seen"))
        for path in (tmp_path / "seen").rglob("*")
        if path.is_file()
    }
    assert {path.split("/")[0] for path in seen} == ALLOWED
    assert {path for path in seen if path.startswith("requirements/")} == {
        f"requirements/{path.name}" for path in (ROOT / "requirements").glob("*.txt")
    }
    assert [path for path in seen if path.endswith((".pyc", ".env", ".pem"))] == []


def test_skaffold_builds_what_make_builds():
    script = (ROOT / "docker" / "build.sh").read_text(encoding="utf-8")
    (artifact,) = BUILD["build"]["artifacts"]

    assert BUILD["kind"] == "Config"
    assert BUILD["metadata"]["name"] == "image"
    assert set(BUILD) == {"apiVersion", "kind", "metadata", "build"}
    assert artifact["image"] == re.search(r"IMAGE:-(\S+?):", script)[1]
    assert (ROOT / artifact["docker"]["dockerfile"]).is_file()
    assert set(artifact["docker"]["buildArgs"]) == set(re.findall(r'--build-arg "(\w+)=', script))
    (secret,) = artifact["docker"]["secrets"]
    assert f"--secret id={secret['id']},env={secret['env']}" in script
    (platform,) = BUILD["build"]["platforms"]
    assert f"--platform {platform}" in script


def test_skaffold_finds_version_and_revision():
    arguments = BUILD["build"]["artifacts"][0]["docker"]["buildArgs"]

    def run(template: str) -> str:
        # {{cmd "program" "argument" ...}}, where Go quotes as JSON does.
        assert template.startswith("{{cmd ")
        command = [json.loads(word) for word in re.findall(r'"(?:[^"\\]|\\.)*"', template)]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", run(arguments["VERSION"]))
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", run(arguments["REVISION"]))


def test_skaffold_knows_the_configuration(tmp_path: Path) -> None:
    schema = skaffold.schema(BUILD["apiVersion"], tmp_path)

    jsonschema.validate(BUILD, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(BUILD | {"builds": {}}, schema)


def test_without_docker_one_sentence_says_so():
    done = subprocess.run(
        ["sh", ROOT / "docker" / "build.sh"],
        env=os.environ | {"DOCKER": "no-such-docker"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == (
        "There is no no-such-docker to build the image with: "
        "install Docker, or give its client as DOCKER=.\n"
    )
