"""An int8 network as the page's scripts read it, and those scripts run outside a browser."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import ExportError, MissingExtra, first_line
from digits_edge.runtime.metadata import Contract

from ...engines.tensor_spec import Quantization
from ..int8_network import Convolution, Int8Network, Layer, MaxPool, Mean, Table
from .page import scripts

KINDS: Final = {Convolution: "convolution", MaxPool: "max_pool", Mean: "mean", Table: "table"}
# Pictures come as text of one character a byte, logits go as JSON: what V8 is given and gives are plain values.
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
    """The network as engine.js reads it, in plain JSON values."""
    return {"layers": [_layer(layer) for layer in network.layers]}


def model_of(network: Int8Network, contract: Contract, output: Quantization, facts: dict[str, Any]) -> dict[str, Any]:
    """All that the page knows of its model, as `web_page.page` takes it.

    Args:
        network: of an int8 TFLite model.
        contract: labels, form and thresholds.
        output: quantization of the logits.
        facts: for the foot.
    """
    described = contract.to_json()
    return {
        **{key: described[key] for key in ("name", "labels", "preprocess", "thresholds")},
        "shape": described["input"]["shape"],
        "output": asdict(output),
        "engine": engine_of(network),
        "facts": facts,
    }


def run_scripts(network: Int8Network, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """Logits int8[N, C] of uint8[N, H, W] or uint8[N, H, W, 3], by the page's scripts in V8.

    Raises:
        MissingExtra: V8 is not installed.
        ExportError: a script failed.
    """
    check_v8()
    from py_mini_racer import MiniRacer

    size = math.prod(pixels.shape[1:])
    with MiniRacer() as context:  # left open, it can keep the process from ending
        try:
            context.eval(f"{scripts()}\nconst ENGINE = {json.dumps(engine_of(network))};\n{CLASSIFY}")
            answers = context.call("logitsOf", pixels.tobytes().decode("latin-1"), size)
        except Exception as error:  # whatever the scripts throw
            raise ExportError(f"the page's scripts: {first_line(error)}") from None
    return np.array(json.loads(answers), np.int8)


def check_v8() -> None:
    """Make sure that a page's scripts can be run here.

    Raises:
        MissingExtra: V8 is not installed.
    """
    if find_spec("py_mini_racer") is None:
        raise MissingExtra("mini-racer", "web", "running the scripts of a web page")


def _layer(layer: Layer) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": KINDS[type(layer)], "source": layer.source, "shape": layer.shape}
    told |= {"kernel": layer.kernel, "stride": layer.stride, "padded": layer.padded, "fill": layer.fill}
    if isinstance(layer, Table):
        told["entries"] = layer.entries.tolist()
    if isinstance(layer, Convolution | Mean):
        result = layer.result
        told |= {"zero": result.zero, "low": result.low, "high": result.high}
        told |= {"multipliers": [[m.value, m.shift] for m in result.multipliers], "bias": np.ravel(layer.bias).tolist()}
    if isinstance(layer, Convolution):
        told["weights"] = base64.b64encode(layer.weights.tobytes()).decode().rstrip("=")
    return told
