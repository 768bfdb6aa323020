"""Goal: docs/continuation-1.json is the schema of what is written; HOLDFAST_WRITE_DOCS=1 writes it anew.

A change of it is a change of the format: then FORMAT gets another number, and the old one is read on.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from holdfast.agents.continuation import schema


def test_the_schema_of_a_continuation_is_the_one_of_the_page(root: Path) -> None:
    page = root / "docs" / "continuation-1.json"
    now = json.dumps(schema(), indent=1, sort_keys=True) + "\n"
    if os.environ.get("HOLDFAST_WRITE_DOCS"):
        page.write_text(now, "utf-8")
    assert page.read_text("utf-8") == now
