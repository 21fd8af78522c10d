"""Training steps: an epoch in one launch on JAX, one by one on the other backends."""

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

CHUNK: Final = 50  # on a CPU, where a launch costs nothing beside a step, a bar is to move within the epoch


def training_steps(model: TrainingModel, pixels: npt.NDArray[np.uint8], targets: npt.NDArray[np.float32]) -> Steps:
    """Prepare to train on pixels uint8[N, H, W] and one-hot targets float32[N, C].

    Returns:
        a function, compiled for the model as it is now. It takes row numbers int32[M] in the epoch's order and a
        batch size, trains on these rows, the last batch being what is left over, and yields float32[S, 2] now and
        then: loss and accuracy of each of S steps.
    """
    if keras.backend.backend() == "jax":
        return _scans(model, pixels, targets)

    model.make_train_function(force=True)

    def steps(rows: Rows, batch_size: int) -> Iterator[Metrics]:
        for start in range(0, len(rows), batch_size):
            batch = rows[start : start + batch_size]
            model.reset_metrics()  # or Keras before 3.14 goes on averaging
            logs = model.train_on_batch(pixels[batch], targets[batch], return_dict=True)
            yield np.array([[logs["loss"], logs["accuracy"]]], np.float32)

    return steps


def _scans(model: TrainingModel, pixels: npt.NDArray[np.uint8], targets: npt.NDArray[np.float32]) -> Steps:
    """The data live on the device; a launch scans Keras's own training step over the batches of a permutation."""
    import jax

    everywhere, by_batch = _shardings()
    data = jax.device_put((pixels, targets), everywhere)

    def launch(state: Any, data: Any, batches: Any) -> Any:
        fresh = [jax.numpy.zeros(v.shape, v.dtype) for v in model.metrics_variables]

        def step(state: Any, rows: Any) -> Any:
            batch = tuple(jax.numpy.take(part, rows, axis=0) for part in data)
            logs, (*state, _) = model.train_step((*state, fresh), batch)  # each step's metrics are its own
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
            chunk = max((c for c in range(1, CHUNK + 1) if whole % c == 0), default=1)  # alike, to be compiled once
        launches = [(batches[i : i + chunk], by_batch) for i in range(0, whole, chunk or 1)]
        if len(rows) % batch_size:  # too few to be parted between devices
            launches.append((rows[None, whole * batch_size :], everywhere))
        variables = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
        )
        for part, sharding in launches:
            state = tuple([variable.value for variable in group] for group in variables)
            state, metrics = launch(state, data, jax.device_put(part, sharding))
            for group, values in zip(variables, state, strict=True):
                for variable, value in zip(group, values, strict=True):
                    variable.assign(value)
            yield np.asarray(metrics, np.float32)

    return steps


def _shardings() -> tuple[Any, Any]:
    """Where JAX keeps what every device needs, and where an array whose second axis is the batch; None means here."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return None, None
    from jax.sharding import NamedSharding, PartitionSpec

    mesh = distribution.device_mesh.backend_mesh
    return NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(None, distribution.batch_dim_name))  # type: ignore[no-untyped-call]
