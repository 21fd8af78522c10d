"""From an int8 TFLite model to the page that runs it, and the page's own scripts run outside a browser."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.contract import Contract
from digits_edge.runtime.errors import ExportError, MissingExtra, first_line

from .form import Quantization
from .int8 import Convolution, Int8Network, Layer, MaxPool, Mean, Table, padded
from .web_page import page, scripts

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


def web_page(network: Int8Network, contract: Contract, output: Quantization, facts: dict[str, Any]) -> bytes:
    """The page.

    Args:
        network: of an int8 TFLite model.
        contract: labels, form and thresholds.
        output: quantization of the logits.
        facts: for the foot, as `web_page.page` has them.
    """
    described = contract.to_json()
    return page(
        {
            "name": contract.name,
            "labels": described["labels"],
            "shape": described["input"]["shape"],
            "preprocess": contract.preprocess,
            "thresholds": described["thresholds"],
            "output": {"scale": output.scale, "zero_point": output.zero_point},
            "engine": engine_of(network),
            "facts": facts,
        }
    )


def run_scripts(network: Int8Network, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int8]:
    """Logits int8[N, C] of uint8[N, H, W] or uint8[N, H, W, 3], by the page's scripts in V8.

    Raises:
        MissingExtra: V8 is not installed.
        ExportError: a script failed.
    """
    size = int(np.prod(pixels.shape[1:]))
    with require_v8()() as context:  # left open, it can keep the process from ending
        try:
            context.eval(f"{scripts()}\nconst ENGINE = {json.dumps(engine_of(network))};\n{CLASSIFY}")
            answers = context.call("logitsOf", pixels.tobytes().decode("latin-1"), size)
        except Exception as error:  # whatever the scripts throw
            raise ExportError(f"the page's scripts: {first_line(error)}") from None
    return np.array(json.loads(answers), np.int8)


def require_v8() -> Any:
    """The class whose contexts run scripts.

    Raises:
        MissingExtra: V8 is not installed.
    """
    try:
        from py_mini_racer import MiniRacer
    except ImportError:
        raise MissingExtra("mini-racer", "web", "running the scripts of a web page") from None
    return MiniRacer


def _layer(layer: Layer) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": KINDS[type(layer)], "source": layer.source, "shape": layer.shape}
    if isinstance(layer, Table):
        return told | {"entries": layer.entries.tolist()}
    told |= {"kernel": layer.kernel, "stride": layer.stride, "padded": padded(layer), "fill": layer.fill}
    if isinstance(layer, MaxPool):
        return told
    result = layer.result
    told |= {"zero": result.zero, "low": result.low, "high": result.high}
    told["multipliers"] = [[m.value, m.shift] for m in result.multipliers]
    if isinstance(layer, Mean):
        return told | {"bias": [layer.bias]}
    if len(result.multipliers) == 1:
        told["multipliers"] *= len(layer.weights)
    weights = base64.b64encode(layer.weights.tobytes()).decode().rstrip("=")
    return told | {"bias": layer.bias.tolist(), "weights": weights}
