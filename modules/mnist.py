"""The default task: MNIST's digits, under the names that upstream's example gives them."""

from modules.task import Classification, Feature, Picture, Task

_SIDE = 28

TASK = Task(
    name="mnist",
    features=(Feature("image_floats", (_SIDE * _SIDE,), picture=Picture(_SIDE, _SIDE, 1)),),
    label="image_class",
    head=Classification(tuple("0123456789")),
)
