"""A task as plain data: what a model is given, what it predicts, and by which code.

Readers, exports, evaluation, comparison and reports ask the task instead of knowing MNIST. This
file imports nothing heavy, so that a user's own task can be loaded while a pipeline is compiled.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""A feature's name is that of a tensor: TensorFlow takes no leading underscore."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """How to show a feature as a picture.

    The feature holds the pixels row by row, the channels of a pixel side by side; a byte `b` is
    stored as `b / 255 - 0.5`.

    Attributes:
      height: In pixels.
      width: In pixels.
      channels: 1 for grey, 3 for red, green and blue.
    """

    height: int
    width: int
    channels: Literal[1, 3]

    @property
    def size(self) -> int:
        """How many values a picture has."""
        return self.height * self.width * self.channels


@dataclasses.dataclass(frozen=True)
class Feature:
    """One input of the model.

    A `tf.Example` holds its values as a flat list, and Transform sees `[batch, size]`. The TFLite
    signature takes a tensor `[batch, *shape]` of this name.

    Attributes:
      name: The key in a `tf.Example`.
      shape: Of one example, without the batch dimension.
      dtype: The type of the values.
      picture: How to show it; None for numbers.
    """

    name: str
    shape: tuple[int, ...] = (1,)
    dtype: Literal["float32", "int64"] = "float32"
    picture: Picture | None = None

    @property
    def size(self) -> int:
        """How many values one example has."""
        return math.prod(self.shape)


@dataclasses.dataclass(frozen=True)
class Classification:
    """The model predicts one class: logits float32 `[batch, classes]`, labels int64 `[batch]`.

    Attributes:
      classes: Their names; a label is an index into them.
    """

    kind: ClassVar = "classification"
    label_dtype: ClassVar = "int64"
    classes: tuple[str, ...]

    @property
    def outputs(self) -> int:
        """How many values the model predicts for an example."""
        return len(self.classes)


@dataclasses.dataclass(frozen=True)
class Regression:
    """The model predicts one number: float32 `[batch, 1]`, labels float32 `[batch]`.

    Attributes:
      unit: Of the number, for reports; may be empty.
    """

    kind: ClassVar = "regression"
    label_dtype: ClassVar = "float32"
    unit: str = ""

    @property
    def outputs(self) -> int:
        """How many values the model predicts for an example."""
        return 1


Head = Classification | Regression
"""What is predicted. All that differs between heads follows from it."""

_HEADS: dict[str, type[Classification] | type[Regression]] = {
    head.kind: head for head in (Classification, Regression)
}


@dataclasses.dataclass(frozen=True)
class Task:
    """What a model learns.

    Attributes:
      name: For the user, such as `mnist` or `photos`.
      features: The model's inputs.
      label: The key of the label in a `tf.Example`.
      head: What is predicted.
      model: Dotted path of a function that takes the task and returns a Keras model from the
        transformed features to `[batch, head.outputs]`; empty for the preset of the settings.
      preprocessing_fn: Dotted path of Transform's function; the task is its
        `custom_config["task"]`, as `to_dict` gives it.

    Raises:
      ValueError: Names that cannot be used, or nothing to learn.
    """

    name: str
    features: tuple[Feature, ...]
    label: str
    head: Head
    model: str = ""
    preprocessing_fn: str = "modules.preprocessing.preprocessing_fn"

    def __post_init__(self) -> None:
        names = [*(feature.name for feature in self.features), self.label]
        for name in names:
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"the name {name!r} of a feature is not one of letters, digits and _, or does "
                    "not begin with a letter"
                )
            # TensorFlow tells tensors apart without regard to case.
            if [other.lower() for other in names].count(name.lower()) > 1:
                raise ValueError(f"two features, or a feature and the label, are called {name!r}")
        if not self.features:
            raise ValueError(f"the task {self.name!r} has no features")
        for feature in self.features:
            if feature.size < 1:
                raise ValueError(f"the feature {feature.name!r} has no values: {feature.shape}")
            if feature.picture and feature.picture.size != feature.size:
                raise ValueError(
                    f"the feature {feature.name!r} has {feature.size} values, and its picture has "
                    f"{feature.picture.size}"
                )
        if isinstance(self.head, Classification):
            if len(self.head.classes) < 2:
                raise ValueError("a classification needs at least two classes")
            if len(set(self.head.classes)) < len(self.head.classes):
                raise ValueError("two classes have the same name")

    @property
    def pictures(self) -> Feature | None:
        """The first feature that can be shown as a picture."""
        return next((feature for feature in self.features if feature.picture), None)

    @property
    def example_bytes(self) -> int:
        """Memory that the features and the label of one example take."""
        sizes = {"float32": 4, "int64": 8}
        return 8 + sum(sizes[feature.dtype] * feature.size for feature in self.features)

    @property
    def data(self) -> "Task":
        """The same task without the code: what a dataset has to agree with."""
        return Task(self.name, self.features, self.label, self.head)

    def find_difference(self, other: "Task") -> str:
        """How the data of another task differs; empty if a model of one can learn the other.

        Returns:
          A phrase that goes on from "a dataset of another task: ".
        """
        if self.label != other.label:
            return f"its label is {other.label!r}, not {self.label!r}"
        if type(self.head) is not type(other.head):
            return f"it is for {other.head.kind}, not {self.head.kind}"
        if self.features != other.features:
            added = [_describe(f) for f in other.features if f not in self.features]
            missing = [_describe(f) for f in self.features if f not in other.features]
            if not added and not missing:
                return "its features have another order"
            return "it " + " and ".join(
                f"{verb} {', '.join(features)}"
                for verb, features in (("has", added), ("lacks", missing))
                if features
            )
        own, others = self.head, other.head
        if isinstance(own, Classification) and isinstance(others, Classification) and own != others:
            return f"its classes are {_join(others)}, not {_join(own)}"
        return ""

    def to_dict(self) -> dict[str, Any]:
        """The task as JSON has it; `from_dict` reads it."""
        return {
            "name": self.name,
            "features": [
                {
                    "name": feature.name,
                    "shape": list(feature.shape),
                    "dtype": feature.dtype,
                    "picture": dataclasses.asdict(feature.picture) if feature.picture else None,
                }
                for feature in self.features
            ],
            "label": self.label,
            "head": {"kind": self.head.kind, **_head_fields(self.head)},
            "model": self.model,
            "preprocessing_fn": self.preprocessing_fn,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Task":
        """The task that `to_dict` wrote.

        Raises:
          LookupError, TypeError, ValueError: It is damaged.
        """
        head = dict(values["head"])
        kind = _HEADS[head.pop("kind")]
        if "classes" in head:
            head["classes"] = tuple(head["classes"])
        features = tuple(
            Feature(
                feature["name"],
                tuple(feature["shape"]),
                feature["dtype"],
                Picture(**feature["picture"]) if feature["picture"] else None,
            )
            for feature in values["features"]
        )
        code = {key: values[key] for key in ("model", "preprocessing_fn") if key in values}
        return cls(values["name"], features, values["label"], kind(**head), **code)


def transformed(name: str) -> str:
    """The name under which Transform emits a feature, as upstream's example has it."""
    return f"{name}_xf"


def _head_fields(head: Head) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in dataclasses.asdict(head).items()
    }


def _describe(feature: Feature) -> str:
    return f"{feature.name} ({feature.dtype} {'x'.join(map(str, feature.shape))})"


def _join(head: Classification) -> str:
    shown = list(head.classes[:10])
    more = len(head.classes) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
