"""The ladder of remedies: what is tried, one after the other, until an int8 model passes the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import inf
from typing import Final, Protocol

from digits_edge.runtime.errors import BundleError, ExportError

from ..convert.keras_model import KerasModelFile
from .attempt import Quantized, Skipped
from .fine_tuning import LEAST_PICTURES
from .scheme import Method, Scheme
from .sensitivity import LayerNoise

FEWER: Final = 512  # calibration pictures, before all are taken
ENTROPY: Final = "entropy calibration"
PERCENTILE: Final = "percentile calibration"
MORE_PICTURES: Final = "calibration with all pictures"
EQUALIZED: Final = "weights equalized across layers"
FINER_WEIGHTS: Final = "8-bit weights (U8U8)"
FLOAT_ISLANDS: Final = "the noisiest layers in float"
FINE_TUNED: Final = "quantization-aware fine-tuning"


class QuantizationBackend(Protocol):
    """What the rungs of one format need."""

    @property
    def file(self) -> str:
        """The model's name in the bundle."""

    @property
    def network(self) -> KerasModelFile:
        """What is exported."""

    @property
    def pictures(self) -> int:
        """How many there are to calibrate by."""

    @property
    def supports_mixed_precision(self) -> bool:
        """Whether the format knows several calibrations and weights, and layers that stay in float."""

    def attempt(self, rung: str, how: Scheme) -> Quantized:
        """Quantize, and ask the gate."""

    def equalized(self) -> KerasModelFile | None:
        """The network with weights of even ranges; None where no layers allow it."""

    def fine_tuned(self, network: KerasModelFile) -> KerasModelFile:
        """A network after quantization-aware fine-tuning."""

    def layers(self, how: Scheme, /) -> list[LayerNoise]:
        """Every layer with the noise that its quantization adds."""


Remedy = Callable[[QuantizationBackend, Sequence[Quantized]], Iterator[Quantized | Skipped]]


def climb(backend: QuantizationBackend, *, ladder: bool) -> Iterator[Quantized | Skipped]:
    """Attempts, rung by rung, until one passes.

    Args:
        backend: of a format.
        ladder: go on after the first rung.
    """
    how = Scheme(backend.network, pictures=min(FEWER, backend.pictures))
    tried = [backend.attempt(f"min-max calibration with {how.pictures} pictures, weights per channel", how)]
    yield tried[0]
    for name, remedy in REMEDIES.items() if ladder and tried[0].verdict.failed else ():
        try:
            for outcome in remedy(backend, tried):
                yield outcome
                if isinstance(outcome, Quantized):
                    tried.append(outcome)
                    if not outcome.verdict.failed:
                        return
        except (ExportError, BundleError) as error:  # a remedy that cannot be had is no reason to try no other
            yield Skipped(backend.file, name, str(error))


def best(tried: Sequence[Quantized]) -> Quantized:
    """What came nearest to passing; the earliest of several."""
    return min(tried, key=lambda attempt: attempt.verdict.badness)


def _entropy(backend: QuantizationBackend, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    return _calibrated(backend, tried, ENTROPY, "entropy")


def _percentile(backend: QuantizationBackend, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    return _calibrated(backend, tried, PERCENTILE, "percentile")


def _calibrated(
    backend: QuantizationBackend, tried: Sequence[Quantized], name: str, method: Method
) -> Iterator[Quantized | Skipped]:
    if backend.supports_mixed_precision:
        yield backend.attempt(name, replace(tried[0].how, method=method))
    else:
        yield Skipped(backend.file, name, "the TFLite converter knows min-max alone")


def _more_pictures(backend: QuantizationBackend, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    how = best(tried).how
    name = f"{MORE_PICTURES}, {backend.pictures}"
    if backend.pictures > how.pictures:
        yield backend.attempt(name, replace(how, pictures=backend.pictures))
    else:
        yield Skipped(backend.file, name, "those were all there are")


def _equalized(backend: QuantizationBackend, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    network = backend.equalized()
    if network is None:
        yield Skipped(backend.file, EQUALIZED, "no two layers have nothing but ReLU and pooling between them")
    else:
        yield backend.attempt(EQUALIZED, replace(best(tried).how, network=network))


def _finer_weights(backend: QuantizationBackend, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    if backend.supports_mixed_precision:
        yield backend.attempt(FINER_WEIGHTS, replace(best(tried).how, weights="8-bit"))
    else:
        yield Skipped(backend.file, FINER_WEIGHTS, "TFLite's weights have 8 bits already")


def _float_islands(backend: QuantizationBackend, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    """The noisiest layers in float, one more at a time, up to half of all."""
    if not backend.supports_mixed_precision:
        yield Skipped(backend.file, FLOAT_ISLANDS, "a full-integer TFLite model has no such islands")
        return
    how = best(tried).how
    noisy = sorted((layer for layer in backend.layers(how) if layer.snr < inf), key=lambda layer: layer.snr)
    for count in range(1, len(noisy) // 2 + 1):
        islands = noisy[:count]
        nodes = tuple(node for layer in islands for node in layer.nodes)
        yield backend.attempt(f"{', '.join(layer.name for layer in islands)} in float", replace(how, in_float=nodes))


def _fine_tuned(backend: QuantizationBackend, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    if backend.pictures < LEAST_PICTURES:
        reason = f"it needs {LEAST_PICTURES} calibration pictures, there are {backend.pictures}"
        yield Skipped(backend.file, FINE_TUNED, reason)
        return
    how = best([attempt for attempt in tried if not attempt.how.in_float]).how
    yield backend.attempt(FINE_TUNED, replace(how, network=backend.fine_tuned(how.network)))


REMEDIES: Final[dict[str, Remedy]] = {
    ENTROPY: _entropy,
    PERCENTILE: _percentile,
    MORE_PICTURES: _more_pictures,
    EQUALIZED: _equalized,
    FINER_WEIGHTS: _finer_weights,
    FLOAT_ISLANDS: _float_islands,
    FINE_TUNED: _fine_tuned,
}
