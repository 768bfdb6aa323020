"""What became of a statement: PostgreSQL's answer beside Holdfast's, in every place."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import holdfast
from tests.sql.corpus.answers import Answer, difference, shown
from tests.sql.corpus.places import Place
from tests.sql.corpus.plain import Plain
from tests.sql.corpus.statement import Statement


class Verdict(enum.StrEnum):
    """What became of a statement."""

    EQUAL = "equal"
    REFUSED = "refused"  # Unsupported, by name
    DIFFERENT = "different"
    NAMES = "names"  # the same rows, under other names
    FAILED = "failed"  # another error of ours, where PostgreSQL answers
    ACCEPTED = "accepted"  # an answer, where PostgreSQL refuses
    BROKEN = "broken"  # an error that is none of ours


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a statement, in the worst place."""

    statement: Statement
    verdict: Verdict
    detail: str = ""
    place: str = ""


_WORST = list(Verdict)


def tried(statement: Statement, plain: Plain, places: Sequence[Place]) -> Outcome:
    """Run a statement on PostgreSQL and in every place that can run it."""
    expected = plain.answer(statement)
    outcomes = [_compared(statement, expected, place) for place in places if place.writable or not statement.writes]
    return max(outcomes, key=lambda outcome: _WORST.index(outcome.verdict))


def _compared(statement: Statement, expected: Answer, place: Place) -> Outcome:
    got = place.answer(statement)
    verdict, detail = _verdict(statement, expected, got)
    return Outcome(statement, verdict, detail, place.name)


def _verdict(statement: Statement, expected: Answer, got: Answer) -> tuple[Verdict, str]:
    if got.error is not None and not isinstance(got.error, holdfast.HoldfastError):
        return Verdict.BROKEN, f"{type(got.error).__name__}: {got.error}"
    if expected.error is not None:
        if got.error is None:
            return Verdict.ACCEPTED, f"answers {shown(got.rows)} where PostgreSQL says: {_line(expected.error)}"
        return Verdict.EQUAL, ""
    if got.error is not None:
        verdict = Verdict.REFUSED if isinstance(got.error, holdfast.Unsupported) else Verdict.FAILED
        return verdict, f"{type(got.error).__name__}: {got.error}"
    found = difference(expected, got, in_order=statement.ordered)
    if found is None:
        return Verdict.EQUAL, ""
    return (Verdict.NAMES if found.startswith("names ") else Verdict.DIFFERENT), found


def _line(error: Exception) -> str:
    return str(error).splitlines()[0]
