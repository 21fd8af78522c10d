"""The public names of the workstation's rooms: each resolves, and none costs an import of Keras before it is used."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from digits_edge.trainer import RECIPES

ROOT = Path(__file__).parents[2]
PUBLIC = {
    "digits_edge.trainer": {"RECIPES", "Recipe", "Run", "TrainOptions", "read_dataset", "train"},
    "digits_edge.export": {"Bundle", "ExportOptions", "Limits", "evaluate", "export"},
}
HEAVY = {"tensorflow", "keras", "jax", "pandas", "sklearn", "scipy", "matplotlib", "onnx", "rich"}
LOADED = "import sys; {statement}; print(*sorted(set({heavy!r}) & {{name.partition('.')[0] for name in sys.modules}}))"


def loaded_by(statement: str) -> set[str]:
    code = LOADED.format(statement=statement, heavy=sorted(HEAVY))
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("room", PUBLIC)
def test_every_public_name_resolves(room):
    module = importlib.import_module(room)
    assert set(module.__all__) == PUBLIC[room]
    assert set(dir(module)) >= PUBLIC[room]
    assert not [name for name in PUBLIC[room] if isinstance(getattr(module, name), ModuleType)]
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        module.nothing  # noqa: B018


@pytest.mark.parametrize("name", sorted(set().union(*PUBLIC.values()) - {"RECIPES", "export"}))
def test_every_example_in_a_docstring_runs(name, trained, tmp_path, monkeypatch):
    """But for that of `export`, whose gate a model of five epochs does not pass."""
    room = next(room for room, names in PUBLIC.items() if name in names)
    example = getattr(importlib.import_module(room), name).__doc__.partition("Example:\n")[2]
    (tmp_path / "artifacts" / "runs").mkdir(parents=True)
    (tmp_path / "artifacts" / "compact").symlink_to(ROOT / "artifacts" / "compact")
    (tmp_path / "artifacts" / "runs" / "compact-sample").symlink_to(trained.path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(RECIPES, "fast", replace(RECIPES["fast"], epochs=1))
    names: dict[str, object] = {}
    exec(textwrap.dedent(example), names)
    assert len(names) > 1


@pytest.mark.parametrize("room", PUBLIC)
def test_importing_a_room_imports_nothing_heavy(room):
    assert loaded_by(f"import {room}") == set()


def test_that_check_can_fail():
    assert loaded_by("import digits_edge.export, scipy, rich") == {"scipy", "rich"}


def test_naming_options_takes_no_keras():
    assert loaded_by("from digits_edge.trainer import RECIPES, Run, TrainOptions, read_dataset, train") == set()
