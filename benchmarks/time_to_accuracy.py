"""How long training takes to reach an accuracy on MNIST's t10k, with the data on the device and a launch an epoch.

KERAS_BACKEND=jax python benchmarks/time_to_accuracy.py --data mnist-idx-folder --recipe fast --target 0.99

Compiling is shown apart: an epoch is trained first, and forgotten. Judging is not counted. Meant for a GPU; it runs
wherever JAX does.
"""

import argparse
import time

import keras
import numpy as np

from digits_edge.common.keras_backend import on_device, precision
from digits_edge.common.keras_models import predict_logits
from digits_edge.common.numerics import one_hot
from digits_edge.trainer.datasets.read import SHAPE, read_dataset
from digits_edge.trainer.fitting.architectures import build
from digits_edge.trainer.fitting.steps import training_steps
from digits_edge.trainer.fitting.training_model import TrainingModel, compile_training_model
from digits_edge.trainer.recipes import RECIPES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder with MNIST's IDX files")
    parser.add_argument("--recipe", choices=RECIPES, default="fast")
    parser.add_argument("--set", metavar="FIELD=VALUE", action="append", default=[])
    parser.add_argument("--target", type=float, default=0.99)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    if keras.backend.backend() != "jax":
        parser.error("expected KERAS_BACKEND=jax")
    recipe = RECIPES[options.recipe]
    for change in options.set:
        name, _, value = change.partition("=")
        recipe = recipe.override(name, value)
    training, test = read_dataset(options.data), read_dataset(options.data, part="test")
    with on_device("auto", distribute=False, batch_size=recipe.batch_size) as device:
        keras.utils.set_random_seed(options.seed)
        steps = recipe.epochs * -(-len(training) // recipe.batch_size)
        network = build(recipe.model, SHAPE, 10, steps, precision(recipe.precision, device))
        model = TrainingModel(network, recipe, options.seed)
        model(training.pixels[:1])
        compile_training_model(model, recipe, steps)
        run = training_steps(model, training.pixels, one_hot(training.targets, 10))

        def epoch(number: int) -> float:
            order = np.random.default_rng((options.seed, number)).permutation(len(training)).astype(np.int32)
            started = time.perf_counter()
            for _ in run(order, recipe.batch_size):  # waits for the losses of each launch
                pass
            return time.perf_counter() - started

        state = [*model.variables, *model.optimizer.variables]
        fresh = [keras.ops.convert_to_numpy(variable) for variable in state]
        compiling = epoch(0)
        for variable, value in zip(state, fresh, strict=True):
            variable.assign(value)
        seconds: list[float] = []
        for number in range(recipe.epochs):
            seconds.append(epoch(number))
            accuracy = (predict_logits(network, test.pixels).argmax(axis=1) == test.targets).mean()
            print(f"epoch {number + 1}: {accuracy:.2%} of t10k after {sum(seconds):.2f} s", flush=True)
            if accuracy >= options.target:
                break
    print(f"{recipe.name} on {device}: compiling took {compiling - seconds[0]:.2f} s besides")


if __name__ == "__main__":
    main()
