"""What to train, how, and where to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from digits_edge.common.atomic_folder import check_ours, is_ours
from digits_edge.common.keras_backend import Device
from digits_edge.runtime.errors import RunError, UsageError, check_utf8
from digits_edge.runtime.metadata import Preprocess

from .datasets.corrections import AS_STORED, Corrections
from .fitting.checkpoint import checkpoint_path
from .recipes import Recipe
from .released import LABELS, is_released, model_file
from .run import Run
from .run_info import KIND, MARKER

SIDES: Final = range(8, 129)  # of a picture, in pixels


@dataclass(frozen=True)
class TrainOptions:
    """What to train, how, and where to.

    Attributes:
        data: SPEC of the training data, see `read_dataset`.
        recipe: Recipe to train with.
        out: Folder of the run.
        names: Labels file with one class name per line, or None to take the names from the data.
        label_column: Name or number (from 1) of the label column of a CSV or parquet file, or None to find it.
        preprocess: How photographs will become pixels, or None to decide by the data.
        size: Size of the pictures, (H, W) or (H, W, 3), to which others are resized; None to take it from the data.
        corrections: What to do with pixels that are not stored as models take them.
        init: Keras model or run to start from, with its network and weights, or the name of a released model, such as
            `compact`; None for the recipe's network with fresh weights.
        also: SPEC of pictures to rehearse, so that the model to start from does not forget them; None for none.
        max_forgetting: Share of their validation part that may be lost, rounded up to whole pictures.
        teachers: Keras models or runs to distil from; of several, the mean of their logits.
        views: Folder that keeps augmented pictures and the teachers' answers for other runs, or None.
        seed: Seed for initial weights, order, augmentation and dropout.
        split_seed: Seed for the split into training and validation.
        validation_fraction: Share of the pictures held out for validation, between 0 and 1.
        device: Device to train on; `auto` takes a GPU or TPU if Keras sees one.
        distribute: Split each batch across all such devices.
        resume: Continue an interrupted run.
        force: Replace a finished run and discard an interrupted one.

    Example:
        from pathlib import Path
        from digits_edge.trainer import RECIPES, TrainOptions

        options = TrainOptions(data="train.csv", recipe=RECIPES["notebook"], out=Path("artifacts/runs/kaggle"))
    """

    data: str
    recipe: Recipe
    out: Path
    names: Path | None = None
    label_column: str | None = None
    preprocess: Preprocess | None = None
    size: tuple[int, ...] | None = None
    corrections: Corrections = AS_STORED
    init: Path | None = None
    also: str | None = None
    max_forgetting: float = 0.002
    teachers: tuple[Path, ...] = ()
    views: Path | None = None
    seed: int = 7
    split_seed: int = 0
    validation_fraction: float = 0.2
    device: Device = "auto"
    distribute: bool = False
    resume: bool = False
    force: bool = False

    def check(self) -> None:
        """Check all that can be checked before Keras is imported, which takes seconds.

        Raises:
            UsageError: A number is out of range, a model to start from is missing, there is nothing that could be
                forgotten, or `out` holds something else.
            RunError: A run in `out` is in the way, or there is none to resume.
        """
        models = [("teacher", path) for path in self.teachers] + ([("init", self.init)] if self.init else [])
        for name, path in (("data", Path(self.data)), ("out", self.out.resolve()), *models):
            check_utf8(path.name, f"--{name}")
        for name, path in models:
            if is_released(path):
                model_file(path)
            elif path.suffix != ".keras":
                Run.open(path)
            elif not path.is_file():
                raise UsageError(f"--{name}: expected a .keras file or a run, found nothing at {path}")
        if self.views and not self.teachers:
            raise UsageError("--views: expected teachers whose answers are kept: --teacher MODEL")
        if self.also is not None:
            self._check_also(self.also)
        if not 0 < self.validation_fraction < 1:
            raise UsageError(
                f"--validation-fraction: expected a number between 0 and 1, received {self.validation_fraction:g}"
            )
        for name, seed in (("seed", self.seed), ("split-seed", self.split_seed)):
            if not 0 <= seed < 2**32:
                raise UsageError(f"--{name}: expected a whole number from 0 to {2**32 - 1}, received {seed}")
        if self.size is not None:
            self.check_shape(self.size, self.preprocess, "--size")
        if self.resume and self.force:
            raise UsageError("--resume, --force: expected one of them, received both")
        self._check_out(self.out.resolve())

    def _check_also(self, also: str) -> None:
        if self.init is None:
            raise UsageError("--also: expected a model that could forget these pictures: --init MODEL")
        if self.teachers:
            raise UsageError("--also, --teacher: expected one of them, received both")
        if also == self.data:
            raise UsageError(
                f"--data, --also: expected pictures of your own and others to rehearse, received {also} twice"
            )
        if not 0 <= self.max_forgetting <= 1:
            raise UsageError(f"--max-forgetting: expected a number from 0 to 1, received {self.max_forgetting:g}")

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The classes that the model to start from knows, in its order; None if it does not say."""
        if self.init is None or self.init.suffix == ".keras":
            return None
        return LABELS if is_released(self.init) else Run.open(self.init).info.labels

    @property
    def preprocess_of_init(self) -> Preprocess | None:
        """How the model to start from takes photographs; None if it does not say."""
        if self.init is None or self.init.suffix == ".keras":
            return None
        return "digit" if is_released(self.init) else Run.open(self.init).info.preprocess

    @staticmethod
    def check_shape(shape: tuple[int, ...], preprocess: Preprocess | None, where: str) -> None:
        """Check that pictures of a shape can be trained on and, for `digit`, have no colour; UsageError if not."""
        size = " x ".join(map(str, shape))
        if len(shape) not in (2, 3) or shape[2:] not in ((), (3,)) or not all(side in SIDES for side in shape[:2]):
            raise UsageError(
                f"{where}: expected pictures of {SIDES[0]} to {SIDES[-1]} pixels a side, grey or RGB, received {size}; "
                "--size 32x32 or --size 32x32x3 resizes them"
            )
        if len(shape) == 3 and preprocess == "digit":
            raise UsageError(
                f"{where}: expected grey pictures for --preprocess digit, received {size}; give --size "
                f"{shape[0]}x{shape[1]} or --preprocess resize"
            )

    def _check_out(self, out: Path) -> None:
        check_ours(out, marker=MARKER, kind=KIND)
        interrupted = checkpoint_path(out).exists()
        if self.resume and not interrupted:
            raise RunError(f"{self.out}: expected an interrupted run to resume, found none")
        if self.resume or self.force:
            return
        if interrupted:
            raise RunError(f"{self.out}: an interrupted run is here; continue with --resume or start over with --force")
        if is_ours(out, marker=MARKER, kind=KIND):
            raise RunError(f"{self.out}: a finished run is here; replace it with --force or choose another --out")
