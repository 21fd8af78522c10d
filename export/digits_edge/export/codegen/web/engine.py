"""Write an int8 network as the page's scripts read it, and run those scripts in V8, without a browser."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import ExportError, MissingExtra, first_line
from digits_edge.runtime.metadata import Contract
from digits_edge.runtime.picture.mnist_form import SIDE

from ...engines.tensor_spec import Quantization
from ..int8_network import Convolution, Int8Network, Layer, Logits, MaxPool, Mean, Table
from .page import scripts
from .seams import read_seams

KINDS: Final = {Convolution: "convolution", MaxPool: "max_pool", Mean: "mean", Table: "table"}
# V8 takes and returns plain values only: pictures go in as text with a character per byte, logits come out as JSON.
CLASSIFY: Final = """
const classify = openEngine(ENGINE);
function logitsOf(text, size) {
  const answers = [];
  for (let start = 0; start < text.length; start += size) {
    answers.push(Array.from(classify(Uint8Array.from({ length: size }, (_, i) => text.charCodeAt(start + i)))));
  }
  return JSON.stringify(answers);
}
"""


def engine_of(network: Int8Network) -> dict[str, Any]:
    """A network as engine.js reads it, in plain JSON values."""
    return {"layers": [_layer(layer) for layer in network.layers]}


def model_of(network: Int8Network, contract: Contract, output: Quantization, facts: dict[str, Any]) -> dict[str, Any]:
    """All that the page knows about its model, as `page.page` takes it; `output` is the quantization of the logits.

    The page of a model that `Classifier.read` takes reads numbers, with the network that marks their boundaries.
    """
    described = contract.to_json()
    reads_numbers = contract.preprocess == "digit" and contract.shape == (SIDE, SIDE) and len(contract.labels) > 2
    return {
        **{key: described[key] for key in ("name", "labels", "preprocess", "thresholds")},
        "shape": described["input"]["shape"],
        "output": asdict(output),
        "engine": engine_of(network),
        "facts": facts,
        **({"seams": _seams()} if reads_numbers else {}),
        **_features(network, contract),
    }


def _features(network: Int8Network, contract: Contract) -> dict[str, Any]:
    """The usual length of the features, by which teaching.js tells faint ones; nothing if the last layer has places."""
    last = network.layers[-1]
    if not isinstance(last, Convolution) or last.source[:2] != (1, 1):
        return {}
    values = contract.golden.pixels.reshape(-1, *network.shape)
    for layer in network.layers[:-1]:
        values = layer(values)
    features = values.reshape(len(values), -1).astype(np.float64) - last.fill
    return {"features": {"usual": float(np.linalg.norm(features, axis=1).mean())}}


def _seams() -> dict[str, Any]:
    """The network of boundaries between digits, as seams.js reads it, in plain JSON values."""
    network, output = read_seams()
    return {"engine": engine_of(network), "output": asdict(output)}


@contextmanager
def scripts_in_v8(network: Int8Network) -> Iterator[Logits]:
    """Load the page's scripts once, to run them as often as needed in the block; ExportError if a script fails."""
    check_v8()
    from py_mini_racer import MiniRacer

    with MiniRacer() as context:  # left open, it can keep the process from ending

        def call(function: Callable[..., Any], *values: Any) -> Any:
            try:
                return function(*values)
            except Exception as error:  # whatever the scripts throw
                raise ExportError(f"the page's scripts: {first_line(error)}") from None

        def logits(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
            size, text = math.prod(pixels.shape[1:]), pixels.tobytes().decode("latin-1")
            return np.array(json.loads(call(context.call, "logitsOf", text, size)), np.int8)

        call(context.eval, f"{scripts()}\nconst ENGINE = {json.dumps(engine_of(network))};\n{CLASSIFY}")
        yield logits


def check_v8() -> None:
    """Raise MissingExtra unless V8 is installed, which runs a page's scripts."""
    if find_spec("py_mini_racer") is None:
        raise MissingExtra("mini-racer", "web", "running the scripts of a web page")


def _layer(layer: Layer) -> dict[str, Any]:
    fields: dict[str, Any] = {"kind": KINDS[type(layer)], "source": layer.source, "shape": layer.shape}
    fields |= {"kernel": layer.kernel, "stride": layer.stride, "padded": layer.padded, "fill": layer.fill}
    if isinstance(layer, Table):
        fields["entries"] = layer.entries.tolist()
    if isinstance(layer, Convolution | Mean):
        sums = layer.requantization
        fields |= {"zero": sums.zero, "low": sums.low, "high": sums.high}
        fields |= {"multipliers": [[m.value, m.shift] for m in sums.multipliers], "bias": np.ravel(layer.bias).tolist()}
    if isinstance(layer, Convolution):
        fields["weights"] = base64.b64encode(layer.weights.tobytes()).decode().rstrip("=")
    return fields
