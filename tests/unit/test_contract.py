"""What the Evaluator would misread: shapes, and probabilities in place of logits."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from modules import contract, mnist
from modules.task import Classification, Feature, Regression, Task

LOGITS = np.random.default_rng(0).normal(0, 3, (256, 10)).astype(np.float32)
REGRESSION = Task("prices", (Feature("size"),), "price", Regression("euro"))
COUNTS = (2, 3, 10, 40, 1000)


def task(classes: int) -> Task:
    names = tuple(f"class {index}" for index in range(classes))
    return Task("many", (Feature("size"),), "kind", Classification(names))


def logits(classes: int) -> np.ndarray:
    return np.random.default_rng(classes).normal(0, 3, (256, classes)).astype(np.float32)


def int8(probabilities: np.ndarray) -> np.ndarray:
    """What an int8 softmax makes of them."""
    return np.clip(np.round(probabilities * 256) / 256, 0, 255 / 256).astype(np.float32)


@pytest.mark.parametrize(
    "outputs",
    [
        LOGITS,
        np.abs(LOGITS) / LOGITS.max(),  # in [0, 1], without the sum
        LOGITS - LOGITS.mean(axis=1, keepdims=True) + 0.1,  # the sum, without the range
        log_softmax(LOGITS, axis=1),
        np.zeros_like(LOGITS),
        np.full_like(LOGITS, np.nan),  # diverged: the gate refuses it
        np.vstack([softmax(LOGITS, axis=1), LOGITS[:1]]),
    ],
    ids=["logits", "range", "sum", "log", "zeros", "nan", "one-row"],
)
def test_logits_pass(outputs: np.ndarray) -> None:
    contract.check_outputs(mnist.TASK, outputs)


@pytest.mark.parametrize("classes", COUNTS)
def test_logits_of_any_number_of_classes_pass(classes: int) -> None:
    values = logits(classes)
    for outputs in (values, np.zeros_like(values), np.abs(values) / np.abs(values).max()):
        contract.check_outputs(task(classes), outputs)


@pytest.mark.parametrize("classes", COUNTS)
@pytest.mark.parametrize("sureness", [0.01, 1, 1000])
def test_probabilities_are_refused(classes: int, sureness: float) -> None:
    probabilities = softmax(sureness * logits(classes), axis=1)
    outputs = [
        probabilities,
        probabilities.astype(np.float16).astype(np.float32),
        probabilities[:1],
    ]
    # Of a thousand classes that are as likely as each other, int8 leaves nothing.
    if int8(probabilities).any():
        outputs.append(int8(probabilities))
    for found in outputs:
        with pytest.raises(
            contract.ContractError, match="remove the softmax at the end of the model"
        ):
            contract.check_outputs(task(classes), found)


@pytest.mark.parametrize(
    ("one", "shape", "sentence"),
    [
        (
            mnist.TASK,
            (5, 3),
            r"returns \[n, 3\] for n examples, .*'mnist' takes \[n, 10\], a logit",
        ),
        (mnist.TASK, (5,), r"returns \[n\] for n examples"),
        (mnist.TASK, (5, 1, 10), r"returns \[n, 1, 10\] for n examples"),
        (REGRESSION, (5, 2), r"returns \[n, 2\] .*'prices' takes \[n, 1\], one number"),
    ],
)
def test_other_shapes_are_refused(one: Task, shape: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(contract.ContractError, match=sentence):
        contract.check_outputs(one, np.ones(shape, np.float32))


def test_a_number_may_be_anything() -> None:
    for value in (0.0, 0.5, 1.0, -3e9, np.nan):
        contract.check_outputs(REGRESSION, np.full((4, 1), value, np.float32))
