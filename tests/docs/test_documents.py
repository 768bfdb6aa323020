"""Goal: what the documents show works as shown. Method: run their Python blocks, top to bottom, in an empty folder."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from sybil.document import Document
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_PYTHON = [path for path in DOCUMENTS if "```python" in path.read_text("utf-8")]


def test_the_readme_shows_an_example() -> None:
    assert ROOT / "README.md" in WITH_PYTHON


def test_the_readme_shows_what_its_example_prints(tmp_path: Path) -> None:
    code, output = re.findall(r"```(?:python)?\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[:2]
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == output


@pytest.mark.parametrize("path", WITH_PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of one document share their names. `<!--- skip: next "why" -->` above a block leaves it out."""
    monkeypatch.chdir(tmp_path)
    for example in Document.parse(str(path), PythonCodeBlockParser(), SkipParser()).examples():
        example.evaluate()
