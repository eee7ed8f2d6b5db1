"""Names of classes."""

import itertools
import random

import pytest

from modules import mnist
from modules.task import Feature, Regression, Task
from pipelines.data import classes
from pipelines.errors import DataError


def test_natural_order() -> None:
    ordered = ["", "1", "2", "9", "10", "a", "a1b", "a2", "A10", "a10b2", "a10b10", "b"]
    shuffled = list(ordered)
    for seed in range(100):
        random.Random(seed).shuffle(shuffled)
        assert classes.in_order(shuffled) == tuple(ordered)


def test_names_that_differ_in_zeros_or_case_have_one_order() -> None:
    names = ["1", "01", "A", "a"]
    for mixed in itertools.permutations(names):
        assert classes.in_order(mixed) == ("01", "1", "A", "a")


def test_each_name_is_one_class() -> None:
    assert classes.in_order(["b", "a", "b"]) == ("a", "b")


def test_classes_of_a_task() -> None:
    assert classes.of_task(mnist.TASK) == classes.OF_MNIST == tuple("0123456789")
    with pytest.raises(DataError, match="the task price predicts a number, and images in folders"):
        classes.of_task(Task("price", (Feature("x"),), "y", Regression()))
