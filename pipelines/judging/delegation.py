"""Which operators of a TFLite model run on XNNPACK, the interpreter's default delegate.

A phone runs the operators that the delegate leaves on TFLite's own kernels, which are slower.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

Operator = Mapping[str, Any]
"""One node as `tf.lite.Interpreter._get_ops_details` has it: its index, name, inputs, outputs."""


@dataclasses.dataclass(frozen=True)
class Delegation:
    """How much of a model XNNPACK takes.

    Attributes:
      operators: Names of the model's operators, in the order in which they run.
      remaining: Names of those that run without the delegate.
      dynamic: The first operator whose output has a shape that the model computes as it runs;
        None if every shape is known before.
    """

    operators: list[str]
    remaining: list[str]
    dynamic: str | None

    @property
    def delegated(self) -> int:
        """How many operators XNNPACK takes."""
        return len(self.operators) - len(self.remaining)

    def warning(self) -> str | None:
        """Which operators keep the model from a phone's speed; None if XNNPACK takes them all."""
        if not self.remaining:
            return None
        taken = f"XNNPACK takes {self.delegated} of the model's {len(self.operators)} operators"
        if not self.delegated and self.dynamic:
            return (
                f"{taken}: {self.dynamic} has an output whose shape is computed as the model runs, "
                "use a constant shape"
            )
        names = ", ".join(dict.fromkeys(self.remaining))
        return f"{taken}: TFLite's slower kernels run {names}"


def inspect(tflite_file: str) -> Delegation:
    """Load a model with and without the default delegate, and compare its operators."""
    plain = tf.lite.Interpreter(
        model_path=tflite_file,
        num_threads=1,
        experimental_op_resolver_type=(
            tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    )
    plain.allocate_tensors()
    operators = plain._get_ops_details()
    default = tf.lite.Interpreter(model_path=tflite_file, num_threads=1)
    default.allocate_tensors()
    # Delegation keeps the model's own nodes and appends a node for each part that it takes.
    parts = default._get_ops_details()[len(operators) :]
    taken = {index for part in parts for index in _covered(operators, part)}
    return Delegation(
        operators=[operator["op_name"] for operator in operators],
        remaining=[o["op_name"] for o in operators if o["index"] not in taken],
        dynamic=next((o["op_name"] for o in operators if _is_dynamic(plain, o)), None),
    )


def _covered(operators: Sequence[Operator], part: Operator) -> set[int]:
    """Indices of the operators between the inputs and the outputs of a delegate's node."""
    producers = {tensor: operator for operator in operators for tensor in operator["outputs"]}
    boundary = set(part["inputs"])
    covered: set[int] = set()
    tensors = list(part["outputs"])
    while tensors:
        tensor = tensors.pop()
        producer = producers.get(tensor)
        if tensor not in boundary and producer and producer["index"] not in covered:
            covered.add(producer["index"])
            tensors.extend(producer["inputs"])
    return covered


def _is_dynamic(interpreter: tf.lite.Interpreter, operator: Operator) -> bool:
    """Whether an output has no memory yet, although the interpreter has allocated its tensors."""
    try:
        for tensor in operator["outputs"]:
            interpreter.get_tensor(tensor)
    except ValueError:  # "Tensor data is null"
        return True
    return False
