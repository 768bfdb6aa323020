"""`python -m tests.sql.corpus [word …]` prints what each statement whose label has one of the words comes to.

Only what is not equal is listed, with both answers or the message; with --all the rest, too. At the end stand the
counts of each topic. With --write, and without words, what is not equal is written down in standing.json.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests import postgresql
from tests.sql.corpus import standing
from tests.sql.corpus.places import all_places
from tests.sql.corpus.plain import filled
from tests.sql.corpus.statement import Statement
from tests.sql.corpus.topics import CORPUS
from tests.sql.corpus.trial import Outcome, Verdict, counted, told, tried


def outcomes(statements: Sequence[Statement]) -> Iterator[Outcome]:
    """Run statements on PostgreSQL and in all places."""
    with (
        postgresql.running() as server,
        filled(server) as plain,
        tempfile.TemporaryDirectory() as folder,
        all_places(Path(folder)) as places,
    ):
        for statement in statements:
            yield tried(statement, plain.answer(statement), places)


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.sql.corpus", description=__doc__)
    parser.add_argument("words", nargs="*", help="only statements whose label has one of these")
    parser.add_argument("--all", action="store_true", help="list what is equal, too")
    parser.add_argument("--write", action="store_true", help="write down what is not equal")
    arguments = parser.parse_args()
    words: list[str] = arguments.words or [""]
    chosen = [statement for statement in CORPUS if any(word in statement.label for word in words)]
    found: list[Outcome] = []
    for outcome in outcomes(chosen):
        found.append(outcome)
        if arguments.all or outcome.verdict is not Verdict.EQUAL:
            print(told(outcome))
    print(counted(chosen, {outcome.statement.label: outcome.verdict for outcome in found}))
    if arguments.write and not arguments.words:
        standing.write(found)


if __name__ == "__main__":
    main()
