"""Goal: the changelog is about the version at hand. Method: compare its first heading with pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path


def test_the_newest_section_is_this_version_or_unreleased(root: Path) -> None:
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    headings = re.findall(r"^## \[?([^\]\s]+)", (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings, "CHANGELOG.md has no section"
    assert headings[0] in ("Unreleased", version)
