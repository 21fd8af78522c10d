"""A finished training run on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.common.atomic_folder import partial
from digits_edge.runtime.errors import DatasetError, RunError

from .datasets.arrays import load_array
from .fitting.checkpoint import checkpoint_path
from .run_info import MARKER, RunInfo

RUNS: Final = Path("artifacts", "runs")


@dataclass(frozen=True)
class Run:
    """A finished run: what `train` wrote.

    Attributes:
        path: Folder of the run.
        info: Content of `run.json`: recipe, seeds, dataset, metrics, versions, device, duration.

    Example:
        from pathlib import Path
        from digits_edge.trainer import Run

        run = Run.open(Path("artifacts/runs/compact-sample"))
        print(run.info.recipe.name, run.info.metrics.val_accuracy)
        pixels, targets = run.validation()
    """

    path: Path
    info: RunInfo

    @classmethod
    def open(cls, path: Path) -> Run:
        """Open a finished run.

        Args:
            path: Folder of the run.

        Raises:
            RunError: There is no run, it is unfinished or damaged, or a newer digits-edge wrote it.
        """
        if not (path / MARKER).is_file():
            if checkpoint_path(path).exists():
                raise RunError(
                    f"{path}: the run is not finished (still training, or interrupted: digits-edge train --resume)"
                )
            if partial(path.absolute()).is_dir():
                raise RunError(f"{path}: the run is not finished (still training, or killed: digits-edge train again)")
            raise RunError(
                f"{path}: expected a finished run (a folder with {MARKER}); make one with: digits-edge train"
            )
        info = RunInfo.read(path / MARKER)
        for name in ("model.keras", "validation.npz", "calibration.npz"):
            if not (path / name).is_file():
                raise RunError(f"{path / name}: missing from the run: digits-edge train again")
        return cls(path, info)

    @classmethod
    def newest(cls) -> Run:
        """Open the run under `artifacts/runs` that was finished last.

        Raises:
            RunError: There is none.
        """
        if not (finished := finished_runs(RUNS)):
            raise RunError(f"{RUNS}: expected a finished run, found none; make one with: digits-edge train")
        return cls.open(finished[-1])

    @property
    def place(self) -> Path:
        """Folder that its bundle is exported to by default."""
        return self.path / "bundle"

    @property
    def model_path(self) -> Path:
        """The Keras model after the last epoch."""
        return self.path / "model.keras"

    def validation(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Read the validation split.

        Returns:
            Pixels uint8[N, H, W] and targets int64[N].

        Raises:
            RunError: The file is damaged.
        """
        return self._labelled("validation.npz")

    def own(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Read the pictures of one's own that an adapted model is judged by, as `validation` reads the rehearsed ones.

        Some were held out; with folds they are all there are, and the model was trained on them.

        Raises:
            RunError: The file is damaged, or the model was not adapted.
        """
        return self._labelled("own.npz")

    def calibration(self) -> npt.NDArray[np.uint8]:
        """Read the pictures for int8 calibration: uint8[K, H, W], all from the training part.

        Raises:
            RunError: The file is damaged.
        """
        (x,) = self._arrays("calibration.npz", "x")
        if not _are_pixels(x):
            raise RunError(f"{self.path / 'calibration.npz'}: damaged: {x.dtype}{list(x.shape)}")
        return x

    def _labelled(self, name: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        x, y = self._arrays(name, "x", "y")
        if not _are_pixels(x) or y.dtype != np.int64 or y.shape != x.shape[:1]:
            raise RunError(f"{self.path / name}: damaged: {x.dtype}{list(x.shape)}, {y.dtype}{list(y.shape)}")
        if not 0 <= y.min() <= y.max() < len(self.info.labels):
            raise RunError(f"{self.path / name}: damaged: classes {y.min()} to {y.max()}")
        return x, y

    def _arrays(self, name: str, *keys: str) -> list[npt.NDArray[Any]]:
        path = self.path / name
        try:
            return [load_array(path, key) for key in keys]
        except DatasetError as error:
            reason = str(error).removeprefix(f"{path}: ")
            raise RunError(f"{path}: damaged: {reason}: digits-edge train again") from None


def finished_runs(folder: Path) -> list[Path]:
    """The finished runs in a folder, the newest last."""
    markers = [path for path in folder.glob(f"*/{MARKER}") if not path.parent.name.startswith(".")]
    return [path.parent for path in sorted(markers, key=lambda path: path.stat().st_mtime_ns)]


def _are_pixels(x: npt.NDArray[Any]) -> bool:
    return x.dtype == np.uint8 and x.ndim in (3, 4) and x.size > 0
