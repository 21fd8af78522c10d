"""Which extras are complete and which parts work on this machine, for `digits-edge doctor`.

Each part is tried in a process of its own with a time limit, so that one that crashes or hangs harms nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final, Literal

from digits_edge.common.keras_backend import BACKENDS, NVIDIA, gpu_package
from digits_edge.export.codegen.c.compiled import Compiler

from .extras import BASE, DISTRIBUTION, distribution_of, extra_with, extras, install_command, missing

TIME_LIMIT: Final = 120.0  # seconds for one part; TensorFlow's first import from a slow disk can take 30

State = Literal["works", "missing", "broken"]  # missing: not installed, or not completely; broken: installed and fails


@dataclass(frozen=True)
class Finding:
    """The state of one extra or of one part."""

    name: str
    state: State
    detail: str  # versions and devices, what is missing, or the error, on one line
    remedy: str | None = None  # most often a command; None where nothing needs to be done


@dataclass(frozen=True)
class Part:
    """Something that an extra brings and that can be tried."""

    name: str
    modules: tuple[str, ...]  # that it needs; to repair the part is to install the first one again
    program: str  # Python that prints one line about the part, or fails
    environment: Mapping[str, str] = field(default_factory=dict)


def _imports(module: str) -> str:
    """A program that imports a module, and prints the name and the version of its distribution."""
    name = distribution_of(module)
    return f"import {module}, importlib.metadata as m; print('{name}', m.version('{name}'))"


RUNTIME: Final = Part(
    "runtime",
    ("onnxruntime",),
    """
from digits_edge.runtime import Classifier
from digits_edge.runtime.ort import onnxruntime
result = Classifier.load().self_test()
assert result.passed, f"the self-test failed: {result.mismatches} of {result.pictures} golden pictures are misread"
providers = ", ".join(onnxruntime.get_available_providers())
print(f"onnxruntime {onnxruntime.__version__} ({providers}), the self-test passed")
""",
)
KERAS: Final = """
from digits_edge.common.keras_backend import devices, import_keras
keras = import_keras()
print(f"keras {keras.__version__} on", ", ".join(name for kind in ("gpu", "tpu", "cpu") for name in devices(kind)))
"""
PARTS: Final = (
    RUNTIME,
    Part(
        "picture files",
        ("PIL",),
        """
import PIL
from PIL import features
formats = [name for name in ("jpg", "zlib", "webp", "libtiff", "avif") if features.check(name)]
print(f"pillow {PIL.__version__} ({', '.join(formats)})")
""",
    ),
    *(Part(f"Keras on {name}", (name, "keras"), KERAS, {"KERAS_BACKEND": name}) for name in BACKENDS),
    Part("conversion to ONNX", ("tf2onnx",), "import onnx, tf2onnx; print('tf2onnx', tf2onnx.__version__)"),
    Part("LiteRT", ("ai_edge_litert",), _imports("ai_edge_litert.interpreter")),
    Part("TensorFlow Lite Micro", ("tflite_micro",), _imports("tflite_micro")),
    Part(
        "V8",
        ("py_mini_racer",),
        """
from py_mini_racer import MiniRacer
with MiniRacer() as context:
    context.eval("6 * 7")
    print(f"version {context.v8_version}")
""",
    ),
)


def check_extras() -> list[Finding]:
    """One finding for the base install, and one for each extra."""
    return [_check_extra(extra) for extra in (BASE, *extras())]


def _check_extra(extra: str) -> Finding:
    name = extra or "base"
    if lacks := missing(extra):
        return Finding(name, "missing" if extra else "broken", f"missing: {', '.join(lacks)}", install_command(extra))
    return Finding(name, "works", "complete")


def check_parts() -> list[Finding]:
    """One finding for each part that this system can have; as many are tried at once as there are CPUs."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        findings = [finding for finding in pool.map(check, PARTS) if finding]
    return [*findings, check_c_compiler()]


def check(part: Part, time_limit: float = TIME_LIMIT) -> Finding | None:
    """Try one part; None where it is not installed and no extra brings it on this system."""
    for module in part.modules:
        if find_spec(module) is None:
            extra = extra_with(distribution_of(module))
            return None if extra is None else Finding(part.name, "missing", "not installed", install_command(extra))
    works, said = _run(part, time_limit)
    if not works:
        distribution = DISTRIBUTION if part is RUNTIME else distribution_of(part.modules[0])
        return Finding(part.name, "broken", said, f"pip install --force-reinstall {distribution}")
    backend = part.environment.get("KERAS_BACKEND")
    if backend and NVIDIA.exists() and "gpu" not in said:
        return Finding(part.name, "works", f"{said}, not on the NVIDIA GPU", f'pip install "{gpu_package(backend)}"')
    return Finding(part.name, "works", said)


def check_c_compiler() -> Finding:
    """Find the compiler that export --format c would use."""
    if compiler := Compiler.find():
        return Finding("C compiler", "works", compiler.version)
    remedy = "install gcc or clang, or name a compiler in the environment variable CC"
    return Finding("C compiler", "missing", "not found; the gate checks exported C in numpy instead", remedy)


def _run(part: Part, time_limit: float) -> tuple[bool, str]:
    """Whether a part's program ends well, and the last line that it printed, or how it ended."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", part.program],
            env={**os.environ, **part.environment},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=time_limit,
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer within {time_limit:.0f} s"
    lines = (done.stderr if done.returncode else done.stdout).split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if done.returncode < 0:
        return False, f"its process ended by signal {-done.returncode}"
    return done.returncode == 0, said[:200] or f"its process ended with exit code {done.returncode}"
