"""`python -m tests.sql.corpus [word …]` prints what each statement whose label has one of the words comes to.

Only what is not equal is listed, with both answers or the message; with --all the rest, too. At the end stand the
counts of each topic. With --write the report of all statements is written down in standing.json, and the last column of
docs/dialect.md.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests import postgresql
from tests.sql.corpus import page, standing
from tests.sql.corpus.places import all_places
from tests.sql.corpus.plain import filled, made
from tests.sql.corpus.statement import Statement
from tests.sql.corpus.topics import CORPUS
from tests.sql.corpus.trial import Outcome, Verdict, counted, told, tried


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.sql.corpus", description=__doc__)
    parser.add_argument("words", nargs="*", help="only statements whose label has one of these")
    parser.add_argument("--all", action="store_true", help="list what is equal, too")
    parser.add_argument("--write", action="store_true", help="write down what all statements come to")
    arguments = parser.parse_args()
    words: list[str] = arguments.words if arguments.words and not arguments.write else [""]
    chosen = [statement for statement in CORPUS if any(word in statement.label for word in words)]
    with postgresql.running() as server, tempfile.TemporaryDirectory() as folder:
        found: list[Outcome] = []
        for outcome in _outcomes(chosen, server, Path(folder)):
            found.append(outcome)
            if arguments.all or outcome.verdict is not Verdict.EQUAL:
                print(told(outcome))
        print(counted(chosen, {outcome.statement.label: outcome.verdict for outcome in found}))
        if arguments.write:
            standing.write(found)
            page.write(_of_the_page(server, Path(folder)))


def _outcomes(statements: Sequence[Statement], server: str, folder: Path) -> Iterator[Outcome]:
    with filled(server) as plain, all_places(folder) as places:
        for statement in statements:
            yield tried(statement, plain.answer(statement), places)


def _of_the_page(server: str, folder: Path) -> dict[str, Outcome]:
    with made(server, page.setup(), page.TABLES) as plain, page.prepared(folder / "page.db") as place:
        return {line.name: tried(line, plain.answer(line), [place]) for line, _ in page.lines()}


if __name__ == "__main__":
    main()
