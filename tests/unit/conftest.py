"""Data that several files of tests use; nothing here loads TensorFlow."""

import pytest

from pipelines.data import digits
from pipelines.data.examples import Examples


@pytest.fixture(scope="session")
def all_digits() -> Examples:
    return digits.load()


@pytest.fixture(scope="session")
def few(all_digits: Examples) -> Examples:
    """Fifty examples with all ten labels."""
    return Examples(all_digits.images[:50], all_digits.labels[:50])
