"""Trivy over the image and the repository: a software bill of materials, and no secret."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.container.engine import ROOT, Engine

TRIVY = Path(sys.executable).with_name("trivy")
PACKAGES = "opt/tfx-mobile/lib/python3.12/site-packages"
OURS = ("cli", "kubeflow", "modules", "pipelines")
# In parts, so that this file does not hold what it looks for.
PRIVATE_KEY = (
    f"-----BEGIN RSA {'PRIVATE'} KEY-----\n{'MIIEowIBAAKCAQEAtfx' * 20}\n"
    f"-----END RSA {'PRIVATE'} KEY-----\n"
)
# Trivy passes over tests, documentation and Python's packages unless told not to.
STRICT = """\
disable-allow-rules: [tests, examples, vendor, usr-dirs, locale-dir, markdown, python]
allow-rules:
  - id: the word alone, since the account's private key is found by itself
    regex: service_account
"""
# Not of the image, and endless.
KERNEL = ("--skip-dirs", "/proc", "--skip-dirs", "/sys", "--skip-dirs", "/dev")
# No database of vulnerabilities has to be downloaded for what is asked here.
OFFLINE = ("--quiet", "--offline-scan", "--skip-version-check", "--timeout", "10m")


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    config = tmp_path / "strict.yaml"
    config.write_text(STRICT)
    return config


def _secrets(report: str) -> set[str]:
    results = json.loads(report).get("Results", [])
    return {result["Target"].lstrip("/") for result in results if result.get("Secrets")}


def _inside(engine: Engine, image: str, *arguments: str, **volumes: Path) -> str:
    """Trivy is one static program: it runs in the image itself, without a network."""
    done = engine.run(
        image,
        ["/trivy", "rootfs", *OFFLINE, *KERNEL, *arguments, "/"],
        volumes={TRIVY: "/trivy"} | {path: f"/{name}" for name, path in volumes.items()},
        # Root reads what other users may not.
        user="0",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_bill_of_materials_lists_what_matters(engine: Engine, image: str) -> None:
    bill = json.loads(_inside(engine, image, "--format", "cyclonedx"))
    names = {component["name"].replace("_", "-") for component in bill["components"]}

    assert {"tfx", "tensorflow-cpu", "tfx-mobile", "libc6"} <= names
    assert not {"pip", "uv", "g++", "gcc"} & names


def test_no_secret_in_the_image(engine: Engine, image: str, tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text(PRIVATE_KEY)
    report = _inside(
        engine,
        image,
        *("--scanners", "secret", "--format", "json"),
        # Packages of others, come with locked hashes: reading them takes minutes. Ours are below.
        *("--skip-dirs", f"/{PACKAGES}", "--skip-dirs", "/usr/local/lib"),
        planted=tmp_path,
    )

    assert _secrets(report) == {"planted/key.txt"}


def test_no_secret_in_our_packages(
    engine: Engine, image: str, tmp_path: Path, strict: Path
) -> None:
    ours = tmp_path / "ours"
    with engine.container(image) as (_, root):
        for name in OURS:
            shutil.copytree(root / PACKAGES / name, ours / name)
    (ours / "kubeflow" / "planted.py").write_text(PRIVATE_KEY)

    assert _strictly(ours, strict) == {"kubeflow/planted.py"}


def _strictly(directory: Path, strict: Path) -> set[str]:
    done = subprocess.run(
        [
            *(TRIVY, "rootfs", *OFFLINE, "--scanners", "secret", "--format", "json"),
            *("--secret-config", strict, directory),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return _secrets(done.stdout)


def test_no_secret_in_the_repository(tmp_path: Path, strict: Path) -> None:
    tracked = tmp_path / "tracked"
    subprocess.run(["git", "checkout-index", "--all", f"--prefix={tracked}/"], cwd=ROOT, check=True)
    (tracked / "tests" / "planted.txt").write_text(PRIVATE_KEY)

    assert _strictly(tracked, strict) == {"tests/planted.txt"}
