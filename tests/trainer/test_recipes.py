"""Recipes: every field can be given on the command line, none can be impossible, and --help prints them."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from digits_edge.runtime.errors import UsageError
from digits_edge.trainer.recipes import NOTEBOOK, RECIPES, Augmentation, Recipe


def test_what_a_recipe_prints_makes_it_again():
    for recipe in RECIPES.values():
        again = Recipe(name=recipe.name, model="compact", epochs=1, batch_size=1)
        for change in str(recipe).split():
            again = again.override(*change.split("=", 1))
        assert again == recipe


def test_every_field_can_be_overridden():
    values = {
        "label_smoothing": "0.5",
        "model": "micro",
        "optimizer": "adamw",
        "schedule": "constant",
        "precision": "float32",
        "zoom": "0.5,2",
    }
    changed = NOTEBOOK
    for item in fields(Recipe):
        if item.name not in ("name", "augmentation"):
            changed = changed.override(item.name, values.get(item.name, "1"))
    for item in fields(Augmentation):
        changed = changed.override(f"augmentation.{item.name}", {**values, "fill": "constant"}.get(item.name, "1"))
    assert (changed.epochs, changed.learning_rate, changed.optimizer) == (1, 1.0, "adamw")
    assert (changed.augmentation.zoom, changed.augmentation.erasing) == ((0.5, 2.0), 1.0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("epoch=3", "recipe: epoch: expected model or epochs or "),
        ("epoch=3", "did you mean 'epochs'?"),
        ("name=mine", "recipe: name: expected model or"),
        ("augmentation.rotatoin=3", "did you mean 'rotation'?"),
        ("augmentation=3", "recipe: augmentation: expected model or"),
        ("epochs=many", "recipe: epochs: expected a whole number from 1 to 100000, received 'many'"),
        ("epochs=0", "recipe: epochs: expected a whole number from 1 to 100000, received 0"),
        ("learning_rate=nan", "recipe: learning_rate: expected a number from 1e-09 to 100, received nan"),
        ("learning_rate=-1", "received -1.0"),
        ("optimizer=adma", "did you mean 'adam'?"),
        ("augmentation.zoom=1", "recipe: zoom: expected two numbers from 0 to 10, the lower first, received (1.0,)"),
        ("augmentation.zoom=2,1", "the lower first, received (2.0, 1.0)"),
        ("augmentation.blur=1.5", "recipe: blur: expected a number from 0 to 1, received 1.5"),
        ("epochs", "--set: expected FIELD=VALUE, received 'epochs'"),
    ],
)
def test_bad_recipes_are_one_line_before_any_work(tmp_path, refused, change, expected):
    assert expected in refused("train", "--out", tmp_path / "run", "--set", change)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_cannot_be_made_impossible_in_python_either():
    with pytest.raises(UsageError, match="expected a number from 0 to 1, received 'often'"):
        Augmentation(blur="often")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="augmentation: expected Augmentation, received None"):
        Recipe("mine", "compact", 1, 1, augmentation=None)  # type: ignore[arg-type]


def test_help_prints_every_recipe_and_its_fields(digits_edge):
    said = " ".join(digits_edge("train", "--help").out.split())
    for recipe in RECIPES.values():
        assert recipe.name in said
    assert "augmentation.rotation=" in said
    assert "learning_rate=" in said


def test_the_command_line_changes_what_the_run_records(digits_npz, tmp_path, digits_edge):
    words = ("--epochs", 1, "--set", "batch_size=400", "--set", "augmentation.zoom=0.8,1.25", "--json")
    done = digits_edge("train", "--data", digits_npz, "--recipe", "fast", "--out", tmp_path / "run", *words)
    assert done.code == 0, done.err
    recipe = json.loads(done.out)["recipe"]
    assert (recipe["epochs"], recipe["batch_size"], recipe["augmentation"]["zoom"]) == (1, 400, [0.8, 1.25])
    assert recipe["name"] == "fast"
