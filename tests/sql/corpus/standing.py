"""The statements that do not answer as on PostgreSQL, each with what it comes to and why.

standing.json holds them; `python -m tests.sql.corpus --write` writes it, and its changes are read before they are
committed: a statement that leaves it answers as PostgreSQL does, one that comes in is a loss.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.sql.corpus.trial import Outcome, Verdict

_FILE = Path(__file__).with_name("standing.json")


def standing() -> dict[str, Verdict]:
    """Return what each statement comes to that is not equal, by its label."""
    reasons: dict[str, dict[str, str]] = json.loads(_FILE.read_text("utf-8"))
    return {label: Verdict(verdict) for verdict, labels in reasons.items() for label in labels}


def write(outcomes: Sequence[Outcome]) -> None:
    """Write down all that is not equal, with the reason."""
    reasons = {
        verdict: {outcome.statement.label: outcome.detail for outcome in outcomes if outcome.verdict is verdict}
        for verdict in Verdict
        if verdict is not Verdict.EQUAL
    }
    found = {verdict: labels for verdict, labels in reasons.items() if labels}
    _FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
