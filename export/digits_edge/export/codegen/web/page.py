"""Write `web/index.html`, a page that reads digits and numbers in the browser with the model's int8 weights.

The page is one file that needs nothing else: it contains style, scripts and weights, and its Content-Security-Policy
allows no other source and no other script.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib.resources import files
from typing import Any, Final

import jinja2
from markupsafe import Markup

NOT_CODE: Final = re.compile(r"^\s*(//|/\*\*|\*).*\n|^\s+", re.MULTILINE)
DOM_FREE: Final = (
    "resize.js",
    "mnist_form.js",
    "background.js",
    "ruled_lines.js",
    "connected_components.js",
    "stroke_width.js",
    "finder.js",
    "decode.js",
    "preprocess.js",
    "engine.js",
    "verdict.js",
    "teaching.js",
    "frames.js",
    "lines.js",
    "tilt.js",
    "seams.js",
    "lattice.js",
    "answer.js",
    "read.js",
)


def scripts() -> str:
    """The scripts that need no page: they find digits, run the networks and decide whether to accept the answer.

    Any ECMAScript engine runs them. Their functions are then global.
    """
    return "".join(_script(name) for name in DOM_FREE)


def page(model: dict[str, Any]) -> bytes:
    """Write the page of a model, in UTF-8.

    `model` holds plain JSON values: `name`, `labels`, `shape`, `preprocess`, `thresholds` and `output` as the scripts
    read them, `engine` as engine.js reads it, `seams` as seams.js reads it if the page reads numbers, `features` as
    teaching.js reads it if the model can be taught, and `facts` for the footer: `accuracy` from 0 to 1, the number of
    `pictures` that it was measured on, and the number of `parameters` or None.
    """
    # The blocks keep the scripts' names out of the global scope, and page.js's names apart from the others'.
    script = f'"use strict";\n{{\n{scripts()}\n{{\n{_script("page.js")}}}\n}}\n'
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # A label such as `</script>` or `<!--` would end or hide the script, so `<` is written as a JSON escape.
    data = json.dumps(model, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = environment.from_string(_read("page.html.jinja")).render(
        model=model,
        style=Markup(_read("page.css")),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        json=Markup(data),
    )
    return text.encode()


def _script(name: str) -> str:
    """A script without its comments and indentation, a fifth of its size."""
    return NOT_CODE.sub("", _read(f"scripts/{name}"))


def _read(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
