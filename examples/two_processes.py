"""Train in two processes that share each batch, as two machines would: python examples/two_processes.py OUT [DATA]

Each process is told where the first one listens, how many there are, and which it is. On two machines the address is
the first one's, and each starts its own process. They train one model, on Keras's JAX backend, and the first writes it.
"""

import multiprocessing
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

PROCESSES = 2


def work(rank: int, address: str, out: Path, data: str) -> None:
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    keras.distribution.initialize(address, PROCESSES, rank)
    from digits_edge.trainer import RECIPES, TrainOptions, train

    recipe = replace(RECIPES["micro"], epochs=4)
    with TemporaryDirectory() as elsewhere:  # all of them end with the same model; that of the first is kept
        mine = out if rank == 0 else Path(elsewhere, "run")
        run = train(TrainOptions(data=data, recipe=recipe, out=mine, distribute=True))
        print(f"process {rank}: on {run.info.device}, validation accuracy {run.info.metrics.val_accuracy:.2%}")


def main() -> None:
    out, data = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "sample"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*free.getsockname())
    os.environ["PYTHONSAFEPATH"] = "1"  # the processes import nothing from the current folder
    start = multiprocessing.get_context("spawn").Process
    processes = [start(target=work, args=(rank, address, out, data)) for rank in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(max(process.exitcode or 0 for process in processes))


if __name__ == "__main__":
    main()
