"""What is in the image, and what is not."""

import importlib.metadata
import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.container.engine import ROOT, Engine
from tests.container.fixtures import index

MAX_BYTES = 2_400_000_000
PACKAGES = "opt/tfx-mobile/lib/python3.12/site-packages"
OURS = ("cli", "kubeflow", "modules", "pipelines")
VERSION = importlib.metadata.version("tfx-mobile")
# Everything below runs inside the container.
LOOK = """
import importlib.metadata, importlib.util, json, pathlib, sys, sysconfig
uncompiled, stale, compiled = [], [], 0
for root in {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")}:
    for source in pathlib.Path(root).rglob("*.py"):
        bytecode = pathlib.Path(importlib.util.cache_from_source(source))
        if bytecode.exists():
            compiled += 1
            # 1: never compared with its source, whose time may change.
            if bytecode.read_bytes()[4:8] != b"\\1\\0\\0\\0":
                stale.append(str(source))
            continue
        try:
            compile(source.read_bytes(), source, "exec")
        except (SyntaxError, ValueError):
            continue
        uncompiled.append(str(source))
print(json.dumps({
    "python": sys.executable,
    "packages": {d.name: d.version for d in importlib.metadata.distributions()},
    "compiled": compiled,
    "uncompiled": uncompiled,
    "stale": stale,
    "found": [n for n in ("pip", "ensurepip", "uv", "pytest") if importlib.util.find_spec(n)],
}))
"""


@pytest.fixture(scope="module")
def inside(engine: Engine, image: str) -> dict:
    """What the interpreter in the image says of itself."""
    done = engine.run(image, ["python", "-W", "ignore", "-c", LOOK])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def inspected(engine: Engine, image: str) -> dict:
    return json.loads(engine.docker("image", "inspect", image).stdout)[0]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_it_is_small(inspected):
    assert inspected["Size"] <= MAX_BYTES


def test_what_it_says_of_itself(inspected):
    labels = inspected["Config"]["Labels"]

    assert labels["org.opencontainers.image.title"] == "tfx-mobile"
    assert labels["org.opencontainers.image.description"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] == VERSION
    revision = labels["org.opencontainers.image.revision"].removesuffix("-dirty")
    assert len(revision) == 40
    subprocess.run(["git", "cat-file", "-e", f"{revision}^{{commit}}"], cwd=ROOT, check=True)
    assert inspected["Config"]["User"] == "1000"
    assert inspected["Config"]["Entrypoint"] == ["tfx-mobile"]


def test_packages_are_the_locked_ones(inside):
    lock = (ROOT / "requirements" / "current.txt").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([\w.\-]+)==([\w.]+)", lock, re.MULTILINE))

    found = {_canonical(name): version for name, version in inside["packages"].items()}
    assert found == {_canonical(k): v for k, v in locked.items()} | {"tfx-mobile": VERSION}


def test_python_is_the_one_of_the_environment(inside):
    assert inside["python"] == "/opt/tfx-mobile/bin/python"


def test_every_module_has_bytecode_that_needs_no_source(inside):
    assert inside["compiled"] > 10_000
    assert inside["uncompiled"] == []
    assert inside["stale"] == []


def test_nothing_to_build_with(engine, image, inside):
    tools = ("gcc", "g++", "cc", "c++", "ld", "make", "uv", "pip", "pip3", "pip3.12")
    script = 'for t in "$@"; do command -v "$t"; done; echo end'
    done = engine.run(image, ["sh", "-c", script, "sh", *tools, "python"])

    assert done.stdout.split() == ["/opt/tfx-mobile/bin/python", "end"]
    assert inside["found"] == []
    with engine.container(image) as (_, root):
        caches = [path for path in (".cache", ".local") if (root / "root" / path).exists()]
        assert caches == []
        assert not (root / "build").exists()


def test_of_the_project_only_its_packages(engine, image):
    with engine.container(image) as (_, root):
        packages = root / PACKAGES
        owned = importlib.metadata.PathDistribution(packages / f"tfx_mobile-{VERSION}.dist-info")
        files = [Path(str(file)) for file in owned.files or []]
        top = {file.parts[0] for file in files if file.suffix == ".py"}
        assert top == set(OURS)
        for name in OURS:
            tracked = subprocess.run(
                ["git", "ls-files", "--", f"{name}/*.py", f"{name}/*.j2"],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()
            assert {Path(file) for file in tracked if (ROOT / file).exists()} <= set(files)
        direct = owned.read_text("direct_url.json") or "{}"
        assert str(ROOT) not in direct


def test_the_index_and_its_password_are_nowhere(engine, image, tmp_path):
    address = urlsplit(index())
    wanted = {address.username or ""}
    if address.hostname != "pypi.org":
        # The name of PyPI itself is in the metadata of many a package.
        wanted.add(address.hostname or "")
    assert all(len(word) > 3 for word in wanted)
    patterns = [word for name in wanted for word in ("-e", name)]
    planted = tmp_path / "planted"
    planted.write_text(f"index-url = {address.geturl()}")

    told = engine.docker("history", "--no-trunc", image).stdout
    told += engine.docker("image", "inspect", image).stdout
    assert not [word for word in wanted if word in told]
    with engine.container(image) as (_, root):
        places = [root / place for place in ("etc", "opt", "root", "home", "usr", "var", "tmp")]
        # The stand-in for the base knows this host's apt sources, which may be the same mirror.
        done = subprocess.run(
            ["grep", "-rlF", "--devices=skip", "--exclude-dir=apt", *patterns, *places, planted],
            capture_output=True,
            text=True,
        )
    assert done.stdout.splitlines() == [str(planted)]
