"""What became of a statement: PostgreSQL's answer beside Holdfast's, in every place."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import holdfast
from tests.sql.corpus.answers import Answer, difference, shown
from tests.sql.corpus.places import Place
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


def tried(statement: Statement, expected: Answer, places: Sequence[Place]) -> Outcome:
    """Run a statement in every place that can run it, and return what it came to where it went worst."""
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


def told(outcome: Outcome) -> str:
    """Return an outcome as text: a line if it is equal, else the statement and what differs."""
    statement = outcome.statement
    if outcome.verdict is Verdict.EQUAL:
        return f"{outcome.verdict:<9} {statement.label}"
    lines = [f"{outcome.verdict:<9} {statement.label}   (on {outcome.place})", " ".join(statement.sql.split())]
    if statement.parameters is not None:
        lines.append(f"with {statement.parameters}")
    return "\n    ".join([*lines, *outcome.detail.splitlines()])


def counted(statements: Sequence[Statement], verdicts: Mapping[str, Verdict]) -> str:
    """Return a table of how many statements of each topic came to what. What has no verdict is equal."""
    counts: dict[str, Counter[Verdict]] = {}
    for statement in statements:
        counts.setdefault(statement.topic, Counter())[verdicts.get(statement.label, Verdict.EQUAL)] += 1
    counts["all"] = sum(counts.values(), Counter())
    head = f"{'':<14}{'all':>7}" + "".join(f"{verdict:>11}" for verdict in Verdict)
    rows = [
        f"{topic:<14}{count.total():>7}" + "".join(f"{count[verdict] or '':>11}" for verdict in Verdict)
        for topic, count in counts.items()
    ]
    return "\n".join([head, *rows])
