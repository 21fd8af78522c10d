"""The released models as Keras files, which training can start from by name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from digits_edge.runtime.errors import UsageError

NAMES: Final = ("nano", "micro", "compact", "notebook")  # from small to large
LABELS: Final = tuple("0123456789")  # of all of them
_CHECKOUT: Final = Path(__file__).parents[3]
_URL: Final = "https://github.com/digits-edge/digits-edge/raw/main/artifacts"


def is_released(path: Path) -> bool:
    """Whether a path is the name of a released model, and not of something that is there."""
    return str(path) in NAMES and not path.exists()


def model_file(path: Path) -> Path:
    """The Keras file that a path stands for: itself, that of a run, or that of the released model of this name.

    Raises:
        UsageError: The released model does not come with this installation.
    """
    if not is_released(path):
        return path / "model.keras" if path.is_dir() else path
    for file in (Path(__file__).with_name("released") / f"{path}.keras", _CHECKOUT / f"artifacts/{path}/model.keras"):
        if file.is_file():
            return file
    raise UsageError(
        f"{path}: does not come with this installation; download {_URL}/{path}/model.keras and name the file"
    )
