"""What every test shares."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

import modules  # noqa: F401  (chooses the Keras that TensorFlow loads, before a test imports it)

if TYPE_CHECKING:
    from tests.browser import Browser

# A test is the same every time it runs: a failure in CI is one at the desk.
hypothesis.settings.register_profile(
    "same", derandomize=True, deadline=None, database=None, max_examples=100
)
hypothesis.settings.load_profile("same")

# Servers in tests are on this machine, whatever proxy it uses.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a case of bytes after its argument: serialized maps have another order in each process,
    and pytest-xdist wants the same names in all of them."""
    return argname if isinstance(val, bytes) else None


@pytest.hookimpl(optionalhook=True)  # the image has no pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Distribute the tests over pytest-xdist's processes."""
    from tests.scheduling import ImageInOneProcess

    return ImageInOneProcess(config, log)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Headless Chromium; CI must have it."""
    from tests.browser import Browser, executable

    if executable() is None and os.environ.get("CI") != "true":
        pytest.skip("no Chromium is installed")
    assert executable(), "CI needs Chromium"
    with Browser() as running:
        yield running


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """Where a test leaves what a person may want to look at."""
    directory = Path(os.environ.get("TFX_MOBILE_TEST_ARTIFACTS") or tmp_path)
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture
def anyones() -> Iterator[Path]:
    """A directory that every user may enter, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)
