"""The rooms stay apart: one namespace, a light runtime."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the bottom up: a name may import itself and what stands before it, anywhere, in type hints and functions, too.
ORDER = {
    "runtime": "errors atomic_file files system_info protobuf ort fork_safety metadata network model_limits session "
    "bundle prediction picture numbers teaching onnx_network c_library classifier collector batch",
    "common": "progress silence numerics tables labels_csv atomic_folder keras_backend keras_files keras_models "
    "keras_outputs model_cost",
    "trainer": "recipes released datasets run_info adaptation plots fitting run options results run_list pipeline",
    "export": "engines verify convert quantize codegen benchmark formats options source result report next_command "
    "pipeline inspect",
    "cli": "options output extras health labelling commands app __main__",
}
HEAVY = (
    "tensorflow",
    "keras",
    "jax",
    "torch",
    "onnx",
    "tf2onnx",
    "pandas",
    "sklearn",
    "matplotlib",
    "typer",
    "rich",
    "PIL",
)
CHECK = f"""
import sys
{{statement}}
heavy = sorted(set({HEAVY!r}) & {{{{name.partition('.')[0] for name in sys.modules}}}})
sys.exit(' '.join(heavy) or None)
"""
LOAD_AND_PREDICT = """
import numpy
from digits_edge.runtime import Classifier
classifier = Classifier.load()
assert classifier.self_test().passed
assert classifier.predict_proba(numpy.zeros((3, 28, 28), numpy.uint8)).shape == (3, 10)
"""


def imports_of(file: Path, module: str) -> set[str]:
    """The modules of digits_edge that a file names in its imports."""
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join([*package[: len(package) - node.level + 1], node.module or ""]) if node.level else node.module
            )
            found |= {f"{base}.{alias.name}".replace("..", ".") for alias in node.names}
    return {name for name in found if name.startswith("digits_edge.")}


def upward_imports(root: Path) -> list[str]:
    """Every import that runs up the order of rooms, as `importer -> imported`."""
    names = [f"digits_edge.{room}.{name}" for room, inner in ORDER.items() for name in ("", *inner.split())]
    ranks = {name.rstrip("."): rank for rank, name in enumerate(names)}
    upward = []
    for room in ORDER:
        for file in (root / room).rglob("*.py"):
            module = ".".join(file.relative_to(root / room).with_suffix("").parts).removesuffix(".__init__")
            if module == f"digits_edge.{room}":
                continue  # the public face of a room may name all that is in it
            for imported in imports_of(file, module):
                if rank(imported, ranks) > rank(module, ranks):
                    upward.append(f"{module} -> {imported}")
    return upward


def rank(module: str, ranks: dict[str, int]) -> int:
    """The place of a module in the order, by the longest name in it that begins the module's own."""
    parts = module.split(".")
    return next(ranks[name] for end in range(len(parts), 0, -1) if (name := ".".join(parts[:end])) in ranks)


def test_imports_run_downwards():
    assert upward_imports(ROOT) == []


@pytest.mark.parametrize(
    ("importer", "line"),
    [
        ("runtime/digits_edge/runtime/files.py", "from digits_edge.trainer.run import Run"),
        ("runtime/digits_edge/runtime/files.py", "from .classifier import Classifier"),
        ("export/digits_edge/export/verify/gate.py", "def f():\n    from ..report import markdown"),
    ],
)
def test_that_check_of_imports_can_fail(importer, line, tmp_path):
    file = tmp_path / importer
    file.parent.mkdir(parents=True)
    file.write_text(line)
    assert len(upward_imports(tmp_path)) == 1


def test_every_module_has_its_place_in_the_order():
    for room, inner in ORDER.items():
        folder = ROOT / room / "digits_edge" / room
        found = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
        assert found - {"__init__"} == set(inner.split())


def imports(statement: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    code = CHECK.format(statement=statement)
    return subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False)


def test_the_runtime_pulls_in_no_training_library():
    done = imports(LOAD_AND_PREDICT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("heavy", ["pandas", "typer", "PIL"])
def test_that_check_can_fail(heavy):
    done = imports(f"import digits_edge.runtime, {heavy}")
    assert done.returncode == 1
    assert heavy in done.stderr.split()


def test_commands_that_need_no_keras_do_not_import_it(tmp_path):
    statement = f"from digits_edge.cli.app import run; run(['train', '--data', {str(tmp_path / 'no.csv')!r}])"
    loaded = imports(statement).stderr.split()
    assert "typer" in loaded
    assert not {"keras", "tensorflow", "pandas", "sklearn", "onnx"} & set(loaded)


def test_no_portion_has_an_init_file_at_the_namespace():
    portions = [p.parent for p in ROOT.glob("*/digits_edge/*/py.typed")]
    assert sorted(p.name for p in portions) == ["cli", "common", "export", "runtime", "trainer"]
    assert [p for p in portions if (p.parent / "__init__.py").exists()] == []


@pytest.fixture
def bare_python() -> str:
    """The interpreter of an environment with only `pip install .`, which `make test` sets up."""
    python = os.environ.get("DIGITS_EDGE_BARE_PYTHON")
    if python is None:
        pytest.skip("no bare environment; `make test` makes one")
    return str(Path(python).absolute())


def test_a_bare_install_loads_and_runs_a_bundle(bare_python, exported, trained):
    statement = f"""
import numpy, digits_edge.runtime
assert 'site-packages' in digits_edge.runtime.__file__
{LOAD_AND_PREDICT}
classifier = Classifier.load({str(exported.path)!r})
arrays = numpy.load({str(trained.path / "validation.npz")!r})
right = (classifier.predict_proba(arrays['x']).argmax(axis=1) == arrays['y']).mean()
assert right > 0.9, right
"""
    done = imports(statement, bare_python)
    assert done.returncode == 0, done.stderr


def test_a_bare_install_has_nothing_else(bare_python):
    for name in HEAVY:
        done = subprocess.run([bare_python, "-I", "-c", f"import {name}"], capture_output=True, check=False)
        assert done.returncode == 1, f"{name} is installed"


def test_a_bare_install_names_the_missing_extra(bare_python, tmp_path):
    def run(code: str) -> str:
        done = subprocess.run([bare_python, "-I", "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode in (1, 2)
        return done.stderr.strip().splitlines()[-1]

    assert 'pip install "digits-edge[cli]"' in run("from digits_edge.cli import main; main()")
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8")
    said = run(f"from digits_edge.runtime import Classifier; Classifier.load().predict({str(photo)!r})")
    assert 'pip install "digits-edge[image]"' in said


def test_the_packages_model_is_the_released_compact_one():
    released = ROOT / "artifacts/compact/model.int8.onnx"
    default = ROOT / "runtime/digits_edge/runtime/default.onnx"
    assert default.read_bytes() == released.read_bytes()


def test_every_public_name_is_there():
    import digits_edge.runtime as runtime

    assert all(hasattr(runtime, name) for name in runtime.__all__)


def test_scripts_find_what_they_share():
    """Nothing else opens all of benchmarks/, where one script may import another."""
    scripts = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "benchmarks").glob("*.py")}
    shared = [
        (name, node.module, {alias.name for alias in node.names})
        for name, tree in scripts.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in scripts
    ]
    assert shared
    for name, module, wanted in shared:
        defined = {each.id for each in ast.walk(scripts[module]) if isinstance(each, ast.Name)}
        defined |= {each.name for each in scripts[module].body if isinstance(each, ast.FunctionDef | ast.ClassDef)}
        assert wanted <= defined, f"{name}.py imports from {module}.py"
