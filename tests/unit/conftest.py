"""Data that several files of tests use; nothing here loads TensorFlow."""

import pytest

from pipelines.data import digits
from tests.unit.mnist_examples import Examples, read_part


@pytest.fixture(scope="session")
def all_digits() -> Examples:
    (part,) = digits.load().parts.values()
    return read_part(part)


@pytest.fixture(scope="session")
def few(all_digits: Examples) -> Examples:
    """Fifty examples with all ten labels."""
    return all_digits[:50]
