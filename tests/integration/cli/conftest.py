"""The real command, in a process and a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdfast import connect


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        assert (self.code, self.out) == (1, "")
        return json.loads(self.err)["error"]


Holdfast = Callable[..., Ran]


@pytest.fixture
def holdfast(tmp_path: Path) -> Holdfast:
    """Return a function that runs `holdfast` with the arguments."""

    def run(*arguments: str | Path, columns: int = 100, stdin: str = "", **environment: str) -> Ran:
        inherited = {name: value for name, value in os.environ.items() if name != "HOLDFAST_STORE"}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "holdfast.cli", *map(str, arguments)],
            cwd=tmp_path,
            env=inherited | {"COLUMNS": str(columns), "TMPDIR": str(tmp_path)} | environment,
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def notes(holdfast: Holdfast, tmp_path: Path) -> Holdfast:
    """Return the function, in a folder whose store has a table `notes` with two rows."""
    with connect(tmp_path / "holdfast.db") as db:
        db.execute("CREATE TABLE notes (id INT PRIMARY KEY, body TEXT, stars INT)")
        db.execute("INSERT INTO notes VALUES (1, 'one', 5), (2, 'two', NULL)")
    return holdfast
