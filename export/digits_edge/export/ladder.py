"""The ladder of remedies: what is tried, one after the other, until an int8 model passes the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import BundleError, ExportError

from .engines import Engine, open_engine
from .fine_tune import LEAST_PICTURES
from .gate import Verdict
from .network import Network
from .scheme import Method, Scheme
from .sensitivity import Layer

FEWER: Final = 512  # calibration pictures, before all are taken
ENTROPY: Final = "entropy calibration"
PERCENTILE: Final = "percentile calibration"
MORE_PICTURES: Final = "calibration with all pictures"
EQUALIZED: Final = "weights equalized across layers"
FINER_WEIGHTS: Final = "8-bit weights (U8U8)"
FLOAT_ISLANDS: Final = "the noisiest layers in float"
FINE_TUNED: Final = "quantization-aware fine-tuning"


@dataclass(frozen=True, eq=False)
class Attempt:
    """A model, judged.

    Attributes:
        file: its name in the bundle.
        rung: how it was made, in words.
        data: its bytes.
        answers: float32[N, C], its probabilities for the validation pictures.
        verdict: the gate's.
    """

    file: str
    rung: str
    data: bytes
    answers: npt.NDArray[np.float32]
    verdict: Verdict

    @property
    def engine(self) -> Engine:
        """What answers for it."""
        return open_engine(self.data, self.file)

    @property
    def bytes(self) -> int:
        """What it takes up on a device."""
        return len(self.data)


@dataclass(frozen=True, eq=False)
class Quantized(Attempt):
    """An int8 model, judged.

    Attributes:
        how: it was quantized.
        in_float: what computes in float all the same, as `name (Operator)`.
    """

    how: Scheme
    in_float: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A rung that was not tried.

    Attributes:
        file: the model's name in the bundle.
        rung: what would have been tried.
        reason: why it was not.
    """

    file: str
    rung: str
    reason: str


class Workshop(Protocol):
    """What the rungs of one format need."""

    @property
    def file(self) -> str:
        """The model's name in the bundle."""

    @property
    def network(self) -> Network:
        """What is exported."""

    @property
    def pictures(self) -> int:
        """How many there are to calibrate by."""

    @property
    def choosy(self) -> bool:
        """Whether the format knows several calibrations and weights, and layers that stay in float."""

    def attempt(self, rung: str, how: Scheme) -> Quantized:
        """Quantize, and ask the gate."""

    def equalized(self) -> Network | None:
        """The network with weights of even ranges; None where no layers allow it."""

    def fine_tuned(self, network: Network) -> Network:
        """A network after quantization-aware fine-tuning."""

    def layers(self, how: Scheme, /) -> list[Layer]:
        """Every layer with the noise that its quantization adds."""


Remedy = Callable[[Workshop, Sequence[Quantized]], Iterator[Quantized | Skipped]]


def climb(workshop: Workshop, *, ladder: bool) -> Iterator[Quantized | Skipped]:
    """Attempts, rung by rung, until one passes.

    Args:
        workshop: of a format.
        ladder: go on after the first rung.
    """
    how = Scheme(workshop.network, pictures=min(FEWER, workshop.pictures))
    tried = [workshop.attempt(f"min-max calibration with {how.pictures} pictures, weights per channel", how)]
    yield tried[0]
    for name, remedy in REMEDIES.items() if ladder and tried[0].verdict.failed else ():
        try:
            for outcome in remedy(workshop, tried):
                yield outcome
                if isinstance(outcome, Quantized):
                    tried.append(outcome)
                    if not outcome.verdict.failed:
                        return
        except (ExportError, BundleError) as error:  # a remedy that cannot be had is no reason to try no other
            yield Skipped(workshop.file, name, str(error))


def best(tried: Sequence[Quantized]) -> Quantized:
    """What came nearest to passing; the earliest of several."""
    return min(tried, key=lambda attempt: attempt.verdict.badness)


def _entropy(workshop: Workshop, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    return _calibrated(workshop, tried, ENTROPY, "entropy")


def _percentile(workshop: Workshop, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    return _calibrated(workshop, tried, PERCENTILE, "percentile")


def _calibrated(
    workshop: Workshop, tried: Sequence[Quantized], name: str, method: Method
) -> Iterator[Quantized | Skipped]:
    if workshop.choosy:
        yield workshop.attempt(name, replace(tried[0].how, method=method))
    else:
        yield Skipped(workshop.file, name, "the TFLite converter knows min-max alone")


def _more_pictures(workshop: Workshop, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    how = best(tried).how
    name = f"{MORE_PICTURES}, {workshop.pictures}"
    if workshop.pictures > how.pictures:
        yield workshop.attempt(name, replace(how, pictures=workshop.pictures))
    else:
        yield Skipped(workshop.file, name, "those were all there are")


def _equalized(workshop: Workshop, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    network = workshop.equalized()
    if network is None:
        yield Skipped(workshop.file, EQUALIZED, "no two layers have nothing but ReLU and pooling between them")
    else:
        yield workshop.attempt(EQUALIZED, replace(best(tried).how, network=network))


def _finer_weights(workshop: Workshop, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    if workshop.choosy:
        yield workshop.attempt(FINER_WEIGHTS, replace(best(tried).how, weights="8-bit"))
    else:
        yield Skipped(workshop.file, FINER_WEIGHTS, "TFLite's weights have 8 bits already")


def _float_islands(workshop: Workshop, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    """The noisiest layers in float, one more at a time, up to half of all."""
    if not workshop.choosy:
        yield Skipped(workshop.file, FLOAT_ISLANDS, "a full-integer TFLite model has no such islands")
        return
    how = best(tried).how
    noisy = sorted((layer for layer in workshop.layers(how) if layer.snr < inf), key=lambda layer: layer.snr)
    for count in range(1, len(noisy) // 2 + 1):
        islands = noisy[:count]
        nodes = tuple(node for layer in islands for node in layer.nodes)
        yield workshop.attempt(f"{', '.join(layer.name for layer in islands)} in float", replace(how, in_float=nodes))


def _fine_tuned(workshop: Workshop, tried: Sequence[Quantized]) -> Iterator[Quantized | Skipped]:
    if workshop.pictures < LEAST_PICTURES:
        reason = f"it needs {LEAST_PICTURES} calibration pictures, there are {workshop.pictures}"
        yield Skipped(workshop.file, FINE_TUNED, reason)
        return
    how = best([attempt for attempt in tried if not attempt.how.in_float]).how
    yield workshop.attempt(FINE_TUNED, replace(how, network=workshop.fine_tuned(how.network)))


REMEDIES: Final[dict[str, Remedy]] = {
    ENTROPY: _entropy,
    PERCENTILE: _percentile,
    MORE_PICTURES: _more_pictures,
    EQUALIZED: _equalized,
    FINER_WEIGHTS: _finer_weights,
    FLOAT_ISLANDS: _float_islands,
    FINE_TUNED: _fine_tuned,
}
