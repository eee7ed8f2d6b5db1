"""Raw examples for full integer quantization, which the Trainer has only transformed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modules import training
from modules.contract import ContractError
from modules.task import Feature, Task, transformed

Arrays = dict[str, NDArray[Any]]

_PROBES = (2.0**16, 1.0)
"""Distances at which a transform's slope is measured. The large one survives rounding; a transform
that clips has its slope at the small one only."""

_ROUNDS = 4
"""Corrections of the inverse, each of which makes a wrong slope's error smaller."""

_TOLERANCE = 0.01
"""Largest error of the inverse, absolute below 1 and relative above, in transformed values."""

_INT8_STEPS = 255
_LARGEST_STEP = 0.5
"""Largest step of int8, in standard deviations of a column."""


def find_raw(trained: training.Trained) -> Arrays:
    """Raw features `[n, size]` by name that the transform turns into the calibration examples.

    A transform can be inverted if it multiplies each value by a constant and adds a constant, as
    `modules.preprocessing` does. A column without variation becomes 0.

    Raises:
      ContractError: The transform does something else, or int8 is too coarse for a feature.
    """
    wanted = {
        feature.name: trained.calibration.features[transformed(feature.name)].numpy()
        for feature in trained.task.features
    }
    for probe in _PROBES:
        raw = _invert(trained, wanted, probe)
        differing = _differing(_apply(trained, raw), wanted)
        if not differing:
            for feature in trained.task.features:
                _check_steps(feature, raw[feature.name])
            return _typed(trained.task, raw)
    raise ContractError(
        "full integer quantization calibrates on raw examples, and those of the feature "
        f"{differing!r} do not follow from the transformed ones: let preprocessing_fn multiply "
        "and add constants only, or quantize otherwise"
    )


def _invert(trained: training.Trained, wanted: Arrays, probe: float) -> Arrays:
    """Solve for the raw values along the slope that the transform has from 0 to `probe`."""
    zero, far = (
        _apply(trained, {name: np.full((1, v.shape[1]), at) for name, v in wanted.items()})
        for at in (0.0, probe)
    )
    raw = {name: np.zeros(values.shape) for name, values in wanted.items()}
    for _ in range(_ROUNDS):
        found = _apply(trained, raw)
        for name, values in raw.items():
            slope = (far[name] - zero[name]) / probe
            gap = wanted[name] - found[name]
            values += np.divide(gap, slope, out=np.zeros_like(gap), where=slope != 0)
    return raw


def _apply(trained: training.Trained, raw: Arrays) -> Arrays:
    """What the transform makes of raw values."""
    outputs = trained.model.transform(_typed(trained.task, raw))
    return {name: outputs[transformed(name)].numpy().astype(np.float64) for name in raw}


def _typed(task: Task, raw: Arrays) -> Arrays:
    """Raw values in the types of their features."""
    return {
        feature.name: np.rint(raw[feature.name]).astype(np.int64)
        if feature.dtype == "int64"
        else raw[feature.name].astype(np.float32)
        for feature in task.features
    }


def _differing(found: Arrays, wanted: Arrays) -> str:
    """The first feature that the inverse does not give; empty if there is none."""
    for name, values in wanted.items():
        tolerance = _TOLERANCE * np.maximum(1, np.abs(values))
        if not np.all(np.abs(found[name] - values) <= tolerance):
            return name
    return ""


def _check_steps(feature: Feature, raw: NDArray[np.float64]) -> None:
    """Refuse numbers that int8 would round to nothing; it has one range for a feature, with 0.

    Raises:
      ContractError: A column varies less than a step of that range.
    """
    if feature.picture:
        return  # pixels have one range, and some hardly vary
    step = (max(raw.max(), 0) - min(raw.min(), 0)) / _INT8_STEPS
    deviations = raw.std(axis=0)
    if np.any((deviations > 0) & (deviations * _LARGEST_STEP < step)):
        raise ContractError(
            f"full integer quantization would round the feature {feature.name!r} to steps of "
            f"{step:.3g} (from {min(raw.min(), 0):.4g} to {max(raw.max(), 0):.4g}), and it has "
            f"values that vary by {deviations[deviations > 0].min():.3g} only: keep values of one "
            "size, near 0, in a feature, or quantize otherwise"
        )
