"""Write what makes a network's C a library: for Arduino, PlatformIO, CMake, ESP-IDF, the Pico SDK, Zephyr and Python.

Each of them reads files of its own and takes the same sources. The forms: the Arduino library specification (revision
2.2), PlatformIO's `library.json`, the manifest of ESP-IDF's component manager, and Zephyr's module files.
"""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

import jinja2

from digits_edge.runtime.metadata import Contract

from ...engines.tensor_spec import Quantization
from .sources import Sources

HOME: Final = "https://github.com/digits-edge/digits-edge"
PIECE: Final = 100  # characters of a string: C99 promises 4,095, and lines are to be read
# By templates: where they are written.
FILES: Final = {
    "library/library.properties": "library.properties",
    "library/library.json": "library.json",
    "library/CMakeLists.txt": "CMakeLists.txt",
    "library/idf_component.yml": "idf_component.yml",
    "library/module.yml": "zephyr/module.yml",
    "library/zephyr.cmake": "zephyr/CMakeLists.txt",
    "library/Picture.ino": "examples/Picture/Picture.ino",
    "library/shared.c": "shared.c",
}
OF_DIGITS: Final = {
    "library/Camera.ino": "examples/Camera/Camera.ino",
    "library/TouchPanel.ino": "examples/TouchPanel/TouchPanel.ino",
}


def library_files(sources: Sources, contract: Contract, output: Quantization) -> dict[str, str]:
    """The text of each file, by its path beside the sources.

    `contract` has golden answers of the C; `output` is the quantization of its logits.
    """
    height, width = contract.shape[:2]
    parts = [part for part in ("", "_camera") if f"{sources.name}{part}.c" in sources.files]
    values: dict[str, Any] = {
        "name": sources.name,
        "macro": sources.name.upper(),
        "release": _release(),
        "version": f"{_release()}+{hashlib.sha256(sources.files[f'{sources.name}.c'].encode()).hexdigest()[:8]}",
        "sentence": f"Tells {sources.classes} classes of {height} x {width} pictures apart.",
        "paragraph": "An int8 neural network in plain C99, without floating point, recursion and malloc. "
        f"It takes {sources.flash:,} bytes of flash on a Cortex-M4 and {sources.arena:,} bytes of RAM.",
        "home": HOME,
        "compiled": " ".join(f"{sources.name}{part}.c" for part in parts),
        "picture": textwrap.fill(", ".join(map(str, contract.golden.pixels[0].ravel())), 110),
        "pieces": [*_pieces(json.dumps({**contract.to_json(), "logit_step": output.scale}, separators=(",", ":")))],
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )

    def render(template: str, **more: str) -> str:
        return environment.get_template(f"{template}.jinja").render(values, **more)

    files = {**FILES, **(OF_DIGITS if len(parts) > 1 else {})}
    forwards = {
        f"src/{sources.name}{part}.{kind}": render(f"library/forward.{kind}", part=part)
        for part in parts
        for kind in "ch"
    }
    return {path: render(template) for template, path in files.items()} | forwards


def _release() -> str:
    """The three numbers of digits-edge's version, which is all that CMake and semantic versions allow."""
    found = re.match(r"\d+(\.\d+){0,2}", version("digits-edge"))
    numbers = found[0].split(".") if found else []
    return ".".join([*numbers, "0", "0", "0"][:3])


def _pieces(text: str) -> Iterator[str]:
    """ASCII text as short C strings."""
    for start in range(0, len(text), PIECE):
        piece = text[start : start + PIECE]
        yield '"' + piece.replace("\\", r"\\").replace('"', r"\"").replace("?", r"\?") + '"'  # ??/ would be a backslash
