"""The client's tests inside the image, which has the other stack's SDK of KFP."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.container.engine import ROOT, Engine
from tests.container.fixtures import index

CLIENT = "tests/kubeflow/client"
LOCK = ROOT / "requirements" / "current-dev.txt"
# What the tests import and the image lacks.
PACKAGES = ("hypothesis", "iniconfig", "pytest", "pytest-timeout")
NO_GIT = "git is not installed"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The locked packages, in a directory for Python 3.12."""
    made = tmp_path_factory.mktemp("packages")
    subset = made / "requirements.txt"
    entries = re.findall(r"^([\w-]+)(==.+\n(?: +--hash=.+\n)+)", LOCK.read_text(), re.MULTILINE)
    subset.write_text("".join(name + rest for name, rest in entries if name in PACKAGES))
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("uv"), "pip", "install", "--python-version", "3.12"),
            *("--no-deps", "--require-hashes", "--target", made / "site", "-r", subset),
        ],
        # uv does not read pip's configuration.
        env=os.environ | {"UV_DEFAULT_INDEX": index()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return made / "site"


def _collected() -> int:
    """How many tests of the client this host finds."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q"]
    done = subprocess.run([*command, CLIENT], cwd=ROOT, capture_output=True, text=True)
    found = re.search(r"^(\d+) tests collected", done.stdout, re.MULTILINE)
    assert found, done.stdout[-2000:]
    return int(found[1])


# Some of these tests wait for seconds of a clock.
@pytest.mark.timeout(2400)
def test_the_client_passes_its_tests_with_the_sdk_of_the_image(
    engine: Engine, image: str, packages: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    done = engine.run(
        image,
        [
            *("python", "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"),
            *("--junitxml=/results/client.xml", CLIENT),
        ],
        volumes={
            f"{ROOT}/tests": "/src/tests:ro",
            f"{ROOT}/kubeflow/manifests": "/src/kubeflow/manifests:ro",
            f"{ROOT}/pyproject.toml": "/src/pyproject.toml:ro",
            packages: "/packages:ro",
            tmp_path: "/results",
        },
        environment={"PYTHONPATH": "/packages"},
        # One of these tests writes a kubectl of its own.
        options=("--workdir", "/src", "--tmpfs", "/tmp:exec"),
        timeout=1800,
    )

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    report = ElementTree.parse(tmp_path / "client.xml")
    assert len(list(report.iter("testcase"))) == _collected()
    assert {skipped.attrib["message"] for skipped in report.iter("skipped")} == {NO_GIT}
