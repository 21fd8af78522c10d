"""Correct pixels that are not stored as models take them: transposed, dark on light, of another range or size."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from digits_edge.runtime.errors import UsageError
from digits_edge.runtime.picture.preprocess import prepare

Pixels = npt.NDArray[np.uint8]  # [N, H, W] or [N, H, W, 3]


@dataclass(frozen=True)
class Corrections:
    """What to do with pixels as they are read. The defaults change nothing.

    Attributes:
        transpose: Swap rows and columns, as for EMNIST.
        invert: Turn dark ink on light paper into light ink on dark.
        white: The value that white has in the data, from 1 to 255: 1 for pixels that are 0 or 1.
        resize: Resize pictures of another size than is asked for, and turn colour into grey or grey into colour.

    Raises:
        UsageError: White has no such value.
    """

    transpose: bool = False
    invert: bool = False
    white: int = 255
    resize: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.white <= 255:
            raise UsageError(f"--scale: expected the value of white, 1 to 255, received {self.white}")

    @classmethod
    def recorded(cls, dataset: Any, spec: str) -> Corrections:
        """Read the corrections that a manifest records for its training data; none if a SPEC has another name."""
        same = isinstance(dataset, dict) and dataset.get("name") == Path(spec).resolve().name
        given = dataset.get("corrections") if same else None
        given = given if isinstance(given, dict) else {}
        known = {field.name: field.default for field in fields(cls)}
        return cls(**{name: given[name] for name, default in known.items() if type(given.get(name)) is type(default)})

    def apply(self, pixels: Pixels) -> Pixels:
        """Correct pixels, without resizing them; UsageError if some are brighter than white."""
        if (brightest := int(pixels.max())) > self.white:
            raise UsageError(f"--scale {self.white}: expected pixels from 0 to {self.white}, found some of {brightest}")
        if self.transpose:
            pixels = pixels.swapaxes(1, 2)
        if self.white != 255:
            pixels = np.rint(np.arange(256).clip(max=self.white) * (255 / self.white)).astype(np.uint8)[pixels]
        if self.invert:
            pixels = 255 - pixels
        return np.ascontiguousarray(pixels)


AS_STORED: Final = Corrections()


def resized(pixels: Pixels, shape: tuple[int, ...]) -> Pixels:
    """Bring pictures to a shape, (H, W) or (H, W, 3), as `predict` does with whole pictures."""
    if pixels.shape[1:] == shape:
        return pixels
    found = (prepare(picture, "resize", shape).pixels for picture in pixels)
    return np.stack([picture for picture in found if picture is not None])  # only `digit` finds nothing
