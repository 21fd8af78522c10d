"""What looks wrong in a dataset is warned of before hours are spent, and what looks right is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from digits_edge.trainer.datasets.split import split
from digits_edge.trainer.datasets.suspicions import suspicions
from digits_edge.trainer.fitting.fit import chance_level


def told(dataset):
    return list(suspicions(split(dataset, 0.2, 0)))


LETTERS = tuple("abcdefghij")
CASES = {
    "transposed digits": (lambda x: x.swapaxes(1, 2), None, "100% with --transpose"),
    "inverted digits": (lambda x: 255 - x, None, "100% with --invert"),
    "both": (lambda x: 255 - x.swapaxes(1, 2), None, "100% with --transpose --invert"),
    "transposed characters": (lambda x: x.swapaxes(1, 2), LETTERS, "of the pictures are taller than wide"),
    "inverted characters": (lambda x: 255 - x, LETTERS, "100% of the pictures are dark on light"),
    "ones": (lambda x: (x > 99).astype(np.uint8), None, "the brightest pixel is 1, where white is 255: --scale 1"),
    "sixteenths": (lambda x: x // 16, None, "--scale 15 makes it white"),
    "two values": (lambda x: (x > 99) * np.uint8(200), None, "all pixels are 0 or 200, with no grey between"),
    "blank": (lambda x: x * (np.arange(len(x)) > 7)[:, None, None], None, "8 of 2,000 pictures have one colour only"),
}


@pytest.mark.parametrize(("change", "labels", "expected"), CASES.values(), ids=CASES)
def test_what_looks_wrong_is_one_line(digits, change, labels, expected):
    said = told(replace(digits, pixels=np.ascontiguousarray(change(digits.pixels)), labels=labels or digits.labels))
    assert [line for line in said if expected in line], said


def test_what_looks_right_is_not_mentioned(digits):
    assert told(digits) == []
    assert told(replace(digits, labels=LETTERS)) == []
    photos = np.random.default_rng(0).integers(0, 256, (2000, 16, 16, 3), dtype=np.uint8)
    assert told(replace(digits, pixels=photos)) == []


def test_few_pictures_of_a_class_and_pictures_in_both_parts(digits):
    rows = np.concatenate([np.flatnonzero(digits.targets != 4), np.flatnonzero(digits.targets == 4)[:6]])
    few = replace(digits, pixels=digits.pixels[rows], targets=digits.targets[rows])
    assert told(few) == ["fewer than 10 pictures of '4' (6): their accuracy is hardly judged"]
    parts = split(digits, 0.2, 0)
    pixels, targets = digits.pixels.copy(), digits.targets.copy()
    pixels[parts.validation[:5]] = pixels[parts.train[:5]]
    targets[parts.validation[:5]] = targets[parts.train[:5]]
    pixels[parts.validation[5]] = pixels[parts.train[np.argmax(targets[parts.train] != targets[parts.validation[5]])]]
    said = list(suspicions(replace(parts, dataset=replace(digits, pixels=pixels, targets=targets))))
    assert said == [
        "6 of 400 validation pictures are in the training part, too, 1 of them with another class: "
        "accuracy will look better than it is"
    ]


def test_an_accuracy_no_better_than_the_most_frequent_class_is_chance():
    targets = np.repeat(np.arange(4), (70, 10, 10, 10))
    assert chance_level(0.71, targets) == 0.7
    assert chance_level(0.9, targets) is None
    assert chance_level(0.3, np.arange(100) % 10) is None
    assert chance_level(1.0, np.array([0, 0, 1])) is None
