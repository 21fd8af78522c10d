"""A network in C that was built for this machine, run through ctypes: no onnxruntime is needed.

`make shared` in the folder `c` of a bundle builds it, and `shared.c` there says what is in it. Loading a library runs
what is in it, as importing a module does.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .errors import BundleError
from .files import open_regular, parse_json
from .metadata import Contract
from .network import FEATURES, PROBABILITIES

if TYPE_CHECKING:
    import numpy.typing as npt

MOST_PIECES: Final = 2**20  # of the contract's text


class CLibrary:
    """A `Network` in a library's file.

    Raises:
        BundleError: The file cannot be loaded on this machine, or does not come from a bundle's C.
    """

    __slots__ = ("_arena", "_classify", "_features", "_path", "_step", "_zero", "contract", "size")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.path.abspath(os.fsdecode(path))  # a name without a folder would be searched for elsewhere
        try:
            with open_regular(self._path) as file:
                self.size = os.fstat(file.fileno()).st_size
            library = ctypes.CDLL(self._path)
        except OSError as error:
            raise BundleError(f"{path}: cannot be loaded: {error.strerror or error}") from None
        try:
            pieces = (ctypes.c_char_p * MOST_PIECES).in_dll(library, "digits_edge_contract")
            sizes = (ctypes.c_int32 * 3).in_dll(library, "digits_edge_sizes")
            self._classify = library.digits_edge_classify
        except (AttributeError, ValueError):
            raise BundleError(
                f"{path}: expected a library that make shared builds of a bundle's C, found another one"
            ) from None
        self._classify.restype = None
        self._arena, self._features, self._zero = sizes
        try:
            described = parse_json(b"".join(takewhile(bool, pieces)))
            self.contract = Contract.from_json(described, os.fsdecode(path))
            self._step = np.float32(described["logit_step"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(f"{path}: the model's description is damaged: {error}") from None

    def run(self, outputs: Sequence[str], pixels: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        """See `Network.run`."""
        pixels = np.ascontiguousarray(pixels)
        logits = np.empty((len(pixels), len(self.contract.labels)), np.int8)
        features = np.empty((len(pixels), self._features), np.uint8)
        wanted = features.ctypes.data_as(ctypes.c_void_p) if FEATURES in outputs else None
        arena = ctypes.create_string_buffer(self._arena)
        self._classify(
            pixels.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_size_t(len(pixels)),
            logits.ctypes.data_as(ctypes.c_void_p),
            wanted,
            arena,
        )
        best = logits.max(axis=1, keepdims=True).astype(np.float32)
        powers = np.exp((logits.astype(np.float32) - best) * self._step)
        made = {PROBABILITIES: powers / powers.sum(axis=1, keepdims=True)}
        made[FEATURES] = features.astype(np.float32) - np.float32(self._zero)  # their scale does not matter
        return [made[name] for name in outputs]

    def check_features(self) -> None:
        """See `Network.check_features`."""
        if not self._features:
            raise BundleError(f"{self.contract.name}: expected a model with features, to teach it, found none in its C")

    def __reduce__(self) -> tuple[type[CLibrary], tuple[Any, ...]]:
        return type(self), (self._path,)
