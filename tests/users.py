"""Functions run as a user whom permissions bind."""

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")
_NOBODY = 65534


def as_ordinary_user(function: Callable[[], T]) -> T:
    """Runs it as `nobody` where these tests run as root, for whom no permission is denied."""
    if os.getuid() != 0:
        return function()
    try:
        os.setresuid(_NOBODY, _NOBODY, 0)
    except OSError:
        pytest.skip("root here may not become another user")
    try:
        return function()
    finally:
        os.setresuid(0, 0, 0)
