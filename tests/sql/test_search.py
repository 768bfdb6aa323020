"""Goal: searches in SQL find what a look at every row finds, wherever they stand, whatever the branch went through.

Method: the same question with the search, and in a form that is not one (the distance without a LIMIT); and words
against the rows that have them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

import holdfast
from holdfast import HoldfastError, InvalidValue, NotFound, Unsupported

TEXTS = ["ships sail the fjord", "a glacier runs slowly", "running glaciers, and a ship", "nothing", None]


@pytest.fixture(scope="module", params=["main", "branch of a branch", "past commit"])
def place(request: pytest.FixtureRequest) -> Iterator[holdfast.Store]:
    """A store that shows the same 60 rows in three ways of coming to them."""
    numbers = random.Random(7)
    rows = [
        [at, TEXTS[at % 5], [numbers.uniform(-1, 1) for _ in range(4)] if at % 7 else None, at % 3]
        for at in range(1, 61)
    ]
    with holdfast.connect(":memory:") as db:
        db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, v VECTOR(4), part INT)")
        db.execute("CREATE INDEX words ON notes USING gin (to_tsvector('english', body))")
        insert = "INSERT INTO notes VALUES (%s, %s, %s, %s)"
        if request.param == "branch of a branch":
            db.executemany(insert, [[*row[:2], [9, 9, 9, 9], 0] for row in rows[:30]])
            a = db.branch("a")
            a.execute("DELETE FROM notes WHERE id < 11")
            b = a.branch("b")
            b.executemany(insert, [*rows[:10], *rows[30:]])
            for row in rows[10:30]:
                b.execute("UPDATE notes SET v = %s, part = %s WHERE id = %s", [row[2], row[3], row[0]])
            yield b
        else:
            db.executemany(insert, rows)
            if request.param == "main":
                yield db
            else:
                then = db.head
                db.execute("UPDATE notes SET v = %s, body = 'ships'", [[0, 0, 0, 1]])
                db.execute("DELETE FROM notes WHERE id > 20")
                with db.checkout(then) as store:
                    yield store


def ids(store: holdfast.Store, sql: str, *parameters: Any) -> list[int]:
    return [row["id"] for row in store.execute(sql, list(parameters))]


QUERY = [0.3, -0.2, 0.9, 0.1]


@pytest.mark.parametrize("metric", ["<->", "<=>", "<#>"])
@pytest.mark.parametrize("where", ["", "WHERE part = 1", "WHERE v IS NOT NULL", "WHERE id > 30 AND v IS NOT NULL"])
@pytest.mark.parametrize(("limit", "offset"), [(1, 0), (10, 3), (60, 0), (200, 5)])
def test_the_nearest_are_those_that_a_look_at_all_rows_finds(
    place: holdfast.Store, metric: str, where: str, limit: int, offset: int
) -> None:
    everything = ids(place, f"SELECT id, v {metric} %s AS d FROM notes {where} ORDER BY d, id", QUERY)
    found = ids(
        place, f"SELECT id FROM notes {where} ORDER BY v {metric} %s, id LIMIT %s OFFSET %s", QUERY, limit, offset
    )
    assert found == everything[offset : offset + limit]
    assert found  # and now that the statement is known
    assert found == ids(
        place, f"SELECT id FROM notes {where} ORDER BY v {metric} %s, id LIMIT %s OFFSET %s", QUERY, limit, offset
    )


def test_similarity_by_its_name_in_the_list(place: holdfast.Store) -> None:
    sql = "SELECT id, 1 - (v <=> %s) AS similarity FROM notes WHERE v IS NOT NULL ORDER BY similarity DESC LIMIT 5"
    found = place.execute(sql, [QUERY]).fetchall()
    assert [row["id"] for row in found] == ids(
        place, "SELECT id FROM notes WHERE v IS NOT NULL ORDER BY v <=> %s LIMIT 5", QUERY
    )
    assert [row["similarity"] for row in found] == sorted((row["similarity"] for row in found), reverse=True)


def test_searches_stand_in_common_tables_and_subqueries(place: holdfast.Store) -> None:
    near = ids(place, "SELECT id FROM notes ORDER BY v <-> %s LIMIT 4", QUERY)
    sql = "WITH near AS (SELECT id, v <-> %s AS d FROM notes ORDER BY d LIMIT 4) SELECT n.id FROM near n ORDER BY d"
    assert ids(place, sql, QUERY) == near
    assert ids(place, "SELECT id FROM (SELECT * FROM notes ORDER BY v <-> %s LIMIT 4) x ORDER BY id", QUERY) == sorted(
        near
    )
    # beside other tables there is no search, and the answer is the same
    sql = "SELECT a.id FROM notes a WHERE EXISTS (SELECT 1 FROM notes b WHERE b.id = a.id ORDER BY b.v <-> %s LIMIT 1)"
    assert len(ids(place, sql, QUERY)) == 60


@pytest.mark.parametrize(
    ("condition", "words", "texts"),
    [
        ("to_tsvector('english', body) @@ plainto_tsquery('english', %s)", "glacier running", {1, 2}),
        ("to_tsvector(body) @@ websearch_to_tsquery(%s)", "ship -glacier", {0}),
        ("to_tsvector('english', body) @@ to_tsquery('english', %s)", "ship & fjord", {0}),
        ("to_tsvector('english', coalesce(body, '')) @@ phraseto_tsquery(%s)", "sail the fjord", {0}),
        ("body @@ %s", "ships", {0, 2}),
        ("NOT body @@ %s", "ships", {1, 3}),
        ("body @@ %s AND part = 1 OR id = 4", "glacier", None),
        ("body @@ %s", "unheard", set()),
    ],
)
def test_words_find_the_rows_that_have_them(
    place: holdfast.Store, condition: str, words: str, texts: set[int] | None
) -> None:
    found = ids(place, f"SELECT id FROM notes WHERE {condition} ORDER BY id", words)
    if texts is None:
        assert found == [at for at in range(1, 61) if (at % 5 in (1, 2) and at % 3 == 1) or at == 4]
    else:
        assert found == [at for at in range(1, 61) if at % 5 in texts]


def test_what_is_searched_for_may_have_a_name(place: holdfast.Store) -> None:
    sql = """SELECT id, ts_rank(to_tsvector('english', body), q) AS rank
        FROM notes, websearch_to_tsquery('english', %s) AS q
        WHERE to_tsvector('english', body) @@ q ORDER BY rank DESC, id LIMIT 3"""
    found = place.execute(sql, ["ship fjord"]).fetchall()
    assert [row["id"] for row in found] == [5, 10, 15]
    assert len({row["rank"] for row in found}) == 1
    assert ids(place, "SELECT id FROM notes WHERE body @@ %s ORDER BY bm25(body, %s) DESC, id LIMIT 3", "ship", "ship")


def test_every_column_is_shown_once(place: holdfast.Store) -> None:
    for sql in ("SELECT * FROM notes ORDER BY v <-> %s LIMIT 1", "SELECT n.* FROM notes n ORDER BY v <-> %s LIMIT 1"):
        assert place.execute(sql, [QUERY]).columns == ("id", "body", "v", "part")
    assert place.execute("SELECT * FROM notes WHERE body @@ 'ship'").columns == ("id", "body", "v", "part")


def test_writes_search_too(place: holdfast.Store) -> None:
    if place.pinned:
        with pytest.raises(holdfast.ReadOnly):
            place.execute("DELETE FROM notes WHERE body @@ 'ships'")
        return
    branch = place.branch("writing")
    gone = ids(branch, "DELETE FROM notes WHERE body @@ %s RETURNING id", "fjord")
    assert sorted(gone) == [at for at in range(1, 61) if at % 5 == 0]
    changed = branch.execute("UPDATE notes SET part = 7 WHERE body @@ 'glaciers' RETURNING id, part").fetchall()
    assert len(changed) == 24
    assert ids(branch, "SELECT id FROM notes WHERE body @@ 'fjord'") == []
    (near,) = ids(branch, "SELECT id FROM notes ORDER BY v <-> %s LIMIT 1", QUERY)
    copied = branch.execute("INSERT INTO notes (id, v) SELECT 100, v FROM notes ORDER BY v <-> %s LIMIT 1", [QUERY])
    assert copied.rowcount == 1
    assert ids(branch, "SELECT id FROM notes ORDER BY v <-> %s, id LIMIT 2", QUERY) == [near, 100]
    branch.verify()
    place.delete_branch("writing")


@pytest.mark.parametrize(
    ("sql", "parameters", "error", "part"),
    [
        ("SELECT id FROM notes ORDER BY v <-> %s LIMIT 1", [[1, 2]], InvalidValue, "VECTOR(4)"),
        ("SELECT id FROM notes ORDER BY v <-> '[1]' LIMIT 1", [], InvalidValue, "VECTOR(4)"),
        ("SELECT id FROM notes ORDER BY v <-> %s LIMIT -1", [QUERY], HoldfastError, "negative"),
        ("SELECT id FROM notes ORDER BY v <-> %s LIMIT %s", [QUERY, "x"], HoldfastError, "x"),
        ("SELECT id FROM notes WHERE part @@ 'x'", [], NotFound, "CREATE INDEX"),
        ("SELECT id FROM notes WHERE body @@ body", [], Unsupported, "a string or a parameter"),
        ("SELECT id FROM notes WHERE body || 'x' @@ 'x'", [], Unsupported, "one column"),
        ("SELECT id FROM notes WHERE to_tsvector('german', body) @@ 'x'", [], Unsupported, "german"),
        ("SELECT to_tsvector('english', body) FROM notes", [], Unsupported, "search"),
        ("SELECT id FROM notes WHERE body @@ to_tsquery(%s)", ["a &"], InvalidValue, "a &"),
    ],
)
def test_g9_what_cannot_be_searched_is_refused(
    place: holdfast.Store, sql: str, parameters: list[Any], error: type[Exception], part: str
) -> None:
    with pytest.raises(error) as raised:
        place.execute(sql, parameters)
    assert part in str(raised.value)
