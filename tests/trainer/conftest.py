"""What the tests of datasets share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest


@pytest.fixture(scope="session")
def few(digits):
    """Thirty digits, three of each class, in mixed order."""
    chosen = np.concatenate([np.flatnonzero(digits.targets == digit)[:3] for digit in range(10)])
    rows = np.random.default_rng(4).permutation(chosen)
    return replace(digits, pixels=digits.pixels[rows], targets=digits.targets[rows])
