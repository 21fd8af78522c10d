"""Measure how much noise the quantization of each layer adds to the logits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization.qdq_loss_debug import compute_signal_to_quantization_noice_ratio

from digits_edge.runtime.session import SessionSettings, open_session

from ..convert.onnx import to_nchw
from ..convert.onnx_graph import LOGITS, PIXELS
from .onnx_quantizer import MOVING, quantize
from .scheme import Scheme

PICTURES: Final = 256
MAX_LAYERS: Final = 300  # measured one by one
ACTIVATIONS: Final = ("Relu", "Clip")  # onnxruntime fuses them with the layer before


@dataclass(frozen=True)
class LayerNoise:
    """The noise of one layer of a core."""

    name: str  # of its node, e.g. `conv_2`
    operator: str  # of ONNX
    nodes: tuple[str, ...]  # its node, and the node of the activation that is fused with it
    snr: float  # signal-to-noise ratio in dB of the logits if only it is quantized; infinite if nothing changes


def sensitivity(
    core: onnx.ModelProto,
    calibration: npt.NDArray[np.uint8],
    scheme: Scheme,
    step: Callable[[], None] = lambda: None,
    ranges: Path | None = None,
) -> list[LayerNoise]:
    """Quantize each layer of a float core alone, in the order of the graph, and compare its logits with the float ones.

    They are compared on the first 256 of the calibration pictures, uint8[K, H, W] or uint8[K, H, W, 3]. `step` is
    called after each layer. `ranges` is as in `quantize`.
    """
    pixels = to_nchw(calibration[:PICTURES])
    exact = _logits(core, pixels)
    layers = []
    for operator, nodes in layers_of(core):
        alone = _logits(quantize(core, calibration, scheme, nodes, ranges), pixels)
        same = np.array_equal(alone, exact)
        snr = math.inf if same else float(compute_signal_to_quantization_noice_ratio(exact, alone))
        layers.append(LayerNoise(nodes[0], operator, nodes, snr))
        step()
    return layers


def layers_of(core: onnx.ModelProto) -> list[tuple[str, tuple[str, ...]]]:
    """Operator and nodes of each layer that computes something."""
    layers: list[tuple[str, tuple[str, ...]]] = []
    last: Any = None
    for node in core.graph.node:
        if node.op_type in ACTIVATIONS and last is not None and node.input[0] in last.output:
            operator, nodes = layers.pop()
            layers.append((operator, (*nodes, node.name)))
        elif node.op_type not in MOVING:
            layers.append((node.op_type, (node.name,)))
        last = node if node.op_type not in MOVING else None
    return layers


def _logits(core: onnx.ModelProto, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    session = open_session(core.SerializeToString(), settings=SessionSettings(trust=True))
    logits: npt.NDArray[np.float32] = session.run([LOGITS], {PIXELS: pixels})[0]
    return logits
