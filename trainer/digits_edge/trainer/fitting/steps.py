"""Training steps: a whole epoch in one launch on JAX, one by one on the other backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt

from .training_model import TrainingModel

Rows = npt.NDArray[np.int32]
Metrics = npt.NDArray[np.float32]
Steps = Callable[[Rows, int], Iterator[Metrics]]

CHUNK: Final = 50  # largest number of steps per launch on a CPU, so that the progress bar moves within an epoch


def training_steps(model: TrainingModel, pixels: npt.NDArray[np.uint8], targets: npt.NDArray[np.float32]) -> Steps:
    """Compile a function that trains a compiled model on pictures uint8[N, H, W] with one-hot targets float32[N, C].

    The function takes row numbers int32[M] in the epoch's order and a batch size, and trains on these rows; the last
    batch is what is left over. Every few steps it yields their losses and accuracies, float32[S, 2]. The model's
    augmentation must not change afterwards.
    """
    if keras.backend.backend() == "jax":
        return _scans(model, pixels, targets)

    model.make_train_function(force=model.traced != model.augmentation)
    model.traced = model.augmentation

    def steps(rows: Rows, batch_size: int) -> Iterator[Metrics]:
        for start in range(0, len(rows), batch_size):
            batch = rows[start : start + batch_size]
            model.reset_metrics()  # Keras before 3.14 averages over the calls otherwise
            logs = model.train_on_batch(pixels[batch], targets[batch], return_dict=True)
            yield np.array([[logs["loss"], logs["accuracy"]]], np.float32)

    return steps


def _scans(model: TrainingModel, pixels: npt.NDArray[np.uint8], targets: npt.NDArray[np.float32]) -> Steps:
    """Keep the data on the device, and scan Keras's own training step over many batches in one launch."""
    import jax

    everywhere, by_batch = _shardings()
    data = jax.device_put((pixels, targets), everywhere)

    def launch(state: Any, data: Any, batches: Any) -> Any:
        fresh = [jax.numpy.zeros(v.shape, v.dtype) for v in model.metrics_variables]

        def step(state: Any, rows: Any) -> Any:
            batch = tuple(jax.numpy.take(part, rows, axis=0) for part in data)
            logs, (*state, _) = model.train_step((*state, fresh), batch)  # metrics of this step alone
            if everywhere is not None:
                state = jax.lax.with_sharding_constraint(state, everywhere)  # type: ignore[no-untyped-call]
            return tuple(state), jax.numpy.stack([logs["loss"], logs["accuracy"]])

        return jax.lax.scan(step, state, batches)

    launch = jax.jit(launch, donate_argnums=0)

    def steps(rows: Rows, batch_size: int) -> Iterator[Metrics]:
        whole = len(rows) // batch_size
        batches = rows[: whole * batch_size].reshape(whole, batch_size)
        chunk = whole
        if model.trainable_variables[0].value.devices().pop().platform == "cpu":
            chunk = max((c for c in range(1, CHUNK + 1) if whole % c == 0), default=1)  # equal sizes, to compile once
        launches = [(batches[i : i + chunk], by_batch) for i in range(0, whole, chunk or 1)]
        if len(rows) % batch_size:  # too few to split across devices
            launches.append((rows[None, whole * batch_size :], everywhere))
        variables = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
        for part, sharding in launches:
            state = tuple([variable.value for variable in group] for group in variables)
            state, metrics = launch(state, data, jax.device_put(part, sharding))
            for group, values in zip(variables, state, strict=True):
                for variable, value in zip(group, values, strict=True):
                    variable.assign(value)
            yield np.asarray(metrics, np.float32)

    return steps


def _shardings() -> tuple[Any, Any]:
    """JAX's shardings of arrays that each device holds whole, and of arrays with the batch as second axis."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return None, None
    from jax.sharding import NamedSharding, PartitionSpec

    mesh = distribution.device_mesh.backend_mesh
    return NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(None, distribution.batch_dim_name))  # type: ignore[no-untyped-call]
