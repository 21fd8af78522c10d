"""A finished training run on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from digits_edge.common.atomic_folder import partial
from digits_edge.runtime.errors import RunError
from digits_edge.runtime.metadata import Preprocess

from .fitting.checkpoint import checkpoint_path

KIND: Final = "digits-edge run"
MARKER: Final = "run.json"
SCHEMA: Final = 1
RUNS: Final = Path("artifacts", "runs")
KEYS: Final[dict[str, type | tuple[type, ...]]] = {
    "name": str, "created": str, "recipe": dict, "init": (str, type(None)), "teacher": (str, type(None)),
    "parameters": int, "macs": int, "activation_bytes": int, "labels": list, "preprocess": str, "seed": int,
    "dataset": dict, "split": dict, "metrics": dict, "best": dict, "wall_seconds": float, "backend": str,
    "device": str, "versions": dict,
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What `train` wrote.

    Attributes:
        path: its folder.
        info: `run.json`: recipe, parameters, seeds, dataset fingerprint, versions, device, wall time, metrics.
    """

    path: Path
    info: dict[str, Any]

    @classmethod
    def open(cls, path: Path) -> Run:
        """Read a finished run.

        Raises:
            RunError: there is none, or it was killed half-way, or a newer digits-edge wrote it.
        """
        if not (path / MARKER).is_file():
            if checkpoint_path(path.absolute()).exists():
                raise RunError(
                    f"{path}: the run is not finished (still training, or interrupted: digits-edge train --resume)"
                )
            if partial(path.absolute()).is_dir():
                raise RunError(f"{path}: the run is not finished (still training, or killed: digits-edge train again)")
            raise RunError(
                f"{path}: expected a finished run (a folder with {MARKER}); make one with: digits-edge train"
            )
        try:
            info = json.loads((path / MARKER).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{path / MARKER}: not readable as JSON: {error}") from None
        if not isinstance(info, dict) or info.get("kind") != KIND:
            raise RunError(f"{path / MARKER}: expected the description of a {KIND}, received another JSON")
        if info.get("schema") != SCHEMA:
            raise RunError(f"{path / MARKER}: expected schema {SCHEMA}, received {info.get('schema')!r:.80}")
        for key, kinds in KEYS.items():
            if key not in info or not isinstance(info[key], kinds):
                kind = (kinds if isinstance(kinds, type) else kinds[0]).__name__
                raise RunError(f"{path / MARKER}: expected {key!r}, a {kind}, received {info.get(key)!r:.80}")
        for name in ("model.keras", "validation.npz", "calibration.npz"):
            if not (path / name).is_file():
                raise RunError(f"{path / name}: missing from the run: digits-edge train again")
        return cls(path, info)

    @classmethod
    def newest(cls) -> Run:
        """The run under `artifacts/runs` that was finished last.

        Raises:
            RunError: there is none.
        """
        finished = [marker.parent for marker in RUNS.glob(f"*/{MARKER}") if not marker.parent.name.startswith(".")]
        if not finished:
            raise RunError(f"{RUNS}: no finished run is there; make one with: digits-edge train")
        return cls.open(max(finished, key=lambda run: (run / MARKER).stat().st_mtime_ns))

    @property
    def name(self) -> str:
        """What the model is called."""
        return str(self.info["name"])

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names, in the order of the model's outputs."""
        return tuple(self.info["labels"])

    @property
    def preprocess(self) -> Preprocess:
        """How a photograph becomes pixels."""
        return cast(Preprocess, self.info["preprocess"])

    @property
    def place(self) -> Path:
        """Where its bundle goes unless another place is given."""
        return self.path / "bundle"

    @property
    def model_path(self) -> Path:
        """The Keras model."""
        return self.path / "model.keras"

    def validation(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """The split that the gate uses: pixels uint8[N, H, W] and targets int64[N]."""
        x, y = self._arrays("validation.npz", "x", "y")
        if not _are_pixels(x) or y.dtype != np.int64 or y.shape != x.shape[:1]:
            raise RunError(
                f"{self.path / 'validation.npz'}: damaged: {x.dtype}{list(x.shape)}, {y.dtype}{list(y.shape)}"
            )
        if not 0 <= y.min() <= y.max() < len(self.labels):
            raise RunError(f"{self.path / 'validation.npz'}: damaged: classes {y.min()} to {y.max()}")
        return x, y

    def calibration(self) -> npt.NDArray[np.uint8]:
        """Pixels uint8[K, H, W] of the training part."""
        (x,) = self._arrays("calibration.npz", "x")
        if not _are_pixels(x):
            raise RunError(f"{self.path / 'calibration.npz'}: damaged: {x.dtype}{list(x.shape)}")
        return x

    def _arrays(self, name: str, *keys: str) -> list[npt.NDArray[Any]]:
        try:
            with (self.path / name).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return [arrays[key] for key in keys]
        except Exception as error:  # zipfile, zlib, numpy and key errors alike
            raise RunError(f"{self.path / name}: damaged: {error}: digits-edge train again") from None


def _are_pixels(x: npt.NDArray[Any]) -> bool:
    return x.dtype == np.uint8 and x.ndim in (3, 4) and x.size > 0
