"""Read labelled pictures, train a Keras CNN, and write a run.

The names below are imported on first use: `import digits_edge.trainer` imports no Keras, pandas or scikit-learn.

Example:
    from pathlib import Path
    from digits_edge.trainer import RECIPES, TrainOptions, train

    run = train(TrainOptions(data="sample", recipe=RECIPES["compact"], out=Path("artifacts/runs/compact-sample")))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .datasets.read import read_dataset
    from .options import TrainOptions
    from .pipeline import train
    from .recipes import RECIPES, Recipe
    from .run import Run

__all__ = ["RECIPES", "Recipe", "Run", "TrainOptions", "read_dataset", "train"]

_MODULES: Final = {
    "RECIPES": ".recipes",
    "Recipe": ".recipes",
    "Run": ".run",
    "TrainOptions": ".options",
    "read_dataset": ".datasets.read",
    "train": ".pipeline",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name], __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
