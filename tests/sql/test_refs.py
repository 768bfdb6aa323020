"""Goal: "table@ref" reads that table at that ref and no other, in any statement, while branches move.

Method: one table, branches with names that SQLite would take for one, tags that move, and statements in every order.
"""

from __future__ import annotations

from typing import Any

import pytest

import holdfast
from holdfast import NotFound


@pytest.fixture
def branches(db: holdfast.Store) -> dict[str, holdfast.Store]:
    """Return main and three branches whose names differ in case only; t.a says which one it is."""
    db.execute("CREATE TABLE t (a TEXT)")
    db.execute("INSERT INTO t VALUES ('main')")
    stores = {name: db.branch(name) for name in ("try", "Try", "tRY")}
    for name, store in stores.items():
        store.execute("UPDATE t SET a = %s", [name])
    return {"main": db, **stores}


def one(store: holdfast.Store, sql: str) -> Any:
    """Return the values of the only row."""
    (row,) = store.execute(sql).fetchall()
    return tuple(row.values())


@pytest.mark.parametrize("here", ["main", "Try"])
def test_the_case_of_a_ref_counts(branches: dict[str, holdfast.Store], here: str) -> None:
    """SQLite ignores the case of names: one view would have stood for all three."""
    store = branches[here]
    for name in ("try", "Try", "tRY", "try", "main"):
        assert one(store, f'SELECT a FROM "t@{name}"') == (name,)
    sql = 'SELECT x.a, y.a, z.a, t.a FROM "t@try" x, "t@Try" y, "t@tRY" z, t'
    assert one(store, sql) == ("try", "Try", "tRY", here)
    assert one(store, 'SELECT "t@try".a, "T@Try".a FROM "T@try", "t@Try"') == ("try", "Try")
    assert one(store, 'SELECT "t@Try".* FROM "t@Try"') == ("Try",)


def test_a_ref_in_a_write_is_read(branches: dict[str, holdfast.Store]) -> None:
    main = branches["main"]
    main.execute('INSERT INTO t SELECT a FROM "t@Try"')
    main.execute("UPDATE t SET a = a || '+' || (SELECT a FROM \"t@tRY\") WHERE a = 'main'")
    main.execute('DELETE FROM t WHERE a IN (SELECT a FROM "t@Try")')
    assert one(main, "SELECT a FROM t") == ("main+tRY",)
    assert one(main, 'SELECT a FROM "t@Try"') == ("Try",)


def test_a_ref_is_read_as_it_is_now(branches: dict[str, holdfast.Store]) -> None:
    main, other = branches["main"], branches["try"]
    sql = 'SELECT a FROM "t@try"'
    assert one(main, sql) == ("try",)
    other.execute("UPDATE t SET a = 'moved'")
    assert one(main, sql) == ("moved",)
    main.tag("mark", "try")
    assert one(main, 'SELECT a FROM "t@mark"') == ("moved",)
    main.delete_tag("mark")
    main.tag("mark", "Try")
    assert one(main, 'SELECT a FROM "T@mark"') == one(main, 'SELECT a FROM "t@mark"') == ("Try",)
    main.delete_branch("try")
    with pytest.raises(NotFound, match="try"):
        main.execute(sql)
    main.branch("try", at="tRY")
    assert one(main, sql) == ("tRY",)
    other = main.checkout("try")
    with other.transaction():
        other.execute("UPDATE t SET a = 'open'")
        assert one(other, sql) == ("open",)
        assert one(main, sql) == ("tRY",)
    assert one(main, sql) == ("open",)


def test_a_merge_is_seen_at_once(branches: dict[str, holdfast.Store]) -> None:
    main, other = branches["main"], branches["try"]
    assert one(main, 'SELECT t.a, x.a FROM t, "t@try" x') == ("main", "try")
    main.merge("try")
    assert one(main, 'SELECT t.a, x.a FROM t, "t@try" x') == ("try", "try")
    main.execute("INSERT INTO t VALUES ('new')")
    other.merge("main")
    assert main.execute('SELECT count(*) AS n FROM "t@try"').fetchall() == [{"n": 2}]


def test_a_commit_by_its_hash_is_a_ref(branches: dict[str, holdfast.Store]) -> None:
    main = branches["main"]
    before = main.head
    main.execute("UPDATE t SET a = 'later'")
    assert one(main, f'SELECT x.a, t.a FROM "t@{before}" x, t') == ("main", "later")
    assert one(main, f'SELECT a FROM "t@{before[:10]}"') == ("main",)
    assert one(main.checkout(before), 'SELECT t.a, x.a FROM t, "t@main" x') == ("main", "later")


def test_a_table_that_is_not_at_the_ref_is_not_found(branches: dict[str, holdfast.Store]) -> None:
    main = branches["main"]
    before = main.head
    main.execute("CREATE TABLE u (a TEXT)")
    assert main.execute('SELECT * FROM "u@try"').fetchall() == []  # the catalogue is store-wide
    with pytest.raises(NotFound, match="'u'"):
        main.execute(f'SELECT * FROM "u@{before}"')
    with pytest.raises(NotFound, match="'u'"):
        main.checkout(before).execute("SELECT * FROM u")
    with pytest.raises(NotFound, match="nosuch"):
        main.execute('SELECT * FROM "t@nosuch"')


def test_a_column_may_be_named_like_an_address(branches: dict[str, holdfast.Store]) -> None:
    found = branches["main"].execute('SELECT a AS "ann@example.com" FROM t ORDER BY "ann@example.com"').fetchall()
    assert found == [{"ann@example.com": "main"}]
