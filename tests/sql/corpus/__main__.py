"""`python -m tests.sql.corpus [word …]` prints what each statement whose label has one of the words came to.

Statements that are equal take one line; for the others both answers or the message follow. At the end stand the counts
of each topic. With `--all` the equal ones are listed, too.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests import postgresql
from tests.sql.corpus.places import all_places
from tests.sql.corpus.plain import filled
from tests.sql.corpus.statement import Statement
from tests.sql.corpus.topics import CORPUS
from tests.sql.corpus.trial import Outcome, Verdict, tried


def outcomes(statements: Sequence[Statement]) -> Iterator[Outcome]:
    """Run statements on PostgreSQL and in all places."""
    with (
        postgresql.running() as server,
        filled(server) as plain,
        tempfile.TemporaryDirectory() as folder,
        all_places(Path(folder)) as places,
    ):
        for statement in statements:
            yield tried(statement, plain, places)


def told(outcome: Outcome) -> str:
    """Return an outcome as text."""
    statement = outcome.statement
    if outcome.verdict is Verdict.EQUAL:
        return f"{outcome.verdict:<9} {statement.label}"
    lines = [f"{outcome.verdict:<9} {statement.label}   (on {outcome.place})", " ".join(statement.sql.split())]
    if statement.parameters is not None:
        lines.append(f"with {statement.parameters}")
    return "\n    ".join([*lines, *outcome.detail.splitlines()])


def table(found: Sequence[Outcome]) -> str:
    """Return the counts of each topic as text."""
    counts: dict[str, Counter[Verdict]] = {}
    for outcome in found:
        counts.setdefault(outcome.statement.topic, Counter())[outcome.verdict] += 1
    counts["all"] = sum(counts.values(), Counter())
    head = f"{'':<14}{'all':>7}" + "".join(f"{verdict:>11}" for verdict in Verdict)
    rows = [
        f"{topic:<14}{count.total():>7}" + "".join(f"{count[verdict] or '':>11}" for verdict in Verdict)
        for topic, count in counts.items()
    ]
    return "\n".join([head, *rows])


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.sql.corpus", description=__doc__)
    parser.add_argument("words", nargs="*", help="only statements whose label has one of these")
    parser.add_argument("--all", action="store_true", help="list what is equal, too")
    arguments = parser.parse_args()
    chosen = [
        statement
        for statement in CORPUS
        if not arguments.words or any(word in statement.label for word in arguments.words)
    ]
    found = []
    for outcome in outcomes(chosen):
        found.append(outcome)
        if arguments.all or outcome.verdict is not Verdict.EQUAL:
            print(told(outcome))
    print(table(found))


if __name__ == "__main__":
    main()
