"""Find one handwritten digit in a picture, on any paper, and bring it to MNIST's form.

    picture ─▶ ink ─▶ without printed lines ─▶ the strokes that look most like a digit ─▶ even strokes ─▶ 28 x 28

A picture that already has MNIST's form is returned unchanged. A small picture, such as a scan of 16 x 16, is assumed to
have paper of one shade, and is enlarged.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from .background import FEW, box_mean, find_ink, flat_ink, paper_shade
from .connected_components import Components, components
from .median import median
from .mnist_form import bounding_box, in_box, is_normalised
from .resize import resize
from .ruled_lines import without_lines
from .shrink import MIN_SIDE, mean_squares
from .stroke_width import evened, outline, widened

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]
Box = tuple[slice, slice]  # rows and columns

WORKING: Final = 160  # pixels of the longer side while searching
ENLARGED: Final = 4  # factor by which each side of a small picture is enlarged
ZOOMED: Final = 48  # smaller digits are searched again in a crop of the full-size picture
CLOSER: Final = 0.75  # a crop larger than this share of the picture is not worth a second search
SURROUNDINGS: Final = 0.6  # margin of the crop on each side, as a share of the digit's size
LEVELS: Final = (0.045, 0.07, 0.1, 0.15, 0.22, 0.33, 0.5)  # thresholds of ink for finding components
FROM_NOISE: Final = 5.0  # standard deviations of the paper's noise below which there is no ink
GROWN_FROM_NOISE: Final = 3.0  # the same beside ink
CUTS: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # shares of a stroke's strength tried as its edge
OFFSET: Final = 0.2  # share of a stroke's strength that counts as paper
RESOLVED: Final = 64  # smallest digit, in pixels of the full-size picture, whose strokes are narrowed
SMALLEST: Final = 5  # pixels of the longer side; anything smaller is a speck
ALONG: Final = 0.8  # a figure with this share of its height and width on the border is a margin
DARK: Final = 0.3  # share of the paper's light below which the border is a margin
REACHING: Final = 0.6  # a figure that touches two sides and is shorter than this share is a shadow or a table
SHARE: Final = 0.15  # smallest share of the ink inside the border; with less a figure is one speck of many
NEAR: Final = 0.12  # largest gap between the parts of a digit, as a share of its size
BROKEN: Final = 0.04  # the same for parts side by side, which could be two digits
GAP: Final = 2  # pixels; smaller gaps do not count
WEAKEST: Final = 0.5  # a figure with less than this share of the digit's ink is neither a part nor another digit
ALIKE: Final = 0.5  # a figure beside the digit with at least this share of its size is another digit
WIDEST: Final = 1.6  # largest width of one digit, as a share of its height; 1.54 holds 99.9 % of MNIST's
FADING: Final = 1.2  # times the median ink of a digit that its strokes are at most taken to be strong
THICKEST: Final = 0.3  # largest stroke width, as a share of a figure's diagonal
# Weight of a figure by the number of sides of the picture it touches: the border cuts off neighbours and tables.
BY_SIDES: Final = np.array([1, 0.6, 0.3, 0.1, 0.1])
INK, OUTLINE, SEED = range(3)  # indices of the sums over figures


@dataclass(frozen=True, eq=False)
class Seed:
    """A digit's pixels bool[H, W], the number of sides of the picture it touches, and its median ink."""

    mask: Mask
    sides: int
    strong: float


@dataclass(frozen=True, eq=False)
class Step:
    """The picture after one step, for `explain`: uint8[H, W], float32[H, W] from 0 to 1, or bool[H, W]."""

    name: str
    image: npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Finding:
    """What was found in a picture, and how."""

    pixels: Pixels | None  # uint8 in the model's form; None without ink
    several: bool = False  # whether other figures of a digit's size are beside the digit
    steps: tuple[Step, ...] = ()


def find_digit(grey: Pixels) -> Finding:
    """Find the digit in a picture uint8[H, W], and bring it to uint8[28, 28], white ink (255) on black (0)."""
    if is_normalised(grey):
        return Finding(grey, steps=(Step("has MNIST's form", grey),))
    return _find(grey)


def _find(grey: Pixels) -> Finding:
    factor = max(1, min(-(-max(grey.shape) // WORKING), min(grey.shape) // MIN_SIDE))  # a strip keeps its shorter side
    small = mean_squares(grey, factor)
    if max(grey.shape) > FEW:
        small = without_margins(small)
    ink = flat_ink(small) or find_ink(small)
    if max(grey.shape) <= FEW:
        framed = np.pad(ink.strength, 1)
        strength = resize(framed, *(ENLARGED * side for side in framed.shape))
    else:
        strength = without_lines(ink.strength, max(GROWN_FROM_NOISE * ink.noise, LEVELS[0]))
    steps = (Step("picture", small / 255), Step("ink", ink.strength), Step("without printed lines", strength))
    seed = _best_seed(strength, FROM_NOISE * ink.noise)
    if seed is None:
        return Finding(None, steps=steps)
    figures, main = _grown(strength, seed, GROWN_FROM_NOISE * ink.noise)
    if _is_cut_off(figures)[main]:
        return Finding(None, steps=steps)
    parts, several = _parts(figures, main, WEAKEST * seed.strong)
    mask = figures.mask(parts)
    box = bounding_box(mask)
    size = max(side.stop - side.start for side in box)
    if size < ZOOMED and factor > 1:
        surroundings = grey[_around(box, size, factor, grey.shape)]
        if max(surroundings.shape) <= CLOSER * max(grey.shape):
            found = _find(surroundings)
            return replace(found, several=found.several or several)
    if size < SMALLEST:
        return Finding(None, steps=steps)
    fringed = widened(mask)  # strokes fade into paper
    strong = min(seed.strong, FADING * median(strength[mask]))
    digit = ((strength / strong - OFFSET) / (1 - OFFSET)).clip(0, 1) * fringed
    drawn = evened(digit[box], narrow=max(grey.shape) > FEW and size * factor >= RESOLVED)
    pixels = in_box(drawn)
    last = (Step("digit", digit), Step("even strokes", drawn), Step("28 x 28", pixels))
    return Finding(pixels, several, (*steps, *last))


def without_margins(small: Floats) -> Floats:
    """Paint what is far darker than the paper and lies along the border, such as a table, in the paper's shade."""
    if min(side.min() for side in (small[0], small[-1], small[:, 0], small[:, -1])) >= DARK * small.max():
        return small
    dark = components(small < DARK * np.median(small))
    along = _is_along(dark)
    if not along.any():
        return small
    lighter = small >= box_mean(small, max(small.shape) // 8)
    margins = widened(widened(dark.mask(along)))
    return np.where(margins, paper_shade(small, lighter & ~margins), small)


def _figures(strength: Floats, level: float, *images: npt.NDArray[Any]) -> Components:
    """Components of ink above a level, with the sums `INK`, `OUTLINE` and those of further images."""
    mask = strength > level
    return components(mask, strength, outline(mask), *images)


def _best_seed(strength: Floats, noise: float) -> Seed | None:
    """The figure that looks most like a digit, over all levels; None if there is none.

    Trying several thresholds is the idea of maximally stable extremal regions (Matas et al. 2002): a figure that is
    joined to a line or a shadow at one threshold stands alone at another.
    """
    best, seed = 0.0, None
    for level in (level for level in LEVELS if level >= noise):
        figures = _figures(strength, level)
        if not len(figures):
            break
        scores = _scores(figures)
        index = int(np.argmax(scores))
        if scores[index] > best and _is_no_speck(figures, index):
            mask = figures.mask(np.arange(len(figures)) == index)
            best, seed = scores[index], Seed(mask, int(figures.sides[index]), median(strength[mask]))
    return seed


def _scores(figures: Components) -> npt.NDArray[np.float64]:
    """Score how much each figure looks like a digit: size, place, contrast, stroke width, distance from the border."""
    height, width = figures.shape
    size = np.hypot(figures.height / height, figures.width / width)
    away = np.hypot((figures.top + figures.bottom) / height - 1, (figures.left + figures.right) / width - 1) / 2
    contrast = figures.sums[INK] / figures.area
    thin = (1.5 - _thickness(figures) * 4).clip(0.05, 1)
    weight = BY_SIDES[figures.sides] * ~_is_cut_off(figures)
    return np.asarray(np.minimum(1, size / 0.3) * weight * (1 - away) * np.sqrt(contrast) * thin)


def _is_cut_off(figures: Components) -> npt.NDArray[np.bool_]:
    """Which figures lie along the border, such as a shadow, a margin or a table, or are small and in a corner."""
    return _is_along(figures) | ((figures.sides > 1) & (figures.longer < REACHING * max(figures.shape)))


def _is_along(figures: Components) -> npt.NDArray[np.bool_]:
    return figures.border >= ALONG * (figures.height + figures.width)


def _thickness(figures: Components) -> npt.NDArray[np.float64]:
    """Mean stroke width of each figure, as a share of its diagonal."""
    return 2 * figures.area / figures.sums[OUTLINE] / np.hypot(figures.height, figures.width)


def _is_no_speck(figures: Components, index: int) -> bool:
    """Whether a figure is more than the largest of many specks, as in grainy paper."""
    inside = (figures.sides == 0) & (figures.longer < ALIKE * figures.longer[index])
    inside[index] = True
    return bool(figures.sums[INK][index] >= SHARE * figures.sums[INK][inside].sum())


def _grown(strength: Floats, seed: Seed, noise: float) -> tuple[Components, int]:
    """All figures at the lowest level at which the seed's figure still has strokes and touches no more of the border.

    The number is the index of the figure that contains the seed.
    """
    for cut in CUTS:
        figures = _figures(strength, max(cut * seed.strong, noise), seed.mask)
        main = int(np.argmax(figures.sums[SEED]))
        if figures.sides[main] <= seed.sides + 1 and _thickness(figures)[main] < THICKEST:
            break
    return figures, main


def _parts(figures: Components, main: int, weakest: float) -> tuple[npt.NDArray[np.bool_], bool]:
    """Which figures bool[K] belong to the main one, such as the bar of a 5, and whether another digit is beside it.

    Figures with less than `weakest` mean ink do not count.
    """
    parts = np.arange(len(figures)) == main
    digits = ~_is_cut_off(figures) & (figures.sums[INK] >= weakest * figures.area)
    while True:
        top, bottom = figures.top[parts].min(), figures.bottom[parts].max()
        left, right = figures.left[parts].min(), figures.right[parts].max()
        size = max(bottom - top, right - left)
        below = np.maximum(figures.top - bottom, top - figures.bottom)  # negative where they overlap
        beside = np.maximum(figures.left - right, left - figures.right)
        apart = np.hypot(below.clip(min=0), beside.clip(min=0))
        others = digits & (figures.longer > NEAR * size) & ~parts
        alike = others & (np.where(figures.sides, figures.height, figures.longer) >= ALIKE * size)
        above = beside < -ALIKE * np.minimum(figures.width, right - left)  # or below, so not a neighbour
        whole = np.maximum(
            np.maximum(figures.bottom, bottom) - np.minimum(figures.top, top),
            np.maximum(figures.right, right) - np.minimum(figures.left, left),
        )
        joined = (
            others
            & (figures.sides == 0)
            & ((apart <= np.maximum(GAP, BROKEN * whole)) | ((apart <= NEAR * size) & (~alike | above)))
        )
        if not joined.any():
            return parts, bool(alike.any() or right - left > WIDEST * (bottom - top))
        parts |= joined


def _around(box: Box, size: int, factor: int, shape: tuple[int, ...]) -> Box:
    """A box with its surroundings, in pixels of the full-size picture, whose shape is given."""
    margin = SURROUNDINGS * size
    rows, columns = (
        slice(int(max(0, side.start - margin) * factor), int(min(whole, (side.stop + margin) * factor)))
        for side, whole in zip(box, shape, strict=True)
    )
    return rows, columns
