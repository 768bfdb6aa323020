"""Goal: `import holdfast` is light. Method: look at what a fresh interpreter has loaded after it."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {"numpy"}
EXTRAS = {
    "click", "jinja2", "langgraph", "mcp", "openai", "pandas", "psycopg", "psycopg_pool", "pyarrow", "pydantic",
    "rich", "starlette", "typer", "uvicorn", "valkey",
}  # fmt: skip


def _loaded(statement: str) -> set[str]:
    program = f"{statement}; import json, sys; print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return {str(name).partition(".")[0] for name in json.loads(printed)}


def test_importing_holdfast_loads_neither_numpy_nor_an_extra() -> None:
    loaded = _loaded("import holdfast")
    assert "holdfast" in loaded
    assert loaded & (HEAVY | EXTRAS) == set()
