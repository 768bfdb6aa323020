"""The figures of a run as JSON, and their picture."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import apsw

from bench.measure import Row
from bench.plot import draw

RESULTS = Path(__file__).parent / "results"


def save(rows: list[Row], place: Path, load: float, *, quick: bool = False) -> None:
    """Write what was found, and when, and with what; `load` is that of the machine before."""
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "holdfast": version("holdfast"),
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "processors": os.cpu_count(),
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "quick": quick,
        "rows": [row.as_json() for row in rows],
    }
    place.parent.mkdir(exist_ok=True)
    place.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    draw(rows, place.with_suffix(".svg"), f"Holdfast {report['holdfast']}, {report['date']}")
    print(f"load {report['load']} on {report['processors']} processors: {place.with_suffix('.json')} and .svg")
