"""Writes IDX files, from the format's description rather than from the code that reads them."""

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx(file: Path, array: NDArray[np.uint8]) -> None:
    """Compressed if its name says so."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = idx_bytes(array)
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
