"""What these tests share, and the marker of those that need a daemon."""

import pytest

from tests.container.fixtures import engine, image
from tests.scheduling import WITH_IMAGE

__all__ = ["engine", "image"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test that runs Docker, wherever it is.

    Raises:
      UsageError: It is where another process would build the image once more.
    """
    for item in items:
        if "engine" in getattr(item, "fixturenames", ()):
            if not item.nodeid.startswith(WITH_IMAGE):
                raise pytest.UsageError(f"{item.nodeid} is not in {', '.join(WITH_IMAGE)}")
            item.add_marker(pytest.mark.container)
            # The first of them waits for the image.
            item.add_marker(pytest.mark.timeout(1800))
