"""What an interrupted training run needs to go on: saved after each epoch, beside the run's folder."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import RunError

Values = list[npt.NDArray[Any]]

_SUFFIX: Final = ".checkpoint.npz"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of a fit between two epochs.

    Attributes:
        plan: what is being trained, on what: a resumed run must have the same.
        history: of `Recorder`.
        batches: of `Recorder`.
        seconds: spent so far.
        state: of network, draws and optimizer.
        best: the network's weights after its best epoch, and its validation logits then.
        best_epoch: its number, from 1.
    """

    plan: dict[str, Any]
    history: list[tuple[float, ...]]
    batches: list[tuple[int, int, float]]
    seconds: float
    state: Values
    best: Values
    best_epoch: int

    def save(self, path: Path) -> None:
        """Write one file, whole or not at all."""
        words = {
            "plan": self.plan,
            "history": self.history,
            "batches": self.batches,
            "seconds": self.seconds,
            "best_epoch": self.best_epoch,
        }
        arrays = {f"{name}{i}": value for name in ("state", "best") for i, value in enumerate(getattr(self, name))}
        new = path.with_name(path.name + ".new")
        with new.open("wb") as file:
            np.savez(file, words=np.frombuffer(json.dumps(words).encode(), np.uint8), **arrays)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read what `save` wrote.

        Raises:
            RunError: it is damaged.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                words = json.loads(arrays["words"].tobytes())
                values = {
                    name: [arrays[f"{name}{i}"] for i in range(sum(key.startswith(name) for key in arrays.files))]
                    for name in ("state", "best")
                }
            return cls(
                plan=words["plan"],
                history=[tuple(row) for row in words["history"]],
                batches=[tuple(row) for row in words["batches"]],
                seconds=words["seconds"],
                best_epoch=words["best_epoch"],
                **values,
            )
        except Exception as error:  # zipfile, zlib, numpy, JSON and key errors alike
            raise RunError(f"{path}: damaged: {error}: train anew with --force") from None

    def check(self, plan: dict[str, Any]) -> None:
        """Make sure that the same is to be trained on the same.

        Raises:
            RunError: it differs; the first difference is named.
        """
        ours, theirs = _flat(self.plan), _flat(plan)
        for name in ours | theirs:
            had, received = ours.get(name), theirs.get(name)
            if had != received:
                raise RunError(
                    f"--resume: the interrupted run has {name} = {had!r:.80}, received {received!r:.80}; "
                    "resume with what it began with, or train anew with --force"
                )


def checkpoint_path(out: Path) -> Path:
    """Where the checkpoint of the run in a folder is."""
    return out.with_name(f".{out.name}{_SUFFIX}")


def interrupted_runs(folder: Path) -> list[Path]:
    """The folders of the runs in a folder that have a checkpoint, the newest last."""
    ages = {}
    for path in folder.glob(f".*{_SUFFIX}"):
        with suppress(FileNotFoundError):  # its run has just been finished
            ages[path] = path.stat().st_mtime_ns
    return [path.with_name(path.name[1 : -len(_SUFFIX)]) for path in sorted(ages, key=ages.__getitem__)]


def _flat(plan: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in plan.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat
