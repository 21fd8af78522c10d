"""`digits-edge doctor`."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import Final

import typer

from digits_edge.common.progress import say
from digits_edge.runtime.system_info import cpu_name, instruction_sets, versions

from ..extras import BASE, extras, requirements
from ..options import Json
from ..output import print_json, print_lines, print_text

MARKS: Final = {"works": "[ok]", "missing": "[ -]", "broken": "[!!]"}


def command(json: Json = False) -> None:
    """Show what is installed, which extras are complete and what works on this machine.

    Says how to add what is missing and how to repair what is broken. Each part is tried in a process of its own. The
    exit code is 1 if the base install is broken, and 0 otherwise: a missing extra is not an error.

    Examples:

    digits-edge doctor

    digits-edge doctor --json
    """
    from ..health import RUNTIME, check_extras, check_parts

    say("trying each part; this can take half a minute")
    found_extras, found_parts = check_extras(), check_parts()
    packages = sorted({wanted.name for extra in (BASE, *extras()) for wanted in requirements(extra)})
    installed = versions(("digits-edge", *packages))
    cpu, sets = cpu_name(), instruction_sets()
    if json:
        print_json(
            {
                "platform": platform.platform(),
                "cpu": cpu,
                "instruction_sets": sets,
                "versions": installed,
                "extras": [asdict(finding) for finding in found_extras],
                "parts": [asdict(finding) for finding in found_parts],
            }
        )
    else:
        print_lines(platform.platform())
        print_lines(f"{cpu} ({' '.join(sets) or 'instruction sets unknown'})")
        print_text(", ".join(f"{name} {version}" for name, version in installed.items()))
        for title, findings in (("Extras", found_extras), ("Parts", found_parts)):
            print_text(f"\n{title}")
            for finding in findings:
                print_lines(f"{MARKS[finding.state]} {finding.name:<22} {finding.detail}")
                if finding.remedy:
                    print_lines(f"{'':28}to do: {finding.remedy}")
    if any(f.state == "broken" and f.name in ("base", RUNTIME.name) for f in (*found_extras, *found_parts)):
        raise typer.Exit(1)
