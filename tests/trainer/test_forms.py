"""Every form in which people have data gives the same pictures and classes."""

from __future__ import annotations

from collections import Counter

import pytest
from forms import FORMS

from digits_edge.trainer.datasets.read import read_dataset
from digits_edge.trainer.datasets.split import split


def content(dataset):
    """Each picture with its class, in no order."""
    pixels = dataset.pixels[..., 0] if dataset.pixels.ndim == 4 else dataset.pixels
    return Counter(
        (picture.tobytes(), dataset.labels[target]) for picture, target in zip(pixels, dataset.targets, strict=True)
    )


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.what)
def test_every_form_gives_the_same_pictures_and_classes(few, tmp_path, capfd, form):
    spec = form.write(tmp_path, few.pixels, few.targets)
    dataset = read_dataset(str(spec))
    assert dataset.labels == tuple(map(str, range(10)))
    assert content(dataset) == content(few)
    said = capfd.readouterr().err
    assert form.said in said
    if form.group not in ("Pictures", "Parquet"):
        assert dataset.preprocess == ("resize" if dataset.pixels.ndim == 4 else "digit")
        assert len(said.splitlines()) <= 2 * bool(form.said)


@pytest.mark.parametrize("what", ["val_", "`valid`"])
def test_a_validation_part_of_its_own_is_used_as_such(few, tmp_path, capfd, what):
    form = next(form for form in FORMS if what in form.what)
    parts = split(read_dataset(str(form.write(tmp_path, few.pixels, few.targets))), 0.5, 0)
    assert (len(parts.train), len(parts.validation)) == (20, 10)
    assert "its own validation part of 10 pictures is used" in capfd.readouterr().err
