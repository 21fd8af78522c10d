"""The part of the documentation that is made from the code: a hook of mkdocs.

What a page has from `<!-- generated: NAME -->` to `<!-- end -->`, for those who read it in the repository, is replaced
by what the function NAME of `GENERATORS` returns. The home page is README.md. A relative link that leaves docs/ leads
to the file in the repository. The build fails if a page of the site would load anything from another host.
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import os.path
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
REPOSITORY: Final = "https://github.com/digits-edge/digits-edge"
MARK: Final = re.compile(r"<!-- generated: (\w+) -->.*?<!-- end -->", re.DOTALL)
LINK: Final = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)\s#]+)(#[^)\s]*)?(?=\))")
EXAMPLE: Final = re.compile(r"^Example:\n((?: {4}.*\n?|\n)+)", re.MULTILINE)
LOADS: Final = {"src", "srcset", "poster", "data", "action"}  # attributes by which a page loads something
LEADING: Final = {"canonical", "next", "prev", "alternate"}  # links in a page's head that load nothing


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the home page."""
    files.append(File.generated(config, "index.md", content=(ROOT / "README.md").read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Fill in what is generated, and lead links to where they go on the site."""
    place = page.file.src_uri
    source = ROOT / "README.md" if place == "index.md" else DOCS / place
    return relinked(MARK.sub(lambda mark: GENERATORS[mark[1]](), markdown), source, DOCS / place)


def on_post_build(config: MkDocsConfig) -> None:
    """Fail if the site would load anything from another host."""
    for path in sorted(Path(config.site_dir).rglob("*")):
        if path.suffix in (".html", ".css", ".svg"):
            for url in external(path.read_text(encoding="utf-8"), path.suffix):
                raise PluginError(f"{path}: expected a page that loads only files of this site, found {url}")


def relinked(markdown: str, source: Path, page: Path) -> str:
    """Links of a Markdown file, as they are for a page at another place.

    Args:
        markdown: The text.
        source: The file that the links are relative to.
        page: The page's file under docs/.

    Raises:
        PluginError: A link leads to a file that does not exist.
    """

    def lead(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(source.parent / link[1]))
        if not target.exists():
            raise PluginError(f"{source}: expected a link to an existing file, found {link[0]}")
        if target.is_relative_to(DOCS):
            return os.path.relpath(target, page.parent) + (link[2] or "")
        kind = "tree" if target.is_dir() else "blob"
        return f"{REPOSITORY}/{kind}/main/{target.relative_to(ROOT).as_posix()}{link[2] or ''}"

    return LINK.sub(lead, markdown)


def external(text: str, suffix: str) -> Iterator[str]:
    """Addresses on other hosts that a page, a style sheet or a drawing would load."""
    if suffix == ".html":
        parser = _Loads()
        parser.feed(text)
        yield from filter(_is_external, parser.found)
    yield from filter(_is_external, re.findall(r"(?:url\(\s*|@import\s+)[\"']?([^\"')\s]+)", text))


class _Loads(HTMLParser):
    """Collects what a page loads, by the attributes of its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.found += [values[name] for name in LOADS & set(values)]
        if tag == "link" and values.get("rel") not in LEADING:
            self.found.append(values.get("href", ""))


def _is_external(address: str) -> bool:
    return re.match(r"(\w+:)?//", address.strip()) is not None


def commands() -> str:
    """Every command with its arguments and options, as typer describes them."""
    import typer
    from typer.cli import get_docs_for_click

    from digits_edge.cli.app import app

    command: Any = typer.main.get_command(app)
    command.commands["train"].epilog = None  # the recipes have a page of their own
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="digits-edge")
    text = re.sub(r"^#.*`digits-edge`\n+", "", text)
    summaries = {name: _summary(sub.help) for name, sub in command.commands.items()}  # typer's own are cut short
    text = re.sub(r"^\* `(\w+)`: .*$", lambda found: f"* `{found[1]}`: {summaries[found[1]]}", text, flags=re.MULTILINE)
    text = re.sub(r"(Examples?:\n\n)((?:digits-edge .+\n+)+)", _as_shell, text)
    return re.sub(r"(?<=`: )(.*<.*)$", lambda found: found[1].replace("<", "&lt;"), text, flags=re.MULTILINE)


def _summary(text: str | None) -> str:
    return " ".join((text or "").partition("\n\n")[0].split())


def _as_shell(found: re.Match[str]) -> str:
    lines = "\n".join(line for line in found[2].splitlines() if line)
    return f"{found[1]}```sh\n{lines}\n```\n\n"


def python_api() -> str:
    """Every public name of the three rooms that have a Python API, from its docstring; errors last."""
    return "\n".join(_room(importlib.import_module(f"digits_edge.{room}")) for room in ("runtime", "trainer", "export"))


def _room(module: ModuleType) -> str:
    text, _, example = (inspect.getdoc(module) or "").partition("\nExample:\n")
    parts = [f"## {module.__name__}\n\n{text}\n\n```python\n{textwrap.dedent(example)}\n```\n"]
    names = {name: getattr(module, name) for name in module.__all__}
    for name, found in sorted(names.items(), key=lambda item: isinstance(item[1], type) and _is_error(item[1])):
        if hasattr(found, "__qualname__"):
            parts.append(f"::: {found.__module__}.{found.__qualname__}\n")
        elif isinstance(found, dict):
            parts.append(f"### `{name}`\n\n[The recipes](recipes.md) by their names: {_listed(found)}.\n")
        else:
            parts.append(f"### `{name}`\n\nThe version of digits-edge that is installed, here `{found!r}`.\n")
    return "\n".join(parts)


def _is_error(kind: type) -> bool:
    return issubclass(kind, Exception)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


class FencedExamples(griffe.Extension):
    """Shows the indented code after `Example:` in a docstring as code."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite the docstring of one class or function."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(
                lambda found: f"**Example:**\n\n```python\n{textwrap.dedent(found[1]).strip()}\n```\n",
                obj.docstring.value,
            )


def criteria() -> str:
    """Every criterion of the gate with its option."""
    from digits_edge.export.verify.criteria import CRITERIA

    return _table(
        ("row of the table", "option", "default", "allowed", "meaning"),
        ((c.title, f"`{c.option}`", _value(c.default), _range(c.bounds), c.help) for c in CRITERIA.values()),
    )


def recipes() -> str:
    """Every field of every recipe, and what the fields mean."""
    from digits_edge.trainer.recipes import LIMITS, RECIPES, Augmentation, Recipe

    def flat(values: dict[str, Any]) -> dict[str, Any]:
        """Fields by the names that --set takes."""
        augmentation = {f"augmentation.{name}": value for name, value in values.pop("augmentation").items()}
        return {**values, **augmentation}

    columns = {name: flat(asdict(recipe)) for name, recipe in RECIPES.items()}
    meanings = flat({**_attributes(Recipe), "augmentation": _attributes(Augmentation)})
    names = [name for name in meanings if name != "name"]
    values = [(f"`{name}`", *(_value(column[name]) for column in columns.values())) for name in names]
    explained = [(f"`{name}`", meanings[name], _range(LIMITS.get(name.rpartition(".")[2]))) for name in names]
    return (
        _table(("field", *(f"`{name}`" for name in columns)), values)
        + "\n\n## What the fields mean\n\n"
        + _table(("field", "meaning", "allowed"), explained)
    )


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(f"{part:g}" for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _range(limits: tuple[float, float] | None) -> str:
    if limits is None:
        return ""
    return f"{limits[0]:g} or more" if math.isinf(limits[1]) else f"{limits[0]:g} to {limits[1]:,g}"


def forms() -> str:
    """Every form of data that a test writes and reads, by group."""
    sys.path.append(str(ROOT / "tests"))
    module = importlib.import_module("forms")
    groups: dict[str, list[str]] = {}
    for form in module.FORMS:
        groups.setdefault(form.group, []).append(f"- {form.what}")
    return "\n\n".join(f"## {group}\n\n{chr(10).join(rows)}" for group, rows in groups.items())


def errors() -> str:
    """Every error with its exit code, as the tree that they form."""
    from digits_edge.runtime.errors import DigitsEdgeError

    def rows(kind: type[DigitsEdgeError], depth: int) -> Iterator[tuple[str, ...]]:
        yield f"{'&emsp;' * depth}`{kind.__name__}`", str(kind.exit_code), _first_sentence(kind)
        for child in kind.__subclasses__():
            yield from rows(child, depth + 1)

    return _table(("error", "exit code", "meaning"), rows(DigitsEdgeError, 0))


def schemas() -> str:
    """Every JSON schema with its fields."""
    return "\n\n".join(_schema(path) for path in sorted((DOCS / "schemas").glob("*.schema.json")))


def _schema(path: Path) -> str:
    schema = _read(path.name)
    parts = [f"## {schema['title']}\n\n{schema['description']} [{path.name}](../schemas/{path.name})"]
    for part in (schema, *schema.get("oneOf", ()), *schema.get("anyOf", ())):
        rows = [] if "$ref" in part else list(_fields(part, path.name, ""))
        if part is not schema:
            parts.append(f"**{part['description']}**")
        parts += [f"All fields of {_title(reference)}." for reference in _references(part)]
        if rows:
            parts.append(_table(("field", "type", "meaning"), rows))
    return "\n\n".join(parts)


def _fields(part: dict[str, Any], file: str, prefix: str) -> Iterator[tuple[str, str, str]]:
    """A row for each field, the fields of an object below it; those of another file's are only referred to."""
    part, file = _resolved(part, file)
    if part.get("type") == "array" and not prefix:
        yield from _fields(part["items"], file, "[].")
    if isinstance(part.get("additionalProperties"), dict) and not prefix:
        yield from _fields(part["additionalProperties"], file, "*.")
    for name, field in part.get("properties", {}).items():
        inner, where = _resolved(field, file)
        meaning = field.get("description") or inner["description"]
        meaning += "" if name in part.get("required", ()) else " May be absent."
        meaning += "" if where == file else f" Fields: see {_title(where)}."
        yield f"`{prefix}{name}`", _type(inner), meaning
        if where == file:
            for key, mark in (("items", "[]."), ("additionalProperties", ".*."), ("properties", ".")):
                if isinstance(inner.get(key), dict):
                    yield from _fields(inner if key == "properties" else inner[key], file, f"{prefix}{name}{mark}")


def _resolved(part: dict[str, Any], file: str) -> tuple[dict[str, Any], str]:
    """What a part refers to, and the file that this is in."""
    if "$ref" not in part:
        return part, file
    where, _, pointer = part["$ref"].partition("#/")
    target = _read(where or file)
    for key in pointer.split("/") if pointer else ():
        target = target[key]
    return target, where or file


def _references(part: dict[str, Any]) -> list[str]:
    return [one["$ref"] for one in (part, *part.get("allOf", ())) if "#" not in one.get("$ref", "#")]


def _title(file: str) -> str:
    title = _read(file)["title"]
    return f"[{title}](#{re.sub('[^a-z -]', '', title).replace(' ', '-')})"


@cache
def _read(file: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((DOCS / "schemas" / file).read_text(encoding="utf-8"))
    return schema


def _type(part: dict[str, Any]) -> str:
    if "const" in part:
        return f"`{json.dumps(part['const'])}`"
    if "enum" in part:
        return ", ".join(f"`{json.dumps(value)}`" for value in part["enum"])
    kinds = part.get("type", "object")
    return kinds if isinstance(kinds, str) else " or ".join(kinds)


def _attributes(kind: type) -> dict[str, str]:
    """What a class's docstring says of each attribute."""
    section = (kind.__doc__ or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^ {8}(\w+): (.+(?:\n {12,}.+)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _first_sentence(kind: type) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


GENERATORS: Final[dict[str, Callable[[], str]]] = {
    made.__name__: made for made in (commands, python_api, criteria, forms, recipes, errors, schemas)
}
