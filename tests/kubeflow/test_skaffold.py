"""skaffold.yaml, and the scripts that it and the Makefile call."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.container import skaffold
from tests.container.engine import ROOT
from tests.kubeflow import kubernetes_api
from tests.kubeflow.kustomize import MANIFESTS, OVERLAYS

DEPLOY = yaml.safe_load((ROOT / "skaffold.yaml").read_text(encoding="utf-8"))
BUILD = yaml.safe_load((ROOT / "build.yaml").read_text(encoding="utf-8"))
PROFILES = {profile["name"]: profile for profile in DEPLOY["profiles"]}
KIND = MANIFESTS / "kind.sh"
WAIT = MANIFESTS / "wait.sh"
TAG = f"registry.example/team/tfx-mobile:{'0f' * 32}@sha256:{'ab' * 32}"


def program(name: str) -> str:
    """A program that .ci/run brings; elsewhere the test is skipped."""
    found = shutil.which(name)
    if not found and os.environ.get("CI") != "true":
        pytest.skip(f"there is no {name} on PATH")
    assert found, f".ci/run has to bring {name}"
    return found


def test_skaffold_knows_the_configuration(tmp_path: Path) -> None:
    schema = skaffold.schema(DEPLOY["apiVersion"], tmp_path)

    jsonschema.validate(DEPLOY, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(DEPLOY | {"manifest": {}}, schema)


def test_it_builds_what_build_yaml_says() -> None:
    (required,) = DEPLOY["requires"]

    assert required == {"path": "build.yaml", "configs": [BUILD["metadata"]["name"]]}
    assert DEPLOY["apiVersion"] == BUILD["apiVersion"]
    assert "build" not in DEPLOY
    # Skaffold knows whether the cluster is on this machine, and pushes where it is not.
    assert "push" not in BUILD["build"]["local"]


def test_a_profile_for_each_overlay() -> None:
    assert set(PROFILES) == set(OVERLAYS)
    for name, profile in PROFILES.items():
        (path,) = (DEPLOY | profile)["manifests"]["kustomize"]["paths"]
        assert path == f"kubeflow/manifests/overlays/{name}"
        assert (ROOT / path / "kustomization.yaml").is_file()


def test_the_cluster_has_one_name() -> None:
    cluster = yaml.safe_load((MANIFESTS / "overlays" / "kind" / "cluster.yaml").read_text())
    (activation,) = PROFILES["kind"]["activation"]

    assert activation == {"kubeContext": f"kind-{cluster['name']}"}
    assert f"\nname={cluster['name']}\n" in KIND.read_text()


def test_a_changed_job_is_made_anew_and_waited_for() -> None:
    kubectl = DEPLOY["deploy"]["kubectl"]
    (hook,) = kubectl["hooks"]["after"]

    assert kubectl["flags"]["apply"] == ["--force"]
    assert [ROOT / word for word in hook["host"]["command"][1:]] == [WAIT]


@pytest.mark.parametrize("name", OVERLAYS)
def test_skaffold_puts_the_built_image_everywhere(name: str, tmp_path: Path) -> None:
    if not (found := shutil.which("skaffold")):
        pytest.skip("there is no skaffold on PATH")
    built = tmp_path / "built.json"
    built.write_text(f'{{"builds": [{{"imageName": "tfx-mobile", "tag": "{TAG}"}}]}}')
    command = [found, "render", "--offline=true", "--digest-source=tag", f"--profile={name}"]

    done = subprocess.run(
        [*command, f"--build-artifacts={built}"],
        cwd=ROOT,
        env=os.environ | {"HOME": str(tmp_path), "SKAFFOLD_UPDATE_CHECK": "false"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    named = re.findall(r"^\s*(?:- )?image: (.+)$", done.stdout, re.MULTILINE)
    # Three containers, and what `compile` reads.
    assert named == [TAG] * 4


def waited(api: kubernetes_api.KubernetesApi, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", WAIT],
        env={
            "PATH": f"{Path(program('kubectl')).parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "KUBECONFIG": str(api.configuration(directory / "kubectl.json")),
            "SKAFFOLD_KUBE_CONTEXT": kubernetes_api.CONTEXT,
            "SKAFFOLD_NAMESPACES": ",kubeflow",
            "SKAFFOLD_RUN_ID": "this-run",
        },
        capture_output=True,
        text=True,
    )


def test_the_deployment_ends_with_its_jobs(tmp_path: Path) -> None:
    with kubernetes_api.serving(
        {"bucket": [], "upload": []},
        {"bucket": ["SuccessCriteriaMet", "Complete"], "upload": ["SuccessCriteriaMet"]},
        {"bucket": ["SuccessCriteriaMet", "Complete"], "upload": ["Complete"]},
    ) as api:
        done = waited(api, tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert api.selectors == ["skaffold.dev/run-id=this-run"] * 3


def test_a_failed_job_fails_the_deployment(tmp_path: Path) -> None:
    with kubernetes_api.serving(
        {"bucket": ["Complete"], "upload": ["FailureTarget"]},
        {"bucket": ["Complete"], "upload": ["FailureTarget", "Failed"]},
    ) as api:
        done = waited(api, tmp_path)

    assert done.returncode == 1
    assert len(api.selectors) == 2
    assert "The Job upload failed in the namespace kubeflow. The end of its log:" in done.stderr
    assert "bucket" not in done.stderr


def test_a_deployment_without_jobs_fails(tmp_path: Path) -> None:
    with kubernetes_api.serving({}) as api:
        done = waited(api, tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("Nothing was deployed that uploads a pipeline")


def test_a_cluster_that_is_gone_fails_the_deployment(tmp_path: Path) -> None:
    with kubernetes_api.serving({}) as api:
        pass
    done = waited(api, tmp_path)

    assert done.returncode != 0
    assert "refused" in done.stderr


def called(directory: Path, action: str, **programs: str) -> subprocess.CompletedProcess[str]:
    """kind.sh where these programs, and nothing else, are on PATH."""
    for name, target in {"dirname": "dirname", **programs}.items():
        real = shutil.which(target)
        assert real
        (directory / name).symlink_to(real)
    return subprocess.run(
        ["/bin/sh", KIND, action], env={"PATH": str(directory)}, capture_output=True, text=True
    )


@pytest.mark.parametrize("action", ["up", "down"])
def test_what_is_missing_is_said_in_a_sentence(action: str, tmp_path: Path) -> None:
    done = called(tmp_path, action, docker="true", kubectl="true", git="true")

    missing = {"up": "kind, skaffold", "down": "kind"}[action]
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == (
        f"kind-{action} lacks {missing}: install what is missing and run the same command again.\n"
    )


def test_a_docker_without_its_daemon(tmp_path: Path) -> None:
    tools = dict.fromkeys(("kind", "kubectl", "git", "skaffold"), "true")

    done = called(tmp_path, "up", docker="false", **tools)

    assert done.returncode == 3
    assert done.stderr.startswith("kind-up lacks Docker's daemon: start it")
    assert done.stderr.count("\n") == 1


def test_no_cluster_is_made_for_a_typing_error(tmp_path: Path) -> None:
    done = called(tmp_path, "upp")

    assert (done.returncode, done.stderr) == (2, "usage: kind.sh up|down\n")


def test_shellcheck_has_nothing_to_say() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*.sh", ".ci/run"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    scripts = listed.stdout.split()
    command = [program("shellcheck"), "--severity=warning", "--format=gcc"]

    done = subprocess.run([*command, *scripts], cwd=ROOT, capture_output=True, text=True)
    seen = subprocess.run(
        [*command, "-"], input="#!/bin/sh\nrm $1/*\ncd x\n", capture_output=True, text=True
    )

    assert {".ci/run", "kubeflow/manifests/kind.sh"} <= set(scripts)
    assert done.stdout == ""
    assert "SC2164" in seen.stdout
