"""The pages that are made from the code, and what the pages say of the repository's files."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from mkdocs.exceptions import PluginError

ROOT = Path(__file__).parents[2]
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
    """Paths in backticks, as `benchmarks/bulk.py`, and commands that run a script."""
    text = page.read_text(encoding="utf-8")
    folders = "runtime|common|trainer|export|cli|benchmarks|examples|tests|docs"
    named = set(re.findall(rf"(?<![\w/.])(?:{folders})/[\w./-]+\.\w+", text))
    assert {name for name in named if not (ROOT / name).exists()} == set()


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
    assert [message for message in quoted if message not in joined] == []


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
