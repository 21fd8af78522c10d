"""Write a few digits that a run never trained on as PNG files, named by what they are.

python examples/held_back_digits.py artifacts/runs/demo
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from digits_edge.trainer import Run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="a finished run")
    run = Run.open(parser.parse_args().run)
    folder = run.path / "held-back"
    folder.mkdir(exist_ok=True)
    pixels, targets = run.validation()
    for target, label in enumerate(run.info.labels):
        row = int(np.flatnonzero(targets == target)[0])
        Image.fromarray(pixels[row]).resize((112, 112)).save(folder / f"{label}.png")


if __name__ == "__main__":
    main()
