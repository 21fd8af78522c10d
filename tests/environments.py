"""Fresh virtual environments, pip in them, and the Python of another processor."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest


def new_environment(folder: Path, python: object) -> Path:
    """Make a virtual environment and return its interpreter."""
    subprocess.run([str(python), "-m", "venv", folder], check=True, capture_output=True)
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def pip(python: object, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run pip with these words, for at most 20 minutes."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=1200)


def debian(place: Path, architecture: str, packages: Sequence[str]) -> Path:
    """Unpack Debian's packages of another architecture, with all that they need, into `root`; return its Python.

    apt's own lists stay as they are. Skips where apt or its packages are out of reach.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        pytest.skip(f"a Python of {architecture} is taken from Debian's packages, and there is no apt-get here")
    for folder in ("lists/partial", "archives/partial", "root"):
        (place / folder).mkdir(parents=True)
    (place / "status").touch()
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",
        "Dir::State": place,
        "Dir::State::status": place / "status",
        "Dir::Cache": place,
        "Dir::Cache::archives": place / "archives",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    subprocess.run(["apt-get", *options, "update"], capture_output=True, check=False)  # some lists may be missing
    words = ["apt-get", *options, "--yes", "--no-install-recommends", "--download-only", "install", *packages]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"apt reaches no packages for {architecture}: {done.stderr.strip().splitlines()[-1]}")
    for package in (place / "archives").glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, place / "root"], check=True)
    return (place / "root/usr/bin/python3").resolve()
