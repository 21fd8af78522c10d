"""Why the first convolution of an int8 ONNX stays in float: its time in int8, and in float with pooling before ReLU.

python benchmarks/first_convolution.py artifacts/runs/release-7/compact artifacts/runs/release-7/micro

The float model and both int8 ones answer one picture by turns, on one thread; ratios are taken within a round.
"""

import argparse
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnx

from digits_edge.common.tables import table
from digits_edge.export.convert.keras_model import KerasModelFile
from digits_edge.export.convert.onnx import to_onnx_core
from digits_edge.export.convert.onnx_graph import with_metadata, wrap
from digits_edge.export.engines.worker import Worker
from digits_edge.export.quantize import onnx_quantizer
from digits_edge.export.quantize.scheme import Scheme
from digits_edge.runtime.session import open_session
from digits_edge.trainer import Run

ROUNDS, CALLS = 40, 50


def timed(run: Run) -> list[tuple[str, ...]]:
    network, calibration = KerasModelFile(run.model_path), run.calibration()
    with Worker(600) as convert:
        core = onnx.load_from_string(convert(to_onnx_core, network))
    scheme = Scheme(network)
    with patch.object(onnx_quantizer, "spare_first_convolution", lambda core: (core, ())):
        whole = onnx_quantizer.quantize(core, calibration, scheme)
    cores = {"float": core, "int8, all of it": whole, "int8": onnx_quantizer.quantize(core, calibration, scheme)}
    picture = calibration[:1]
    sessions = {
        name: open_session(with_metadata(wrap(made, picture.shape[1:]), {}), name) for name, made in cores.items()
    }
    seconds = np.empty((len(sessions), ROUNDS))
    for turn in range(ROUNDS):
        for row, session in enumerate(sessions.values()):
            for _ in range(5):
                session.run(None, {"image": picture})
            started = time.perf_counter()
            for _ in range(CALLS):
                session.run(None, {"image": picture})
            seconds[row, turn] = (time.perf_counter() - started) / CALLS
    ratios = seconds / seconds[0]
    return [
        (run.info.name, name, f"{np.median(seconds[row]) * 1e6:.0f}", f"{np.median(ratios[row]):.2f}")
        for row, name in enumerate(sessions)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    options = parser.parse_args()
    rows = [row for path in options.runs for row in timed(Run.open(path))]
    print(table(("run", "model", "µs", "of float's time"), rows))


if __name__ == "__main__":
    main()
