"""Save after each epoch what an interrupted run needs to continue, in a file beside the run's folder."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.atomic_file import remove_leftovers, replacing
from digits_edge.runtime.errors import DatasetError, RunError
from digits_edge.runtime.files import parse_json

from ..datasets.arrays import load_array, names_in_npz
from ..run_info import EpochMetrics, parse

Values = list[npt.NDArray[Any]]

METRICS: Final = tuple(field.name for field in fields(EpochMetrics))

_SUFFIX: Final = ".checkpoint.npz"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of a fit between two epochs."""

    settings: dict[str, Any]  # JSON values that a resumed run must have in common with this one
    history: list[EpochMetrics]
    batches: list[tuple[int, int, float]]  # epoch, batch and loss of each batch so far
    seconds: float  # so far
    state: Values  # of all variables of network, random generators and optimizer
    best: Values  # weights of the network after its best epoch, and its validation logits, float32[N, C]
    best_epoch: int  # from 1

    def save(self, path: Path) -> None:
        """Write the checkpoint; an earlier one is replaced in one step."""
        words = {
            "plan": self.settings,
            "history": [astuple(row) for row in self.history],
            "batches": self.batches,
            "seconds": self.seconds,
            "best_epoch": self.best_epoch,
        }
        arrays = {f"{name}{i}": value for name in ("state", "best") for i, value in enumerate(getattr(self, name))}
        with replacing(path) as file:
            np.savez(file, words=np.frombuffer(json.dumps(words).encode(), np.uint8), **arrays)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a checkpoint, or raise RunError if it is damaged."""
        try:
            words = parse_json(load_array(path, "words").tobytes())
            names = names_in_npz(path)
            values = {
                kind: [load_array(path, f"{kind}{i}") for i in range(sum(name.startswith(kind) for name in names))]
                for kind in ("state", "best")
            }
            return cls(
                settings=dict(words["plan"]),
                history=[
                    parse(EpochMetrics, dict(zip(METRICS, row, strict=True)), "history") for row in words["history"]
                ],
                batches=[(int(epoch), int(batch), float(loss)) for epoch, batch, loss in words["batches"]],
                seconds=parse(float, words["seconds"], "seconds"),
                best_epoch=parse(int, words["best_epoch"], "best_epoch"),
                **values,
            )
        except (DatasetError, LookupError, OverflowError, TypeError, ValueError) as error:
            reason = str(error).removeprefix(f"{path}: ")
            raise RunError(f"{path}: damaged: {reason}; start over with --force") from None

    def check(self, settings: dict[str, Any]) -> None:
        """Check that the run to resume has the settings of the interrupted one; RunError names the first difference."""
        ours, theirs = _flat(self.settings), _flat(settings)
        for name in ours | theirs:
            had, received = ours.get(name), theirs.get(name)
            if had != received:
                raise RunError(
                    f"--resume: the interrupted run has {name} = {had!r:.80}, received {received!r:.80}; "
                    "resume it with the settings that it was started with, or start over with --force"
                )


def checkpoint_path(out: Path) -> Path:
    """The file of the checkpoint for the run in a folder."""
    out = out.resolve()
    return out.with_name(f".{out.name}{_SUFFIX}")


def discard(path: Path) -> None:
    """Remove a checkpoint, if there is one, and what killed processes have left of writing it."""
    path.unlink(missing_ok=True)
    remove_leftovers(path)


def interrupted_runs(folder: Path) -> list[Path]:
    """The interrupted runs in a folder, the newest last."""
    ages = {}
    for path in folder.glob(f".*{_SUFFIX}"):
        with suppress(FileNotFoundError):  # the run has finished meanwhile
            ages[path] = path.stat().st_mtime_ns
    return [path.with_name(path.name[1 : -len(_SUFFIX)]) for path in sorted(ages, key=ages.__getitem__)]


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level, with dots in the names and lists for tuples, as JSON returns them."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat
