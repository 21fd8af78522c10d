"""Divide a line of writing where one digit may end and the next begin.

A small network, trained on digits that touch and overlap, marks for each pixel of the line how likely the boundary
between two digits runs there. Boundaries are the cheapest paths from top to bottom through these costs: shortest-path
segmentation (Wang and Jean 1994), with learned costs in place of the ink's. More are returned than there are digits;
the lattice chooses.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import MissingExtra
from ..picture.resize import resize

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.intp]

TALL: Final = 26  # height of the digits, in pixels, that the network was trained with
TILE: Final = 48, 128  # height and width of what the network looks at
MARGIN: Final = 3  # pixels of paper above and below the line, at least
BESIDE: Final = 20  # pixels on either side of a tile that the network only looks at
STEP: Final = 4  # the network's stride
WIDE: Final = 20  # pixels of a gap whose middle is a boundary for certain: the network knows narrower ones
FAINT: Final = 0.1  # ink of a pixel that counts as paper
SLANTED: Final = 0.25  # cost of a step to the side
DEAREST: Final = 3.0  # mean cost of a pixel: a boundary with a probability of 5 %
WORST: Final = 8  # rows in which a boundary is least likely, which its probability is taken from
APART: Final = 2.5  # least mean distance of two boundaries, in pixels


class Seam(NamedTuple):
    """A boundary: its column in each row, float[H], in the pixels of the ink, and its probability."""

    columns: npt.NDArray[np.float64]
    probability: float


def find_seams(ink: Floats, tall: float) -> list[Seam]:
    """Find boundaries between digits about `tall` pixels high in ink float32[H, W] from 0 to 1, from left to right."""
    scale = min(TALL / tall, (TILE[0] - 2 * MARGIN) / len(ink))
    height, width = (max(STEP, round(side * scale)) for side in ink.shape)
    cost = _costs(resize(ink, height, width))
    rows = (np.arange(len(ink)) + 0.5) * height / len(ink) - 0.5
    return [
        Seam((np.interp(rows, np.arange(height), path) + 0.5) * ink.shape[1] / width, float(np.exp(-price)))
        for price, path in _cheapest(cost)
    ]


def _costs(ink: Floats) -> Floats:
    """The cost of a boundary at each pixel, float32[H, W]: minus the logarithm of its probability."""
    height, width = ink.shape
    (down, across), above = TILE, (TILE[0] - height) // 2
    useful = across - 2 * BESIDE
    count = -(-width // useful)
    framed = np.zeros((down, count * useful + 2 * BESIDE), np.uint8)
    framed[above : above + height, BESIDE : BESIDE + width] = ink * 255 + 0.5
    tiles = np.stack([framed[:, left : left + across] for left in range(0, count * useful, useful)])
    blocks = _network()(tiles).reshape(count, down // STEP, across // STEP, STEP, STEP)
    seen = blocks.transpose(1, 3, 0, 2, 4).reshape(down, count, across)[..., BESIDE:-BESIDE].reshape(down, -1)
    costs = np.asarray(np.logaddexp(0, -seen[above : above + height, :width]), np.float32)
    inked = np.flatnonzero(ink.max(axis=0) > FAINT)
    wide = np.flatnonzero(np.diff(inked) > WIDE)
    costs[:, (inked[wide] + inked[wide + 1]) // 2] = 0
    return costs


@lru_cache(maxsize=1)
def _network() -> Callable[[npt.NDArray[np.uint8]], Floats]:
    """The network: logits of tiles uint8[N, H, W], for each block of `STEP` x `STEP` pixels."""
    from ..bundle import MAX_MODEL_BYTES
    from ..files import read_file

    model = read_file(os.path.join(os.path.dirname(__file__), "seams.onnx"), MAX_MODEL_BYTES)
    try:
        from ..session import open_session
    except MissingExtra:
        from .boundary_network import BoundaryNetwork

        return BoundaryNetwork(model)
    session = open_session(model, "seams.onnx")
    return lambda tiles: session.run(None, {"image": tiles})[0]


def _cheapest(cost: Floats) -> list[tuple[float, Ints]]:
    """Paths int[H] from top to bottom that are cheaper than their neighbours, with mean costs, from left to right."""
    height, width = cost.shape
    down, above = _sweep(cost)
    up, below = _sweep(cost[::-1])
    price = (down + up[::-1] - cost) / height
    framed = _framed(price, 2)
    starts = price < DEAREST
    for shift in range(5):
        starts &= price <= framed[:, shift : shift + width]
    rows = (height // 4, height // 2, 3 * height // 4)
    paths = np.concatenate([_through(row, starts[row], above, below[::-1]) for row in rows])
    worst = np.sort(cost[np.arange(height), paths], axis=1)[:, -WORST:].mean(axis=1)
    kept: list[int] = []
    for one in np.argsort(worst, kind="stable"):
        if (np.abs(paths[kept] - paths[one]).sum(axis=1) > APART * height).all():
            kept.append(one)
    return [(float(worst[one]), paths[one]) for one in sorted(kept, key=lambda one: float(paths[one].mean()))]


def _through(row: int, starts: npt.NDArray[np.bool_], above: Ints, below: Ints) -> Ints:
    """Paths int[K, H] from top to bottom through some columns bool[W] of a row, by the steps from each pixel."""
    columns = np.flatnonzero(starts)
    path = np.empty((len(above), len(columns)), np.intp)
    path[row] = columns
    for y in range(row, 0, -1):
        path[y - 1] = path[y] + above[y, path[y]]
    for y in range(row, len(path) - 1):
        path[y + 1] = path[y] + below[y, path[y]]
    return np.ascontiguousarray(path.T)


def _sweep(cost: Floats) -> tuple[Floats, Ints]:
    """The least cost of a path from the first row to each pixel, float32[H, W], and its last step: -1, 0 or 1."""
    framed = _framed(cost, 1)
    total = framed[:, 1:-1]
    for row, before in zip(total[1:], framed[:-1], strict=True):
        row += np.minimum(before[1:-1], np.minimum(before[:-2], before[2:]) + SLANTED)
    steps = np.zeros(cost.shape, np.intp)
    straight, left, right = total[:-1], framed[:-1, :-2] + SLANTED, framed[:-1, 2:] + SLANTED
    steps[1:] = np.where(straight <= np.minimum(left, right), 0, np.where(left <= right, -1, 1))
    return total, steps


def _framed(values: Floats, by: int) -> Floats:
    """With columns of infinity on both sides."""
    framed = np.full((len(values), values.shape[1] + 2 * by), np.inf, np.float32)
    framed[:, by:-by] = values
    return framed
