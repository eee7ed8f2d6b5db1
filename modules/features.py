"""The two features of an example, under the names upstream's MNIST example gives them."""

IMAGE = "image_floats"
"""float32 `[784]`: the 28x28 pixels of one image, row by row, in [-0.5, 0.5]."""

LABEL = "image_class"
"""int64 scalar: the digit, 0..9."""

HEIGHT = WIDTH = 28
PIXELS = HEIGHT * WIDTH
CLASSES = 10


def transformed(name: str) -> str:
    """The name under which Transform emits a feature, as upstream's example has it."""
    return f"{name}_xf"
