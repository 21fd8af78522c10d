"""Drawn digits: ways of writing that MNIST lacks, in MNIST's form, of the right classes."""

from __future__ import annotations

import numpy as np

from digits_edge.runtime import Classifier
from digits_edge.runtime.picture.mnist_form import is_normalised
from digits_edge.trainer.fitting.hands import hands

DIGITS = tuple("0123456789")


def test_drawn_digits_have_mnists_form_and_are_the_same_each_time():
    pixels, targets = hands(200, DIGITS)
    assert all(map(is_normalised, pixels))
    assert set(targets) == set(range(10))
    np.testing.assert_array_equal(pixels, hands(200, DIGITS)[0])
    assert len(np.unique(pixels.reshape(200, -1), axis=0)) == 200


def test_a_network_reads_them_as_what_they_are():
    """Ones with a long flag apart, which the ways are drawn for, MNIST's digits suffice to read most of them."""
    pixels, targets = hands(400, DIGITS)
    right = Classifier.load().predict_proba(pixels).argmax(axis=1) == targets
    assert right[targets != 1].mean() > 0.9


def test_classes_that_are_no_digits_get_none():
    pixels, targets = hands(50, ("a", "7", "b", "1"))
    assert set(targets) == {1, 3}
    assert pixels.shape == (50, 28, 28)
    assert hands(50, ("a", "b"))[0].shape == (0, 28, 28)
