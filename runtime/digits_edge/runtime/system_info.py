"""Describe the CPU and the installed versions, for provenance and for `digits-edge inspect`."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

# The flags of /proc/cpuinfo by which inference runtimes choose their kernels, from old to new.
INSTRUCTION_SETS = (
    "sse4_2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16",
    "amx_bf16", "amx_int8", "neon", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme",
)  # fmt: skip
PACKAGES = ("digits-edge", "numpy", "onnxruntime", "keras", "tensorflow", "onnx", "tf2onnx", "ai-edge-litert")


def cpu_name() -> str:
    """The CPU's name as the system reports it, or its architecture."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def instruction_sets() -> tuple[str, ...]:
    """The CPU's instruction sets that matter to inference, by Linux's names; empty where they are unknown."""
    found = (_cpuinfo("flags") or _cpuinfo("Features")).split()  # on x86, on Arm
    return tuple(name for name in INSTRUCTION_SETS if name in found)


def _cpuinfo(key: str) -> str:
    """A field of the first processor in /proc/cpuinfo; empty where it is missing."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of the installed packages among `packages`, without importing them."""
    found = {"python": platform.python_version()}
    for package in packages:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
