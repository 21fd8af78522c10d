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
    """A Keras model that digits-edge did not train."""

    path: Path  # of the `.keras` or `.h5` file, or of the folder of a SavedModel
    data: str  # SPEC of labelled pictures; some of them calibrate, the others judge
    pixel_range: str = "0..1"  # that the model was trained on, see `pixel_range.ends_of`
    names: tuple[str, ...] | None = None  # classes in the order of the outputs; None to take them from the data
    labels: Path | None = None  # file that the names were read from
    label_column: str | None = None  # name or number of the label column of a table; None to find it
    preprocess: Preprocess | None = None  # None to decide by the data
    seed: int = 0  # for choosing the calibration pictures
    custom: str | None = None  # module with the author's own layers: its name, or the path of a `.py` file

    @property
    def place(self) -> Path:
        """Default folder of its bundle."""
        return self.path.with_name(f"{self.path.stem}-bundle")


@dataclass(frozen=True)
class ExportOptions:
    """What to export, and where to.

    Attributes:
        source: A finished run, or a Keras model of your own.
        out: Folder of the bundle.
        int8: Whether to quantize to int8 as well; otherwise only float models are made.
        formats: Formats of the bundle. C and web are written from the int8 TFLite model, which is then exported too.
        limits: Limits of the gate.
        ladder: Whether to try remedies if an int8 model is refused; otherwise the first attempt decides.
        time_budget: Seconds after which no further remedy is tried; None for no limit.
        timed: Whether to benchmark the models on this machine, for the report.
        time_limit: Time limit of each conversion, in seconds.

    Example:
        from pathlib import Path
        from digits_edge.export import ExportOptions, Limits
        from digits_edge.trainer import Run

        run = Run.open(Path("artifacts/runs/compact-sample"))
        options = ExportOptions(run, out=run.place, int8=True, limits=Limits(max_drop=0.001), timed=False)
    """

    source: Run | OwnModel
    out: Path
    int8: bool = False
    formats: Sequence[Format] = MODELS
    limits: Limits = field(default_factory=Limits)
    ladder: bool = True
    time_budget: float | None = None
    timed: bool = True
    time_limit: float = 600
