"""What these tests share, and the marker of those that need a daemon."""

import pytest

from tests.container.fixtures import engine, image

__all__ = ["engine", "image"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test that runs Docker, wherever it is."""
    for item in items:
        if "engine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.container)
            # The first of them waits for the image.
            item.add_marker(pytest.mark.timeout(1800))
