"""What to export, in which formats, and how strictly to judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from digits_edge.runtime.metadata import Preprocess
from digits_edge.trainer.run import Run

from .formats import MODELS, Format
from .verify.criteria import Limits


@dataclass(frozen=True)
class OwnModel:
    """A Keras model that digits-edge did not train.

    Attributes:
        path: of the `.keras`.
        data: SPEC of the pictures, some of them to calibrate with, the others to judge by.
        pixel_range: what the model takes.
        names: class names in the order of the outputs; None where the data have them.
        preprocess: how a photograph becomes pixels; None to judge by the data.
        seed: of which pictures calibrate.
    """

    path: Path
    data: str
    pixel_range: str = "0..1"
    names: tuple[str, ...] | None = None
    preprocess: Preprocess | None = None
    seed: int = 0

    @property
    def place(self) -> Path:
        """Where its bundle goes unless another place is given."""
        return self.path.with_name(f"{self.path.stem}-bundle")


@dataclass(frozen=True)
class ExportOptions:
    """What to export, and where to.

    Attributes:
        source: a finished run, or a model of one's own.
        out: the bundle's folder.
        int8: also quantize; else the float models only.
        formats: of the bundle. C and web are the int8 TFLite model in another dress, and bring it along.
        limits: of the gate.
        ladder: try remedies where an int8 model is refused; else the first attempt decides.
        timed: benchmark the models on this machine, for the report.
        time_limit: of one conversion, in seconds.
    """

    source: Run | OwnModel
    out: Path
    int8: bool = False
    formats: Sequence[Format] = MODELS
    limits: Limits = field(default_factory=Limits)
    ladder: bool = True
    timed: bool = True
    time_limit: float = 600
