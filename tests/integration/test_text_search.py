"""Goal: texts are found by their words, ranked by what the branch has, and no input is a syntax error of the index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import holdfast
from holdfast import Store
from holdfast.engine.contract import WordSyntax
from holdfast.engine.sql.text_index import drop_text_index_statements, text_index_statements
from tests.searching import column_of, create_text_index, matching

TEXTS = {
    1: "The storm sank two ships in the harbour",
    2: "Ships sail; a ship sails from harbour to harbour",
    3: "No ship was seen, and no storms",
    4: None,
    5: "",
    6: "foo-bar: O'Neill's don't-care (50%)",
    7: "FJÖRD fjord",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Return a store that is only read."""
    with holdfast.connect(tmp_path_factory.mktemp("texts") / "store.db") as db:
        _fill(db)
        yield db


@pytest.fixture
def own(path: Path) -> Iterator[Store]:
    """Return a store of the test's own."""
    with holdfast.connect(path) as db:
        _fill(db)
        yield db


def _fill(db: Store) -> None:
    db.execute("CREATE TABLE t (k INT PRIMARY KEY, body TEXT, other TEXT, n INT)")
    db.executemany("INSERT INTO t (k, body, other) VALUES (%s, %s, %s)", [[k, text, text] for k, text in TEXTS.items()])
    create_text_index(db)
    create_text_index(db, "other", "simple")


def keys(found: list[Any]) -> set[int]:
    return {row.key for row in found}


PLAIN, PHRASE, WEB, QUERY = WordSyntax.PLAIN, WordSyntax.PHRASE, WordSyntax.WEB, WordSyntax.QUERY


@pytest.mark.parametrize(
    ("syntax", "words", "expected"),
    [
        (PLAIN, "ship", {1, 2, 3}),
        (PLAIN, "SHIPS harbour", {1, 2}),
        (PLAIN, "the ship", {1, 2, 3}),  # stop words are not looked for
        (PLAIN, "the", set()),
        (PLAIN, "", set()),
        (PLAIN, "?! %", set()),
        (PLAIN, "ship ?!", {1, 2, 3}),
        (PLAIN, "fjörd", {7}),
        (PLAIN, "ship OR storm", {1, 3}),
        (PLAIN, "foo-bar", {6}),
        (PLAIN, "bar-foo", set()),
        (PLAIN, "O'Neill", {6}),
        (PLAIN, 'k:5 ship" OR body:x* NEAR(a b)', set()),
        (PHRASE, "harbour to harbour", {2}),
        (PHRASE, "the storm", {1}),
        (PHRASE, "storm the", set()),
        (WEB, "ship -storm", {2}),
        (WEB, 'ship "harbour to harbour"', {2}),
        (WEB, "storm or fjord", {1, 3, 7}),
        (WEB, "sank ships OR fjord", {1, 7}),
        (WEB, "-storm", {2, 5, 6, 7}),  # NULL neither matches nor fails to
        (WEB, "or ship or", {1, 2, 3}),
        (WEB, '-"two ships" ship', {2, 3}),
        (WEB, '"ship', {1, 2, 3}),
        (WEB, '- "" ship', {1, 2, 3}),
        (QUERY, "ship & !storm", {2}),
        (QUERY, "!(ship | fjord)", {5, 6}),
        (QUERY, "fjord | sank & two", {1, 7}),
        (QUERY, "(fjord | sank) & two", {1}),
        (QUERY, "har:*", {1, 2}),
        (QUERY, "two <-> ships <-> in", {1}),
        (QUERY, "two <-> shi:*", {1}),
        (QUERY, "'two ships'", {1}),
        (QUERY, "'o''neill'", {6}),
        (QUERY, "the & ship", {1, 2, 3}),
        (QUERY, "!the", set()),
        (QUERY, "!!ship", {1, 2, 3}),
        (QUERY, "", set()),
    ],
)
def test_what_is_found(store: Store, syntax: WordSyntax, words: str, expected: set[int]) -> None:
    assert keys(matching(store, words, syntax)) == expected


def test_a_simple_index_takes_words_as_they_are(store: Store) -> None:
    assert keys(matching(store, "ships", column="other", config="simple")) == {1, 2}
    assert keys(matching(store, "the", column="other")) == {1}


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ("ship storm", holdfast.InvalidValue, "an operator .* before 'storm'"),
        ("ship &", holdfast.InvalidValue, "missing at its end"),
        ("(ship", holdfast.InvalidValue, r"a \) is missing"),
        ("ship)", holdfast.InvalidValue, r"before '\)'"),
        ("& ship", holdfast.InvalidValue, "a word is missing before '&'"),
        ("a:z", holdfast.InvalidValue, "not understood"),
        ("'open", holdfast.InvalidValue, "not understood"),
        ("(" * 60 + "a" + ")" * 60, holdfast.InvalidValue, "deeper than 50"),
        ("!" * 60 + "a", holdfast.InvalidValue, "deeper than 50"),
        (" & ".join(["a"] * 1001), holdfast.InvalidValue, "at most 1000"),
        ("ship:A", holdfast.Unsupported, "weights such as :A"),
        ("two <2> in", holdfast.Unsupported, "<2>"),
        ("two <-> (ships | in)", holdfast.Unsupported, "<-> joins words"),
        ("tw:* <-> ships", holdfast.Unsupported, "<-> joins words"),
        ("!two <-> ships", holdfast.Unsupported, "<-> joins words"),
    ],
)
def test_g9_what_is_refused(store: Store, words: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        matching(store, words, QUERY)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    words=st.text(
        alphabet=st.one_of(
            st.sampled_from("\"'*():-+^&|!<>{} ,aORN"),
            st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
        )
    )
)
def test_no_text_is_a_syntax_error_of_the_index(store: Store, words: str) -> None:
    for syntax in (PLAIN, PHRASE, WEB):
        matching(store, words, syntax)
    with suppress(holdfast.InvalidValue, holdfast.Unsupported):
        matching(store, words, QUERY)


@pytest.mark.parametrize("words", ["nul\0", "half\ud800"])
@pytest.mark.parametrize("syntax", list(WordSyntax))
def test_g9_what_no_text_has_cannot_be_looked_for(store: Store, syntax: WordSyntax, words: str) -> None:
    with pytest.raises(holdfast.InvalidValue, match=syntax):
        matching(store, words, syntax)


def test_without_an_index_for_it_a_search_is_refused_by_name(own: Store) -> None:
    with pytest.raises(holdfast.Unsupported, match="'english', not for 'simple'"):
        matching(own, "ship", config="simple")
    with pytest.raises(holdfast.Unsupported, match="'klingon'"):
        matching(own, "ship", config="klingon")
    with own._session.write() as writer:
        table = writer.catalogue().find("t")
        assert table is not None
        with pytest.raises(holdfast.InvalidValue, match="TEXT column"):
            text_index_statements(table, column_of(table, "n"))
        for statement in drop_text_index_statements(table, column_of(table, "body")):
            writer.query(statement, ())  # type: ignore[attr-defined]
        left = writer.query("SELECT name FROM sqlite_schema WHERE name LIKE 'hf_t1_2%'", ())  # type: ignore[attr-defined]
        assert left == []
    with pytest.raises(holdfast.NotFound, match="CREATE INDEX ON t USING bm25"):
        matching(own, "ship")
    own.execute("INSERT INTO t (k, body) VALUES (9, 'a ship')")
    create_text_index(own, config="simple")
    assert keys(matching(own, "ship")) == {2, 3, 9}


def test_past_commits_and_branches_are_searched_as_they_are(own: Store) -> None:
    own.tag("then")
    with own.branch("side") as side:
        side.execute("UPDATE t SET body = 'a submarine' WHERE k = 3")
        side.execute("DELETE FROM t WHERE k = 1")
        assert keys(matching(side, "ship")) == {2}
        assert keys(matching(side, "submarine")) == {3}
    assert keys(matching(own, "submarine")) == set()
    own.merge("side")
    assert keys(matching(own, "submarine")) == {3}
    with own.checkout("then") as past:
        assert keys(matching(past, "ship")) == {1, 2, 3}
        past.verify()


def test_equal_rows_rank_equally_whatever_other_branches_have(own: Store) -> None:
    before = matching(own, "ship harbour")
    with own.branch("noise") as noise:
        noise.executemany("INSERT INTO t (k, body) VALUES (%s, 'ship ship harbour')", [[n] for n in range(100, 200)])
        assert matching(noise, "ship harbour")[0].score != before[0].score
    assert matching(own, "ship harbour") == before
    with pytest.raises(KeyError), own.transaction():
        own.execute("INSERT INTO t (k, body) VALUES (9, 'ship harbour harbour')")
        assert 9 in keys(matching(own, "ship harbour"))
        raise KeyError
    assert matching(own, "ship harbour") == before


def test_verify_names_an_index_that_differs(own: Store, path: Path) -> None:
    own.verify()
    raw = apsw.Connection(str(path))
    raw.execute("DROP TRIGGER hf_t1_2_insert")
    own.execute("INSERT INTO t (k, body) VALUES (9, 'a ship')")
    with pytest.raises(holdfast.StoreCorrupt, match="text index hf_t1_2 is not that of the texts"):
        own.verify()


def test_verify_names_an_index_that_is_broken(own: Store, path: Path) -> None:
    raw = apsw.Connection(str(path))
    raw.execute("UPDATE hf_t1_2_data SET block = zeroblob(3) WHERE id > 10")
    with pytest.raises(holdfast.StoreCorrupt, match="hf_t1_2"):
        own.verify()


def test_nothing_of_a_removed_text_is_left_in_the_index(own: Store, path: Path) -> None:
    own.execute("INSERT INTO t (k, body, other) VALUES (9, 'quetzalcoatl', 'x')")
    raw = apsw.Connection(str(path))

    def left() -> Any:
        ((count,),) = raw.execute("SELECT count(*) FROM hf_t1_2_data WHERE instr(block, 'quetzalcoatl')").fetchall()
        return count

    assert left() == 1
    raw.execute("UPDATE hf_v1 SET c2 = NULL WHERE c2 = 'quetzalcoatl'")
    assert left() == 0


def test_the_k_best_and_those_as_good_as_the_last(own: Store) -> None:
    own.executemany("INSERT INTO t (k, body) VALUES (%s, 'whale')", [[n] for n in range(20, 26)])
    own.execute("INSERT INTO t (k, body) VALUES (30, 'whale whale')")
    found = matching(own, "whale", k=2)
    assert [row.key for row in found] == [30, 20, 21, 22, 23, 24, 25]
    assert [row.place for row in found] == list(range(1, 8))
    assert [row.key for row in matching(own, "whale", k=1)] == [30]
    assert matching(own, "whale", k=0) == []
