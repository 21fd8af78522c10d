"""Boundaries between the digits of a line of writing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from digits_edge.runtime import Classifier
from digits_edge.runtime.numbers.seams import MARGIN, TILE, Seam, find_seams
from digits_edge.runtime.picture.mnist_form import bounding_box
from digits_edge.runtime.picture.resize import resize

TALL = 26  # the height at which the network sees digits
Ink = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def digits() -> list[Ink]:
    """Real digits, each float32[26, W] from 0 to 1."""
    pixels = Classifier.load().contract.golden.pixels.astype(np.float32) / 255
    cropped = [digit[bounding_box(digit > 0.3)] for digit in pixels]
    return [resize(ink, TALL, round(ink.shape[1] * TALL / len(ink))) for ink in cropped]


def touching(left: Ink, right: Ink) -> tuple[Ink, npt.NDArray[np.int64]]:
    """The ink of two digits that touch, and whose each pixel is: 1, 2, or 0 for paper."""
    ends, starts = left.shape[1] - (left[:, ::-1] > 0.5).argmax(axis=1), (right > 0.5).argmax(axis=1)
    reach = np.where((left > 0.5).any(axis=1) & (right > 0.5).any(axis=1), ends - starts, -99)
    place = max(0, int(reach.max()))
    both = np.zeros((2, TALL, place + max(right.shape[1], left.shape[1] - place)), np.float32)
    both[0, :, : left.shape[1]] = left
    both[1, :, place : place + right.shape[1]] = right
    owner = np.where(both.max(axis=0) > 0.5, both.argmax(axis=0) + 1, 0)
    return both.max(axis=0), owner


def divided(seam: Seam, owner: npt.NDArray[np.int64]) -> float:
    """The share of the ink that is on its digit's side of a seam."""
    right = np.arange(owner.shape[1]) + 0.5 > seam.columns[:, None]
    inked = owner > 0
    return float((right == (owner == 2))[inked].mean())


def test_two_digits_are_cut_where_they_touch(digits: list[Ink]) -> None:
    pairs = [touching(left, right) for left in digits[:8] for right in digits[:8]]
    cut = [
        any(seam.probability > 0.5 and divided(seam, owner) > 0.95 for seam in find_seams(ink, TALL))
        for ink, owner in pairs
    ]
    assert np.mean(cut) > 0.9


def likely(ink: Ink, tall: float = TALL) -> list[Seam]:
    return [seam for seam in find_seams(ink, tall) if seam.probability > 0.5]


def assert_same(seams: list[Seam], others: list[Seam], within: float) -> None:
    """Whether two lists of seams are the same, within so many pixels in every row."""
    for seam, other in zip(seams, others, strict=True):
        np.testing.assert_allclose(seam.columns, other.columns, atol=within)


def test_a_strip_wider_than_a_tile_is_cut_as_its_parts_are(digits: list[Ink]) -> None:
    left, right = (touching(*digits[first : first + 2])[0] for first in (0, 2))
    apart = 160
    assert apart > TILE[1]
    strip = np.zeros((TALL, apart + right.shape[1]), np.float32)
    strip[:, : left.shape[1]] = left
    strip[:, apart:] = right
    first, gap, second = likely(strip)
    assert left.shape[1] - 20 < gap.columns.mean() < apart
    assert_same([first], likely(left), 1)
    assert_same([second], [Seam(seam.columns + apart, seam.probability) for seam in likely(right)], 1)


def test_a_strip_higher_than_a_tile_is_cut_as_a_lower_one_is(digits: list[Ink]) -> None:
    ink = np.pad(touching(*digits[:2])[0], ((8, 8), (0, 0)))
    assert len(ink) == TILE[0] - 2 * MARGIN
    high = resize(ink, 3 * len(ink), 3 * ink.shape[1])
    seams = [Seam(seam.columns[1::3] / 3, seam.probability) for seam in likely(high)]
    assert len(seams) == 1
    assert_same(seams, likely(ink), 1)
