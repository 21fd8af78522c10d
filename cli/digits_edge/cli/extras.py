"""What each extra of digits-edge needs and what of it is missing here, by the metadata that pip installed."""

from __future__ import annotations

from importlib import metadata
from typing import Final

from packaging.requirements import Requirement

DISTRIBUTION: Final = "digits-edge"
BASE: Final = ""  # stands for the install without extras
FOR_DEVELOPERS: Final = {"dev", "docs"}
# Distributions that do not have the name of their module.
NAMES: Final = {"PIL": "pillow", "py_mini_racer": "mini-racer", "sklearn": "scikit-learn"}


def extras() -> list[str]:
    """The names of all extras that users install, in alphabetical order."""
    provided = metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    return sorted(set(provided) - FOR_DEVELOPERS)


def install_command(extra: str) -> str:
    """The command that installs digits-edge with an extra."""
    return f'pip install "{DISTRIBUTION}[{extra}]"' if extra else f"pip install {DISTRIBUTION}"


def requirements(extra: str, distribution: str = DISTRIBUTION) -> list[Requirement]:
    """What an extra adds to the base install of a distribution on this system; what the base needs for `BASE`."""
    wanted = map(Requirement, metadata.requires(distribution) or ())
    return [each for each in wanted if _applies(each, extra) and (not extra or not _applies(each, BASE))]


def missing(extra: str, distribution: str = DISTRIBUTION) -> list[str]:
    """What an extra needs and this environment lacks, e.g. `["keras", "numpy>=1.26 (1.24.0 is installed)"]`."""
    found: list[str] = []
    for wanted in requirements(extra, distribution):
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            found.append(wanted.name)
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            found.append(f"{wanted.name}{wanted.specifier} ({version} is installed)")
        for inner in wanted.extras:
            found += missing(inner, wanted.name)
    return list(dict.fromkeys(found))


def distribution_of(module: str) -> str:
    """The name of the distribution that brings a module, e.g. `pillow` for `PIL.Image`."""
    name = module.partition(".")[0]
    return NAMES.get(name, name.replace("_", "-"))


def extra_with(distribution: str, preferred: str = BASE) -> str | None:
    """An extra that brings a distribution: `preferred` if that does, else the smallest; None where none does."""
    try:
        brought = {extra: requirements(extra) for extra in (BASE, *extras())}
    except metadata.PackageNotFoundError:  # digits-edge runs from its sources and was never installed
        return None
    sizes = {extra: len(wanted) for extra, wanted in brought.items() if distribution in {w.name for w in wanted}}
    return preferred if preferred in sizes else min(sizes, key=sizes.__getitem__, default=None)


def _applies(wanted: Requirement, extra: str) -> bool:
    return wanted.marker is None or wanted.marker.evaluate({"extra": extra})
