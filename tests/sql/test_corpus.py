"""Goal: what agents' projects ask of SQL answers on a branch as on PostgreSQL.

Method: each statement of the corpus runs on a PostgreSQL server and in three places of a store that show the same rows:
main, a branch of a branch, and a past commit after further writes. A write is compared by what it returns, by the count
of touched rows, and by all tables afterwards. Where PostgreSQL refuses, so must Holdfast, and nothing changes. What is
not equal stands in corpus/standing.json, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.postgresql import fresh_url
from tests.sql.corpus.answers import Answer, difference, same
from tests.sql.corpus.places import Place, ServerPlace, all_places, contents_of
from tests.sql.corpus.schema import SCHEMA
from tests.sql.corpus.standing import standing
from tests.sql.corpus.statement import Statement, ordered, read
from tests.sql.corpus.topics import CORPUS
from tests.sql.corpus.trial import Verdict, counted, told, tried

if TYPE_CHECKING:
    from tests.sql.corpus.plain import Plain

STANDING = standing()
OF_VECTORS = [statement for statement in CORPUS if statement.topic == "vectors"]


@pytest.fixture(scope="module")
def plain(postgresql: str) -> Iterator[Plain]:
    from tests.sql.corpus.plain import filled  # noqa: PLC0415 - where the server is not installed, its client is not

    with filled(postgresql) as database:
        yield database


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Place]]:
    with all_places(tmp_path_factory.mktemp("corpus")) as made:
        yield made


@pytest.fixture(scope="module")
def served() -> Iterator[Place]:
    with closing(ServerPlace("branch of a branch", fresh_url())) as made:
        yield made


@pytest.fixture(scope="module")
def served_with_pgvector() -> Iterator[Place]:
    import psycopg  # noqa: PLC0415 - as above

    url = fresh_url()
    with psycopg.connect(url.partition("&workspace")[0], autocommit=True) as admin:
        name = f"vectors_{url.rpartition('=')[2]}"
        admin.execute(f"CREATE DATABASE {name}")
    there = url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(there.partition("&workspace")[0], autocommit=True) as admin:
        admin.execute("CREATE EXTENSION vector")
    with closing(ServerPlace("main", there)) as made:
        yield made


def _answers(statement: Statement, plain: Plain, place: Place) -> None:
    """What answers as PostgreSQL does on a file does so in a store on PostgreSQL; the rest may."""
    outcome = tried(statement, plain.answer(statement), [place])
    assert outcome.verdict in (Verdict.EQUAL, STANDING.get(statement.label)), told(outcome)


@pytest.mark.parametrize("statement", CORPUS, ids=lambda statement: statement.label)
def test_a_statement_answers_in_a_store_on_postgresql(statement: Statement, plain: Plain, served: Place) -> None:
    _answers(statement, plain, served)


@pytest.mark.parametrize("statement", OF_VECTORS, ids=lambda statement: statement.label)
def test_vectors_are_compared_by_pgvector_where_it_is(
    statement: Statement, plain: Plain, served_with_pgvector: Place
) -> None:
    _answers(statement, plain, served_with_pgvector)


@pytest.mark.parametrize("statement", CORPUS, ids=lambda statement: statement.label)
def test_a_statement_answers_as_on_postgresql(statement: Statement, plain: Plain, places: list[Place]) -> None:
    outcome = tried(statement, plain.answer(statement), places)
    wanted = STANDING.get(statement.label, Verdict.EQUAL)
    assert outcome.verdict is wanted, f"{told(outcome)}\nand standing.json says: {wanted}"


def test_most_of_the_corpus_is_equal_and_nothing_breaks() -> None:
    print(counted(CORPUS, STANDING))
    assert len(CORPUS) - len(STANDING) >= 300
    assert set(STANDING) <= {statement.label for statement in CORPUS}, "a statement that is no longer there"
    assert Verdict.BROKEN not in STANDING.values()


def test_labels_are_unique() -> None:
    assert len({statement.label for statement in CORPUS}) == len(CORPUS)


def test_all_places_show_the_rows_of_postgresql(plain: Plain, places: list[Place]) -> None:
    every = Statement("", "all tables", "SELECT 1", writes=True)
    expected = plain.answer(every)
    for place in places:
        got = Answer(("?column?",), [(1,)], 1, contents=contents_of(place.reader))
        assert difference(expected, got, in_order=False) is None, place.name
    assert expected.contents.keys() == SCHEMA.keys()


@pytest.mark.slow
def test_no_answer_hangs_on_the_order_in_which_rows_were_written(postgresql: str, plain: Plain) -> None:
    """Else the corpus asks for more than PostgreSQL promises. What is said of a statement is true there, too."""
    from tests.sql.corpus.plain import filled  # noqa: PLC0415 - as above

    with filled(postgresql, backwards=True) as other:
        for statement in CORPUS:
            answer, again = plain.answer(statement), other.answer(statement)
            assert (answer.error is not None) == statement.fails, f"{statement.label}: {answer.error}"
            if not statement.fails:
                assert (answer.count == 0) == statement.empty, statement.label
                assert difference(answer, again, in_order=statement.ordered) is None, statement.label


@pytest.mark.parametrize(
    ("wanted", "found", "equal"),
    [
        (1, 1, True),
        (1, 1.0, False),
        (1, True, False),
        (True, 1, False),
        (None, 0, False),
        (0.1, 0.1 + 1e-12, True),
        (0.1, 0.11, False),
        (Decimal("0.5"), 0.5, True),
        (Decimal(2), 2, True),
        (Decimal("0.5"), 0.51, False),
        (Decimal(1), True, False),
        ("1", 1, False),
        ({"a": [1, None]}, {"a": [1.0, None]}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": 1}, {"a": 1, "b": None}, False),
    ],
)
def test_values_are_told_apart(wanted: Any, found: Any, equal: bool) -> None:
    assert same(wanted, found) is equal


def test_a_numeric_column_gives_decimals() -> None:
    assert same(Decimal("2.50"), Decimal("2.5"), exact=True)
    assert not same(Decimal("2.50"), 2.5, exact=True)


def test_answers_are_told_apart() -> None:
    answer = Answer(("a",), [(1,), (2,)], 2, contents={"t": [(1,)]})
    assert difference(answer, answer, in_order=True) is None
    assert difference(answer, Answer(("a",), [(2,), (1,)], 2, contents={"t": [(1,)]}), in_order=False) is None
    for other in (
        Answer(("a",), [(2,), (1,)], 2, contents={"t": [(1,)]}),
        Answer(("b",), [(1,), (2,)], 2, contents={"t": [(1,)]}),
        Answer(("a",), [(1,), (2,)], 3, contents={"t": [(1,)]}),
        Answer(("a",), [(1,), (2,)], 2, contents={"t": []}),
        Answer(("a",), [(1,)], 1, contents={"t": [(1,)]}),
    ):
        assert difference(answer, other, in_order=True) is not None


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", False),
        ("SELECT a FROM t ORDER BY a", True),
        ("SELECT row_number() OVER (ORDER BY a) FROM t", False),
        ("SELECT a FROM (SELECT a FROM t ORDER BY (a)) s", False),
        ("SELECT ' ORDER BY ' FROM t -- ORDER BY a", False),
        ("SELECT a FROM (SELECT a FROM t) s\norder  by a", True),
    ],
)
def test_an_order_is_asked_for_outside_parentheses(sql: str, expected: bool) -> None:
    assert ordered(sql) is expected
    assert read("", sql).ordered is expected
