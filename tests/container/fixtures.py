"""The engine and the image, made once a session; a conftest.py imports these names to have them.

A fixture that two conftest.py import is two to pytest: what is made lies in this module instead.
"""

import functools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.container.engine import Engine, obstacle

# The user name in the address of the package index that the build is told: nothing of it may be
# found in the image.
MARKER = "tfx-mobile-index-user"
_running: list[Engine] = []


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A running Docker daemon that has the stand-in for the image's base."""
    if _running:
        yield _running[0]
        return
    if why := obstacle():
        # In CI a skipped test would be one that nobody misses.
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    with Engine() as started:
        started.base()
        _running.append(started)
        yield started
        _running.clear()


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """Reference of the image, built with `make image`."""
    return _build(engine)


@functools.cache
def _build(engine: Engine) -> str:
    started = time.monotonic()
    reference = engine.build("tfx-mobile:test", environment={"PIP_INDEX_URL": index()})
    size = int(engine.docker("image", "inspect", "--format", "{{.Size}}", reference).stdout)
    seconds = time.monotonic() - started
    # Past pytest's capture: the figures belong into every log.
    print(f"image: {size / 1e9:.2f} GB, made in {seconds:.0f} s", file=sys.__stderr__)
    return reference


def index() -> str:
    """The package index of this host, with a user name where it has none."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    configured = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    address = urlsplit(os.environ.get("PIP_INDEX_URL") or configured or "https://pypi.org/simple")
    if not address.username:
        address = address._replace(netloc=f"{MARKER}:{MARKER}@{address.netloc}")
    return address.geturl()
