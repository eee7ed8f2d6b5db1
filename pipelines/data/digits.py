"""scikit-learn's bundled handwritten digits: 1,797 images, no network."""

import numpy as np
from PIL import Image

from modules import mnist
from pipelines.data.byte_pictures import BytePictures
from pipelines.data.source import WHOLE, Source

_MAX = 16
_SIDE = 28


def load() -> Source:
    """The digits, enlarged from 8x8 to 28x28 (bicubic)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.stack(
        [
            np.asarray(
                Image.fromarray((image * (255 / _MAX)).astype(np.uint8)).resize(
                    (_SIDE, _SIDE), Image.Resampling.BICUBIC
                )
            )
            for image in digits.images
        ]
    )
    part = BytePictures("digits", mnist.TASK, pixels, digits.target)
    return Source("digits", mnist.TASK, {WHOLE: part}, ["bundled with scikit-learn"])
