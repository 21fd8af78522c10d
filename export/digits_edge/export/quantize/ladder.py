"""The ladder of remedies: what is tried, one rung after the other, until an int8 model passes the gate."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from time import monotonic
from typing import Final, TypeVar

from digits_edge.common.progress import say
from digits_edge.runtime.errors import BundleError, ExportError

from .attempt import Attempt, Quantized, Skipped
from .backends import Backend
from .clock import OutOfTime
from .fine_tuning import MIN_PICTURES
from .scheme import Method, Scheme

LONG: Final = 60  # seconds that need an announcement
FEWER: Final = 512  # calibration pictures on the first rung
ENTROPY: Final = "entropy calibration"
PERCENTILE: Final = "percentile calibration"
MORE_PICTURES: Final = "calibration with all pictures"
EQUALIZED: Final = "weights equalized across layers"
FINER_WEIGHTS: Final = "8-bit weights (U8U8)"
FLOAT_LAYERS: Final = "the noisiest layers in float"
FINE_TUNED: Final = "quantization-aware fine-tuning"

Outcomes = Iterator[Quantized | Skipped]
Remedy = Callable[[Backend, Sequence[Quantized]], Outcomes]
AnyAttempt = TypeVar("AnyAttempt", bound=Attempt)


def climb(backend: Backend, *, ladder: bool) -> Generator[Quantized | Skipped, None, Quantized]:
    """Quantize, and try remedies rung by rung until an attempt passes the gate; the first rung only without `ladder`.

    Yields:
        The outcome of each rung.

    Returns:
        The best attempt.
    """
    scheme = Scheme(backend.network, pictures=min(FEWER, backend.pictures))
    started = monotonic()
    tried = [backend.attempt(f"min-max calibration with {scheme.pictures} pictures, weights per channel", scheme)]
    yield tried[0]
    if not ladder or not tried[0].verdict.failed:
        return tried[0]
    steps = len(REMEDIES) + backend.layer_count + backend.layer_count // 2
    _announce(backend.file, steps, (monotonic() - started) * steps)
    with backend.clock.watching(f"remedies for {backend.file}", steps):
        for name, remedy in REMEDIES.items():
            if not best(tried).verdict.failed:
                break
            try:
                backend.clock.check()
                for outcome in remedy(backend, tried):
                    yield outcome
                    if isinstance(outcome, Quantized):
                        tried.append(outcome)
                        if not outcome.verdict.failed:
                            break
                    backend.clock.advance()
            except (ExportError, BundleError) as error:  # one remedy that fails is no reason not to try the next
                yield Skipped(backend.file, name, str(error), isinstance(error, OutOfTime))
    return best(tried)


def _announce(file: str, steps: int, seconds: float) -> None:
    """Say that remedies may take long."""
    if seconds > LONG:
        say(
            f"{file}: up to {steps} steps of remedies follow, which may take about {seconds / 60:.0f} min; "
            "--time-budget SECONDS ends them earlier, --no-ladder leaves them out"
        )


def best(tried: Sequence[AnyAttempt]) -> AnyAttempt:
    """The attempt that came nearest to passing; the earliest of equals."""
    return min(tried, key=lambda attempt: attempt.verdict.badness)


def _calibrated(backend: Backend, tried: Sequence[Quantized], name: str, method: Method) -> Outcomes:
    if backend.supports_mixed_precision:
        yield backend.attempt(name, replace(tried[0].scheme, method=method))
    else:
        yield Skipped(backend.file, name, "the TFLite converter has min-max calibration only")


def _more_pictures(backend: Backend, tried: Sequence[Quantized]) -> Outcomes:
    scheme = best(tried).scheme
    name = f"{MORE_PICTURES}, {backend.pictures}"
    if backend.pictures > scheme.pictures:
        yield backend.attempt(name, replace(scheme, pictures=backend.pictures))
    else:
        yield Skipped(backend.file, name, "all pictures have been used already")


def _equalized(backend: Backend, tried: Sequence[Quantized]) -> Outcomes:
    network = backend.equalized()
    if network is None:
        yield Skipped(backend.file, EQUALIZED, "no two layers have only ReLU and pooling between them")
    else:
        yield backend.attempt(EQUALIZED, replace(best(tried).scheme, network=network))


def _finer_weights(backend: Backend, tried: Sequence[Quantized]) -> Outcomes:
    if backend.supports_mixed_precision:
        yield backend.attempt(FINER_WEIGHTS, replace(best(tried).scheme, weights="8-bit"))
    else:
        yield Skipped(backend.file, FINER_WEIGHTS, "TFLite weights have 8 bits already")


def _float_layers(backend: Backend, tried: Sequence[Quantized]) -> Outcomes:
    """The noisiest layers in float, one more at a time, up to half of all layers."""
    if not backend.supports_mixed_precision:
        yield Skipped(backend.file, FLOAT_LAYERS, "a full-integer TFLite model has no float layers")
        return
    if not backend.layer_count:
        yield Skipped(backend.file, FLOAT_LAYERS, "there are too many layers to measure the noise of each")
        return
    scheme = best(tried).scheme
    noisy = sorted((layer for layer in backend.layers(scheme) if layer.snr < inf), key=lambda layer: layer.snr)
    for count in range(1, len(noisy) // 2 + 1):
        backend.clock.check()
        chosen = noisy[:count]
        nodes = tuple(node for layer in chosen for node in layer.nodes)
        yield backend.attempt(f"{', '.join(layer.name for layer in chosen)} in float", replace(scheme, in_float=nodes))


def _fine_tuned(backend: Backend, tried: Sequence[Quantized]) -> Outcomes:
    if backend.pictures < MIN_PICTURES:
        reason = f"it needs {MIN_PICTURES} calibration pictures, there are {backend.pictures}"
        yield Skipped(backend.file, FINE_TUNED, reason)
        return
    scheme = best([attempt for attempt in tried if not attempt.scheme.in_float]).scheme
    yield backend.attempt(FINE_TUNED, replace(scheme, network=backend.fine_tuned(scheme.network)))


REMEDIES: Final[dict[str, Remedy]] = {
    ENTROPY: partial(_calibrated, name=ENTROPY, method="entropy"),
    PERCENTILE: partial(_calibrated, name=PERCENTILE, method="percentile"),
    MORE_PICTURES: _more_pictures,
    EQUALIZED: _equalized,
    FINER_WEIGHTS: _finer_weights,
    FLOAT_LAYERS: _float_layers,
    FINE_TUNED: _fine_tuned,
}
