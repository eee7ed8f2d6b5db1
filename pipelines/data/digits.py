"""scikit-learn's bundled handwritten digits: 1,797 images, no network."""

import numpy as np
from PIL import Image

from modules import features
from pipelines.data.examples import Examples, from_bytes

_MAX = 16


def load() -> Examples:
    """The digits, enlarged from 8x8 to 28x28 (bicubic)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.stack(
        [
            np.asarray(
                Image.fromarray((image * (255 / _MAX)).astype(np.uint8)).resize(
                    (features.WIDTH, features.HEIGHT), Image.Resampling.BICUBIC
                )
            )
            for image in digits.images
        ]
    )
    return from_bytes(pixels, digits.target, "digits")
