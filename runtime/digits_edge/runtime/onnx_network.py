"""A network in ONNX, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import BundleError, reason_of
from .ort import ORT_ERRORS
from .session import SessionSettings, check_features, has_threads, open_session, read_contract

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import onnxruntime


class OnnxNetwork:
    """A `Network` in a model's bytes; `where` names it in messages."""

    __slots__ = ("__weakref__", "_model", "_session", "contract", "settings")

    _session: onnxruntime.InferenceSession | None  # None in a forked child until it is needed

    def __init__(self, model: bytes, where: str, settings: SessionSettings) -> None:
        self._model = model
        self.settings = settings
        self.contract = read_contract(self._open(where), where)

    @property
    def size(self) -> int:
        """Bytes of the model."""
        return len(self._model)

    def run(self, outputs: Sequence[str], pixels: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        """See `Network.run`; a BundleError says what onnxruntime does."""
        name = self.contract.name
        session = self._session or self._open(name)
        try:
            made: list[npt.NDArray[np.float32]] = session.run(outputs, {"image": pixels})
        except ORT_ERRORS as error:
            if type(error) not in ORT_ERRORS:  # raised by the program around us, such as by a signal handler
                raise
            raise BundleError(f"{name}: onnxruntime cannot run it: {reason_of(error)}") from None
        for output, values in zip(outputs, made, strict=True):
            if len(values) != len(pixels):
                raise BundleError(f"{name}: expected {output} of {len(pixels)} pictures, received {len(values)}")
        return made

    def check_features(self) -> None:
        """See `Network.check_features`."""
        check_features(self._session or self._open(self.contract.name), self.contract.name)

    def __reduce__(self) -> tuple[type[OnnxNetwork], tuple[Any, ...]]:
        if self.settings.session_options is not None:  # a copy without them would silently run otherwise
            raise TypeError(
                "a Classifier with session_options of its own cannot be pickled, since onnxruntime.SessionOptions "
                "cannot: load it in each process, or give threads= and providers= instead"
            )
        return type(self), (self._model, self.contract.name, self.settings)

    def _open(self, where: str) -> onnxruntime.InferenceSession:
        self._session = session = open_session(self._model, where, self.settings)
        if has_threads(session):
            from .fork_safety import owners

            owners.add(self)
        return session
