"""Logits and probabilities."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from modules import contract

LOGITS = np.random.default_rng(0).normal(0, 3, (256, 10)).astype(np.float32)


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
    contract.check_logits(outputs)


@pytest.mark.parametrize(
    "outputs",
    [
        softmax(LOGITS, axis=1),
        softmax(1000 * LOGITS, axis=1),
        softmax(LOGITS, axis=1).astype(np.float16).astype(np.float32),
        np.clip(np.round(softmax(LOGITS, axis=1) * 256) / 256, 0, 255 / 256),
        softmax(LOGITS[:1], axis=1),
    ],
    ids=["softmax", "sure", "float16", "int8", "one-row"],
)
def test_probabilities_are_refused(outputs: np.ndarray) -> None:
    with pytest.raises(contract.ContractError, match="remove the softmax at the end of the model"):
        contract.check_logits(outputs)
