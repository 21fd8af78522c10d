"""Import Keras only when needed, since that takes seconds, and choose its backend and device."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from digits_edge.runtime.errors import UsageError, first_line

from .progress import say
from .silence import muted

if TYPE_CHECKING:
    import keras

Device = Literal["auto", "cpu", "gpu"]
BACKENDS: Final = ("tensorflow", "jax", "torch")
NVIDIA: Final = Path("/dev/nvidia0")


def import_keras() -> Any:
    """Import Keras with the backend that `KERAS_BACKEND` or Keras's settings name; a UsageError if it cannot use it."""
    # TensorFlow logs CPU kernels and missing GPUs at import, before a log level could be set in Python.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow turns oneDNN on by itself where there is AVX-512; with AVX2 alone, training is faster with it, too.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    try:
        with muted():
            keras = importlib.import_module("keras")
    except (ImportError, ValueError) as error:
        backend = os.environ.get("KERAS_BACKEND")
        if backend is None or getattr(error, "name", None) == "keras":
            raise
        raise UsageError(f"KERAS_BACKEND={backend}: Keras cannot use it: {first_line(error)}") from None
    if keras.backend.backend() not in BACKENDS:
        raise UsageError(f"KERAS_BACKEND: expected {' or '.join(BACKENDS)}, received {keras.backend.backend()}")
    return keras


@contextmanager
def on_device(wanted: Device, distribute: bool, batch_size: int) -> Iterator[str]:
    """Compute on a device inside the block; `auto` takes a GPU or TPU if Keras's backend sees one.

    With `distribute`, each batch is split across all devices of that kind, with the same variables on each. Yields the
    name of the device, such as `cpu:0`, or number and kind of several, such as `2 x cpu`.

    Raises:
        UsageError: The backend sees no such device, or cannot distribute.
    """
    keras = import_keras()
    backend = keras.backend.backend()
    found = next(filter(None, map(devices, ("gpu", "tpu", "cpu") if wanted == "auto" else (wanted,))), [])
    if not found:
        raise UsageError(f"--device {wanted}: expected such a device, Keras's {backend} backend sees none")
    if found[0].startswith("cpu") and wanted == "auto" and NVIDIA.exists():
        package = gpu_package(backend)
        say(f'this machine has an NVIDIA GPU that Keras\'s {backend} backend does not see: pip install "{package}"')
    if not distribute:
        with keras.device(found[0]):
            yield found[0]
        return
    if backend != "jax":
        raise UsageError(f"--distribute: expected Keras's jax backend (KERAS_BACKEND=jax), received {backend}")
    if batch_size % len(found):
        raise UsageError(
            f"--distribute: expected a batch size that is a multiple of {len(found)} devices, received {batch_size}"
        )
    with keras.distribution.DataParallel(devices=found, auto_shard_dataset=False).scope():
        yield f"{len(found)} x {found[0].partition(':')[0]}"


def gpu_package(backend: str) -> str:
    """What pip installs for a backend to use an NVIDIA GPU."""
    return {"tensorflow": "digits-edge[gpu]", "jax": "jax[cuda12]"}.get(backend, backend)


def precision(wanted: str, device: str) -> str:
    """Keras dtype policy for a recipe's precision on a device."""
    if wanted != "auto":
        return wanted
    return "float32" if "cpu" in device else "mixed_bfloat16"


def computed_in(network: keras.Model) -> str:
    """Keras dtype policy of a network's layers, apart from the logits, which are always float32."""
    policies = {str(layer.dtype_policy.name) for layer in network.layers} - {"float32"}
    return ", ".join(sorted(policies)) or "float32"


def devices(kind: str) -> list[str]:
    """Names of the devices of a kind that Keras's backend sees."""
    with muted(), suppress(RuntimeError):  # JAX raises if there is none
        return [str(name).lower() for name in import_keras().distribution.list_devices(kind)]
    return []
