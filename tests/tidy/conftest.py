"""What the tidy tests read: the project's own files."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def files(root: Path) -> list[Path]:
    """Return the files of the project, relative to its root: what git keeps or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (root / (path := Path(name))).is_file()]


@pytest.fixture(scope="session")
def modules(root: Path) -> dict[str, ast.Module]:
    """Return the parsed modules of the package by their path in the project."""
    paths = sorted((root / "src").rglob("*.py"))
    return {str(path.relative_to(root)): ast.parse(path.read_text("utf-8")) for path in paths}
