"""Fresh virtual environments, and pip in them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def new_environment(folder: Path, python: object) -> Path:
    """Make a virtual environment and return its interpreter."""
    subprocess.run([str(python), "-m", "venv", folder], check=True, capture_output=True)
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def pip(python: object, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run pip with these words, for at most 20 minutes."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=1200)
