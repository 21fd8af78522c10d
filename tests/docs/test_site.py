"""The pages that are made from the code, and what the pages say of the repository's files."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from mkdocs.exceptions import PluginError
from PIL import Image

from digits_edge.runtime import Classifier

ROOT = Path(__file__).parents[2]
TOP = "runtime|common|trainer|export|cli|benchmarks|examples|tests|docs"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    """docs/_generate.py, which mkdocs loads by its path."""
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/_generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_generated_part_is_on_a_page_and_is_complete(hook):
    from digits_edge.cli.app import app
    from digits_edge.export.verify.criteria import CRITERIA
    from digits_edge.runtime.errors import DigitsEdgeError
    from digits_edge.trainer.recipes import RECIPES

    asked = [name for page in PAGES for name in hook.MARK.findall(page.read_text(encoding="utf-8"))]
    assert sorted(asked) == sorted(hook.GENERATORS)
    made = {name: generate() for name, generate in hook.GENERATORS.items()}
    for command in app.registered_commands:
        assert f"## `digits-edge {command.name}`" in made["commands"]
    assert all(criterion.option in made["criteria"] for criterion in CRITERIA.values())
    assert all(f"`{name}`" in made["recipes"] for name in RECIPES)
    assert all(f"`{kind.__name__}`" in made["errors"] for kind in DigitsEdgeError.__subclasses__())
    assert all(f"({path.name})" in made["schemas"].replace("../schemas/", "") for path in ROOT.glob("docs/schemas/*"))
    assert all(f"`{name}`" not in made["schemas"] for name in ("$ref", "any"))


def test_a_printed_table_takes_the_place_of_the_pages_own(tmp_path):
    old, other = "| a | b |\n|---|--:|\n| 1 | 2 |\n", "| a | c |\n|---|---|\n| 1 | 2 |\n"
    new = "|   a |   b |\n|-----|----:|\n|   3 |   4 |\n|   5 |   6 |\n"
    (tmp_path / "README.md").write_text(f"Text\n\n{other}\nMore\n")
    (tmp_path / "docs/reference").mkdir(parents=True)
    page = tmp_path / "docs/reference/page.md"
    page.write_text(f"{other}\n{old}\nMore\n\n{old}")
    command = [sys.executable, str(ROOT / "benchmarks/update_docs.py")]
    done = subprocess.run(command, input=f"Words\n{new}", capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == f"Words\n{new}"
    assert done.stderr == f"{page.relative_to(tmp_path)}: updated\n"
    assert page.read_text() == f"{other}\n{new}\nMore\n\n{new}"


def test_what_a_page_would_load_from_elsewhere_is_found(hook):
    page = '<a href="https://a.org">a</a><link rel="canonical" href="https://b.org"><img src="x.png">'
    assert list(hook.external(page, ".html")) == []
    for part in (
        '<img src="https://c.org/x.png">',
        '<script src="//c.org/x.js"></script>',
        '<link rel="stylesheet" href="https://c.org/x.css">',
        '<link rel="preconnect" href="https://c.org" crossorigin>',
        '<style>@import "https://c.org/x.css";</style>',
    ):
        assert len(list(hook.external(page + part, ".html"))) == 1, part
    assert list(hook.external("body { background: url('https://c.org/x.png') }", ".css")) == ["https://c.org/x.png"]
    assert list(hook.external("body { background: url(x.png) }", ".css")) == []


def test_links_lead_to_pages_or_to_the_repository(hook):
    def lead(link: str) -> str:
        return str(hook.relinked(f"[x]({link})", ROOT / "docs/how-to/c.md", ROOT / "docs/how-to/c.md")[4:-1])

    assert lead("python.md#many-pictures") == "python.md#many-pictures"
    assert lead("../../LICENSE") == f"{hook.REPOSITORY}/blob/main/LICENSE"
    assert lead("../../artifacts/micro") == f"{hook.REPOSITORY}/tree/main/artifacts/micro"
    assert lead("https://a.org") == "https://a.org"
    assert hook.relinked("[x](docs/how-to/c.md)", ROOT / "README.md", ROOT / "docs/index.md") == "[x](how-to/c.md)"
    with pytest.raises(PluginError, match="existing file"):
        lead("none.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_a_page_names_exists(page):
    """By its path in the repository, or by that of its import, as `runtime/picture/decode.py`."""
    names = set(re.findall(rf"(?<![\w/.-])(?:{TOP})/[\w./-]+\.\w+", page.read_text(encoding="utf-8")))
    gone = [
        n for n in names if not (ROOT / n).exists() and not (ROOT / n.partition("/")[0] / "digits_edge" / n).exists()
    ]
    assert gone == []


FOLLOW = """
import inspect, sys, threading
from pathlib import PurePath
from digits_edge.cli.app import run

entered = {}

def parts(frame):
    return PurePath(frame.f_code.co_filename).parts

def is_imported(frame):
    # whether a module of ours is just being imported, which calls functions, too
    while frame and not (frame.f_code.co_name == "<module>" and "digits_edge" in parts(frame)):
        frame = frame.f_back
    return frame is not None

def follow(frame, event, _):
    where = parts(frame)
    if event == "call" and "digits_edge" in where and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        if not is_imported(frame):
            entered["/".join(where[where.index("digits_edge") + 1 :])] = None

threading.setprofile(follow)
sys.setprofile(follow)
run(sys.argv[1:])
sys.setprofile(None)
print(*entered, sep="\\n")
"""


def entered(command: str, path: Path) -> list[str]:
    """The files of the package that a command enters for a picture, in order."""
    golden = Classifier.load().contract.golden
    Image.fromarray(255 - golden.pixels[0]).resize((140, 140)).save(path)
    words = [sys.executable, "-c", FOLLOW, command, str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[1:]


def told(title: str) -> list[str]:
    """The files that a section of the page lists."""
    page = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(.+?)` \|", page.partition(f"## {title}\n")[2].partition("\n## ")[0], re.MULTILINE)


def test_a_picture_enters_the_files_in_the_order_of_the_page(tmp_path):
    assert entered("predict", tmp_path / "photo.png") == told("The path of a picture")


def test_a_number_enters_the_files_in_the_order_of_the_page(tmp_path):
    files = entered("read", tmp_path / "photo.png")
    own = [file for file in files if file.startswith("runtime/numbers/") or file == "runtime/batch/read_paths.py"]
    assert own == told("The path of a number")


def test_every_message_in_the_troubleshooting_table_is_in_the_code():
    page = (ROOT / "docs/reference/errors.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^\| `(.+?)` \|", page.partition("## Troubleshooting")[2], re.MULTILINE)
    source = "".join(
        path.read_text(encoding="utf-8")
        for room in ("runtime", "common", "trainer", "export", "cli")
        for path in (ROOT / room).rglob("*.py")
    )
    joined = re.sub(r'"\s*\n\s*f?"', "", source)  # a message may go on in the next line
    assert len(quoted) >= 15
    patterns = [r"\{\w+\}".join(map(re.escape, message.split("…"))) for message in quoted]
    assert [pattern for pattern in patterns if not re.search(pattern, joined)] == []


def test_the_quoted_tables_are_those_of_the_released_model():
    from digits_edge.export.report.gate_table import gate_table

    manifest = json.loads((ROOT / "artifacts/compact/manifest.json").read_text(encoding="utf-8"))
    assert gate_table(manifest["gate"]).markdown() in (ROOT / "docs/how-to/export.md").read_text(encoding="utf-8")
    report = (ROOT / "artifacts/compact/report.md").read_text(encoding="utf-8")
    parity = report.partition("\n## Parity\n")[2].strip().partition("\n\n")[0]
    assert parity.startswith("| engine")
    assert parity in (ROOT / "docs/explanation/gate.md").read_text(encoding="utf-8")


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
