"""Write a network as C: the model itself, a self-test, an example program, a Makefile, and the same for MicroPython."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Final

import jinja2
import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import printable
from digits_edge.runtime.metadata import Contract

from ...engines.tensor_spec import Quantization
from ..int8_network import Convolution, Copy, Int8Network, Layer, MaxPool, Mean, Requantization, Table
from .camera import MNIST, camera_values
from .micropython import fits, layers_of
from .plan import Plan, PooledConvolution, convolution_of, plan, taps

# On a Cortex-M4, by GCC 12.2 with -O2, as measured by tests/export/test_c_cross.py and benchmarks/c_engine.py.
CODE_BYTES: Final = 1560  # of a network with every kind of layer
STACK_BYTES: Final = 256  # and a pointer per row of the tallest kernel, and a number per layer
TENSOR_BYTES: Final = 24  # of `struct tensor` where pointers have 32 bits
LAYER_BYTES: Final = 32  # of `struct layer` where pointers have 32 bits
SEGMENT: Final = 256  # taps whose sums fit 32 bits, whatever the weights are
HIGH_WORD: Final = 33  # shifts from here on need nothing of the lower half of a product, and are written less it
LINE: Final = 110  # characters
NOT_JUDGED: Final = "not judged yet"
KINDS: Final[dict[str, type[Layer] | tuple[type[Layer], ...]]] = {
    "CONVOLUTION": (Convolution, PooledConvolution),
    "MAX_POOL": MaxPool,
    "MEAN": Mean,
    "TABLE": Table,
    "COPY": Copy,
}
# Names of other files, folders and targets, of files that make prefers to `Makefile`, and of devices on Windows.
TAKEN: Final = (
    "all", "clean", "main", "selftest", "shared", "test", "src", "examples", "zephyr", "makefile", "gnumakefile", "aux",
    "con", "nul", "prn",
)  # fmt: skip
LONGEST: Final = 63  # characters of an identifier that C99 tells apart


@dataclass(frozen=True, eq=False)
class Sources:
    """A network in C."""

    name: str  # of its files and functions
    files: dict[str, str]  # text of each file, by file name
    classes: int  # number of logits
    flash: int  # bytes of constants and code on a Cortex-M4
    arena: int  # bytes of memory for activations

    def with_accuracy(self, accuracy: str) -> Sources:
        """The same sources, with the gate's accuracy in the header."""
        header = f"{self.name}.h"
        text = self.files[header].replace(f"Accuracy: {NOT_JUDGED}\n", f"Accuracy: {accuracy}\n", 1)
        return replace(self, files={**self.files, header: text})


@dataclass(frozen=True)
class Arithmetic:
    """How the C multiplies and adds."""

    together: int  # channels whose weights are one number: two, or one if some weights do not fit 16 bits
    segment: int  # taps that are summed at a time, 0 for all
    high_word: bool  # whether shifts leave nothing of the lower half of a product
    clamped: bool  # whether an activation leaves less than all values


def identifier(name: str) -> str:
    """A name as a C identifier, and as the name of a file."""
    word = re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")[:LONGEST] or "model"
    return f"model_{word}" if word[0].isdigit() or word in TAKEN else word


def write_sources(network: Int8Network, contract: Contract, output: Quantization) -> Sources:
    """Write a network in C, with no accuracy in its header yet; `output` is the quantization of its logits."""
    planned = plan(network)
    kinds = [kind for kind in KINDS if kind in map(_kind, planned.layers)]
    arithmetic = _arithmetic(planned)
    arrays, layers = _constants(planned, kinds, arithmetic)
    height, width, channels = network.shape
    constants = _constant_bytes(planned, arithmetic)
    golden = contract.golden.pixels
    tallest = max(layer.kernel[0] for layer in planned.layers)
    name = identifier(contract.name)
    values: dict[str, Any] = {
        "name": name,
        "macro": name.upper(),
        "version": version("digits-edge"),
        "size": f"{height} x {width}",
        "channels": channels,
        "pixels": height * width * channels,
        "classes": network.classes,
        "labels": _wrapped((_text(label) for label in contract.labels), 8, " \\\n"),
        "digit": contract.preprocess == "digit",
        "step": f"{output.scale:.6g}",
        "accuracy": NOT_JUDGED,
        "macs": f"{network.macs:,}",
        "constants": f"{constants:,}",
        "code": f"{CODE_BYTES:,}",
        "flash": f"{constants + CODE_BYTES:,}",
        "arena": planned.arena,
        "stack": STACK_BYTES + 4 * (tallest + len(planned.layers)),
        "kinds": kinds,
        "arithmetic": arithmetic,
        "windows": planned.windows,
        "tallest": tallest,
        "arrays": arrays,
        "tensors": planned.rows,
        "layers": layers,
        "features": _features(planned),
        "steps": len(planned.schedule),
        "schedule": _wrapped(map(str, planned.schedule), 4),
        "vectors": len(golden),
        "images": _rows(golden.reshape(len(golden), -1)),
        "expected": _rows(network.logits(golden)),
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    names = {"model.c": f"{name}.c", "model.h": f"{name}.h"}
    templates = ["model.c", "model.h", "selftest.c", "main.c", "Makefile"]
    if contract.preprocess == "digit" and network.shape == MNIST:
        values |= camera_values(contract, output.scale)
        values["exponential_rows"] = _wrapped(map(str, values["exponentials"]), 4)
        names |= {"camera.c": f"{name}_camera.c", "camera.h": f"{name}_camera.h"}
        templates += ["camera.c", "camera.h"]
    if fits(planned):
        values |= {"python_layers": layers_of(planned), "python_labels": [*map(ascii, contract.labels)]}
        names["model_mpy.py"] = f"{name}_mpy.py"
        templates.append("model_mpy.py")
    files = {names.get(t, t): environment.get_template(f"{t}.jinja").render(values) for t in templates}
    return Sources(name, files, classes=network.classes, flash=constants + CODE_BYTES, arena=planned.arena)


def _features(planned: Plan) -> dict[str, int] | None:
    """Number, zero point and place of what the last layer reads, as it is in the arena; None if that has places."""
    last = planned.layers[-1]
    if not isinstance(last, Convolution) or len(planned.layers) == 1 or last.source[:2] != (1, 1):
        return None
    return {"count": last.source[2], "zero": last.fill, "offset": planned.rows[-2].offset}


def _kind(layer: Layer) -> str:
    return next(kind for kind, of in KINDS.items() if isinstance(layer, of))


def _arithmetic(planned: Plan) -> Arithmetic:
    """The least that gives exact sums and values."""
    convolutions = [made for made in map(convolution_of, planned.layers) if made]
    together = 2 if all(abs(_words(made, 2)).max() < 2**15 for made in convolutions) else 1
    largest = max((255 * abs(_words(made, together)).sum(axis=1).max() for made in convolutions), default=0)
    sums = [summing for summing in map(_summing, planned.layers) if summing]
    return Arithmetic(
        together,
        segment=SEGMENT if largest >= 2**31 else 0,
        high_word=all(m.shift + _more(s) >= HIGH_WORD for s in sums for m in s.requantization.multipliers),
        clamped=any((s.requantization.low, s.requantization.high) != (0, 255) for s in sums),
    )


def _summing(layer: Layer) -> Convolution | Mean | None:
    """What a layer sums, if it does."""
    return layer if isinstance(layer, Mean) else convolution_of(layer)


def _more(summing: Convolution | Mean) -> int:
    """Bits by which the C makes sums larger, so that it needs no lower half of a product: sums of a mean are small."""
    return 4 if isinstance(summing, Mean) else 0


def _constants(planned: Plan, kinds: list[str], arithmetic: Arithmetic) -> tuple[list[str], list[dict[str, Any]]]:
    """The arrays, as C, and the fields of each layer's struct."""
    arrays, layers = [], []
    for place, layer in enumerate(planned.layers):
        made: dict[str, str] = {}
        for label, values in _arrays(layer, arithmetic):
            made[label] = f"{label}{place}"
            arrays.append(_array(made[label], values))
        window, summing = convolution_of(layer) or layer, _summing(layer)
        sums = summing.requantization if summing else Requantization((), zero=0)
        fields = [_kind(layer), sums.zero, *([sums.low, sums.high] if arithmetic.clamped else [])]
        fields += [1 + isinstance(layer, PooledConvolution), *window.kernel, *window.stride, window.padding[0]]
        if "CONVOLUTION" in kinds:
            fields.append(made.get("weights", "0"))
        if "TABLE" in kinds:
            fields.append(made.get("table", "0"))
        if {"CONVOLUTION", "MEAN"} & set(kinds):
            fields += [made.get(label, "0") for label in ("bias", "multiplier", "shift")]
        height, width, channels = layer.shape
        layers.append({"fields": fields, "comment": f"to {height} x {width} x {channels}, {layer.macs:,} MACs"})
    return arrays, layers


def _arrays(layer: Layer, arithmetic: Arithmetic) -> Iterable[tuple[str, npt.NDArray[Any]]]:
    """Name and values of each array of a layer, with the dtype that it has in C."""
    if isinstance(layer, Table):
        yield "table", layer.entries
    summing = _summing(layer)
    if isinstance(summing, Convolution):
        yield "weights", _words(summing, arithmetic.together).astype(np.int16)
    if summing:
        shifts = np.array([m.shift for m in summing.requantization.multipliers])
        more = _more(summing) if arithmetic.high_word else 0
        yield "bias", np.array(summing.bias, np.int32, ndmin=1) << more
        yield "multiplier", np.array([m.value for m in summing.requantization.multipliers], np.int32)
        yield "shift", (shifts + more - HIGH_WORD * arithmetic.high_word).astype(np.uint8)


def _words(layer: Convolution, together: int) -> npt.NDArray[np.int64]:
    """Weights as the C multiplies them, 256 times the second channel's and the first one's: int64[words, taps]."""
    channels = len(layer.weights)
    weights = layer.weights.reshape(channels, -1).astype(np.int64)
    weights = np.pad(weights, ((0, -channels % together), (0, taps(layer) - weights.shape[1])))
    return weights if together == 1 else weights[0::2] + 256 * weights[1::2]


def _constant_bytes(planned: Plan, arithmetic: Arithmetic) -> int:
    """Size of all constants where pointers have 32 bits."""
    arrays = sum(values.nbytes for layer in planned.layers for _, values in _arrays(layer, arithmetic))
    return arrays + len(planned.rows) * TENSOR_BYTES + len(planned.layers) * LAYER_BYTES + len(planned.schedule)


def _array(name: str, values: npt.NDArray[Any]) -> str:
    numbers = _wrapped(map(_number, values.ravel().tolist()), 4)
    where = "ALIGNED FLASH" if values.dtype == np.int16 else "FLASH"  # weights, which are read by eight bytes
    return f"static const {where} {values.dtype}_t {name}[{values.size}] = {{\n{numbers}\n}};"


def _number(value: int) -> str:
    """A number as a C constant; -2147483648 would be an expression of another type."""
    return str(value) if value > -(2**31) else "-2147483647 - 1"


def _rows(values: npt.NDArray[Any]) -> str:
    """The initializer of an array of arrays."""
    return "\n".join(f"    {{\n{_wrapped(map(str, row.tolist()), 8)}\n    }}," for row in values)


def _wrapped(words: Iterable[str], indent: int, end: str = "\n") -> str:
    """Words separated by commas, broken into lines."""
    text = textwrap.wrap(", ".join(words), LINE - indent, break_long_words=False, break_on_hyphens=False)
    return end.join(" " * indent + line for line in text)


def _text(label: str) -> str:
    """A printable label as a C string: ASCII letters and digits as they are, other bytes of its UTF-8 in octal."""
    data = printable(label).encode()  # one line for each picture, whatever the labels are
    return '"' + "".join(chr(b) if chr(b).isalnum() and b < 128 else f"\\{b:03o}" for b in data) + '"'
