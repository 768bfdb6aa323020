"""Goal: what reviewers would argue about is settled here. Method: read the files."""

from __future__ import annotations

import ast
import re
from pathlib import Path

LINES_PER_FILE_MAX = 600
LINES_PER_FUNCTION_MAX = 80

_TODO = re.compile(r"\b(?:TODO|FIXME)\b(?!\(#\d+\))")
_WORKPLACE = re.compile(r"\.\./shared|/work/|/farm/|\bfarm-|\.library\b|\bsub-?agents?\b", re.IGNORECASE)


def _lines(root: Path, paths: list[Path], pattern: re.Pattern[str]) -> list[str]:
    found: list[str] = []
    for path in paths:
        try:
            text = (root / path).read_text("utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        found += [
            f"{path}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), 1)
            if pattern.search(line)
        ]
    return found


def test_every_module_says_what_it_is_for(modules: dict[str, ast.Module]) -> None:
    silent = [path for path, module in modules.items() if not (ast.get_docstring(module) or "").strip()]
    assert silent == []


def test_no_module_has_outgrown_its_room(root: Path, modules: dict[str, ast.Module]) -> None:
    lengths = {path: len((root / path).read_text("utf-8").splitlines()) for path in modules}
    assert {path: length for path, length in lengths.items() if length > LINES_PER_FILE_MAX} == {}


def test_no_function_has_outgrown_a_screen(modules: dict[str, ast.Module]) -> None:
    lengths = {
        f"{path}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path, module in modules.items()
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {place: length for place, length in lengths.items() if length > LINES_PER_FUNCTION_MAX} == {}


def test_what_is_left_to_do_names_its_issue(root: Path, files: list[Path]) -> None:
    """`TODO(#12)` is an intention; without a number it is a wish."""
    here = Path(__file__).relative_to(root)
    assert _lines(root, [path for path in files if path != here], _TODO) == []


def test_the_product_does_not_know_where_it_was_built(root: Path, files: list[Path]) -> None:
    product = [path for path in files if path.parts[0] not in ("tests", "bench")]
    assert _lines(root, product, _WORKPLACE) == []
