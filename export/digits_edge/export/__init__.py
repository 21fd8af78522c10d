"""Turn a run into a bundle, or refuse; judge and time what was exported.

The names below are imported on first use: `import digits_edge.export` imports no Keras and no TensorFlow.

Example:
    from pathlib import Path
    from digits_edge.export import ExportOptions, evaluate, export
    from digits_edge.trainer import Run

    run = Run.newest()
    bundle = export(ExportOptions(run, out=run.place, int8=True))
    print(evaluate(bundle.path, "sample")[0].accuracy)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from digits_edge.runtime.bundle import Bundle

    from .options import ExportOptions
    from .pipeline import export
    from .verify.criteria import Limits
    from .verify.evaluate import evaluate

__all__ = ["Bundle", "ExportOptions", "Limits", "evaluate", "export"]

_MODULES: Final = {
    "Bundle": "digits_edge.runtime.bundle",
    "ExportOptions": ".options",
    "Limits": ".verify.criteria",
    "evaluate": ".verify.evaluate",
    "export": ".pipeline",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name], __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
