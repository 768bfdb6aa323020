"""Goal: foreign keys hold as seen from the branch, at the end of each statement and after each merge, as in SQLite.

Method: the same random writes on a branch and on a plain SQLite table with foreign keys switched on must leave the same
rows and fail alike; then each rule by itself, on branches, in transactions and in merges.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import holdfast
from holdfast import ConstraintFailed, HoldfastError, InvalidValue, MergeConflict, NotFound, SqlError, Unsupported
from holdfast.core.schema import Action
from holdfast.versions.edits import Delete, Put

ACTIONS = [action.value for action in Action]
_LATE = [action for action in ACTIONS if action != "RESTRICT"]
_KEEPING = ["NO ACTION", "SET NULL", "SET DEFAULT"]


def rows(store: holdfast.Store, sql: str = "SELECT * FROM c ORDER BY 1") -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in store.execute(sql)]


def fails(store: holdfast.Store, sql: str, part: str = "FOREIGN KEY") -> None:
    """Run what must break a constraint, alone and in a transaction, and see that it changed nothing."""
    tables = store.tables()
    before, head = [rows(store, f"SELECT * FROM {table}") for table in tables], store.head
    with pytest.raises(ConstraintFailed, match=part):
        store.execute(sql)
    with store.transaction(), pytest.raises(ConstraintFailed, match=part):
        store.execute(sql)
    assert ([rows(store, f"SELECT * FROM {table}") for table in tables], store.head) == (before, head)


@pytest.fixture
def family(db: holdfast.Store) -> Iterator[holdfast.Store]:
    db.execute("CREATE TABLE p (id INT PRIMARY KEY, code TEXT UNIQUE)")
    db.execute("CREATE TABLE c (k INT PRIMARY KEY, p INT REFERENCES p)")
    db.execute("INSERT INTO p VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    db.execute("INSERT INTO c VALUES (10, 1), (11, 1), (12, NULL)")
    yield db
    db.verify()


# Against SQLite

_KEY = st.sampled_from([1, 2, 3, 4])
_MAYBE = st.sampled_from([None, 1, 2, 3, 4])
_WRITES = st.one_of(
    st.tuples(st.just("INSERT INTO p VALUES (?)"), st.tuples(_KEY)),
    st.tuples(st.just("UPDATE p SET id = ? WHERE id = ?"), st.tuples(_KEY, _KEY)),
    st.tuples(st.just("DELETE FROM p WHERE id = ?"), st.tuples(_KEY)),
    st.tuples(st.just("DELETE FROM p WHERE id >= ?"), st.tuples(_KEY)),
    st.tuples(st.just("INSERT INTO c VALUES (?, ?, ?)"), st.tuples(_KEY, _MAYBE, _MAYBE)),
    st.tuples(st.just("UPDATE c SET p = ? WHERE k = ?"), st.tuples(_MAYBE, _KEY)),
    st.tuples(st.just("UPDATE c SET c = ? WHERE k = ?"), st.tuples(_MAYBE, _KEY)),
    st.tuples(st.just("UPDATE c SET k = ? WHERE k = ?"), st.tuples(_KEY, _KEY)),
    st.tuples(st.just("DELETE FROM c WHERE k = ?"), st.tuples(_KEY)),
    st.tuples(st.just("DELETE FROM c WHERE p >= ?"), st.tuples(_KEY)),
    st.tuples(st.just("INSERT INTO g VALUES (?, ?, ?)"), st.tuples(_KEY, _KEY, _MAYBE)),
    st.tuples(st.just("UPDATE g SET c = ?, p = ? WHERE c = ?"), st.tuples(_KEY, _MAYBE, _KEY)),
)


@given(
    actions=st.tuples(
        *[st.sampled_from(ACTIONS)] * 2,
        *[st.sampled_from(_LATE)] * 2,
        *[st.sampled_from(ACTIONS)] * 2,
        st.sampled_from(_KEEPING),
        st.sampled_from(ACTIONS),
    ),
    writes=st.lists(_WRITES, max_size=25),
    commits=st.booleans(),
)
def test_writes_do_what_they_do_in_sqlite(
    actions: tuple[str, ...], writes: list[tuple[str, tuple[Any, ...]]], commits: bool
) -> None:
    """Three tables: p, c that refers to p and to itself, g whose primary key refers to c.

    Left out is what depends on the order in which SQLite looks at rows: RESTRICT beside what also takes the child away.
    """
    a, b, c, d, e, f, g, h = actions
    of_c = (
        f"p INTEGER DEFAULT 2 REFERENCES p ON DELETE {a} ON UPDATE {b},"
        f" c INTEGER DEFAULT 3 REFERENCES c (k) ON UPDATE {c} ON DELETE {d}"
    )
    of_g = (
        f"FOREIGN KEY (c) REFERENCES c ON DELETE {e} ON UPDATE {f},"
        f" FOREIGN KEY (p) REFERENCES p ON DELETE {g} ON UPDATE {h}"
    )
    schema = [
        "CREATE TABLE p (id INTEGER PRIMARY KEY)",
        f"CREATE TABLE c (k INTEGER PRIMARY KEY, {of_c})",
        f"CREATE TABLE g (c INTEGER, n INTEGER, p INTEGER, PRIMARY KEY (c, n), {of_g})",
    ]
    plain = sqlite3.connect(":memory:", isolation_level=None)
    plain.execute("PRAGMA foreign_keys = ON")
    with holdfast.connect(":memory:") as main:
        for sql in schema:
            # SQLite lets NULL into a primary key of two columns; PostgreSQL and we do not.
            plain.execute(sql.replace("g (c INTEGER,", "g (c INTEGER NOT NULL,"))
            main.execute(sql)
        for number in (1, 2, 3):
            for sql in (f"INSERT INTO p VALUES ({number})", f"INSERT INTO c VALUES ({number}, {number}, NULL)"):
                plain.execute(sql)
                main.execute(sql)
        db = main.branch("a").branch("a/b")
        with db.transaction() if not commits else db.branch("other"):
            for sql, values in writes:
                failed = False
                try:
                    plain.execute(sql, values)
                except sqlite3.IntegrityError:
                    failed = True
                if failed:
                    with pytest.raises(ConstraintFailed):
                        db.execute(sql.replace("?", "%s"), values)
                else:
                    db.execute(sql.replace("?", "%s"), values)
                for table in "pcg":
                    query = f"SELECT * FROM {table} ORDER BY 1, 2" if table != "p" else "SELECT * FROM p ORDER BY 1"
                    assert rows(db, query) == plain.execute(query).fetchall(), (sql, values)
        assert rows(main, "SELECT id FROM p ORDER BY 1") == [(1,), (2,), (3,)]
        main.verify()
    plain.close()


# One by one


def test_a_child_needs_its_parent(family: holdfast.Store) -> None:
    fails(family, "INSERT INTO c VALUES (13, 7)", r"c \(p\) = \(7\) is not in p \(id\)")
    fails(family, "INSERT INTO c SELECT 13, '7'")
    fails(family, "UPDATE c SET p = 7 WHERE k = 10")
    fails(family, "INSERT INTO c VALUES (13, 2), (14, 7)")
    with pytest.raises(ConstraintFailed):
        family.executemany("INSERT INTO c VALUES (%s, %s)", [[13, 2], [14, 7]])
    family.executemany("INSERT INTO c VALUES (%s, %s)", [[13, "2"], [14, None]])
    family.execute("UPDATE c SET p = p, k = k")
    assert rows(family) == [(10, 1), (11, 1), (12, None), (13, 2), (14, None)]


def test_a_parent_stays_while_a_child_refers_to_it(family: holdfast.Store) -> None:
    fails(family, "DELETE FROM p WHERE id = 1", r"p \(id\) = \(1\) is referred to by c \(p\)")
    fails(family, "UPDATE p SET id = 9 WHERE id = 1", "is referred to by")
    fails(family, "DELETE FROM p")
    family.execute("UPDATE p SET code = 'x' WHERE id = 1")
    assert family.execute("DELETE FROM p WHERE id > 1").rowcount == 2
    family.execute("DELETE FROM c WHERE k = 10")
    fails(family, "DELETE FROM p")
    family.execute("UPDATE c SET p = NULL")
    family.execute("DELETE FROM p")


def test_each_branch_has_its_own_parents_and_children(family: holdfast.Store) -> None:
    a = family.branch("a")
    below = a.branch("a/below")
    a.execute("DELETE FROM c WHERE p = 1")
    a.execute("DELETE FROM p WHERE id = 1")
    fails(below, "DELETE FROM p WHERE id = 1")
    fails(family, "DELETE FROM p WHERE id = 1")
    fails(a, "INSERT INTO c VALUES (20, 1)")
    below.execute("INSERT INTO c VALUES (20, 1)")
    family.execute("INSERT INTO p VALUES (4, 'd')")
    family.execute("INSERT INTO c VALUES (20, 4)")
    fails(a, "INSERT INTO c VALUES (20, 4)")
    fails(below, "INSERT INTO c VALUES (21, 4)")


def test_the_end_of_a_statement_is_what_counts(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE t (id INT PRIMARY KEY, up INT REFERENCES t (id))")
    db.execute("INSERT INTO t VALUES (1, 1), (2, 3), (3, 2)")
    fails(db, "DELETE FROM t WHERE id = 3")
    db.execute("UPDATE t SET up = id + 10, id = id + 10")
    assert rows(db, "SELECT * FROM t ORDER BY id") == [(11, 11), (12, 12), (13, 13)]
    db.execute("UPDATE t SET up = 13")
    fails(db, "DELETE FROM t WHERE id = 13")
    assert db.execute("DELETE FROM t").rowcount == 3


def test_restrict_looks_at_what_the_statement_itself_leaves(db: holdfast.Store) -> None:
    """As in PostgreSQL; SQLite looks at each row as it goes."""
    db.execute("CREATE TABLE t (id INT PRIMARY KEY, up INT REFERENCES t (id) ON DELETE RESTRICT)")
    db.execute("INSERT INTO t VALUES (1, NULL), (2, 1)")
    fails(db, "DELETE FROM t WHERE id = 1")
    db.execute("DELETE FROM t")


def test_restrict_does_not_wait_for_the_end(db: holdfast.Store) -> None:
    """Deleting the parent also deletes the child, by way of another foreign key; RESTRICT does not wait for that."""
    for action, raises in (("RESTRICT", True), ("NO ACTION", False)):
        db.execute("CREATE TABLE p (id INT PRIMARY KEY)")
        db.execute("CREATE TABLE q (id INT PRIMARY KEY, p INT REFERENCES p ON DELETE CASCADE)")
        db.execute(
            f"CREATE TABLE c (k INT PRIMARY KEY, p INT REFERENCES p ON DELETE {action}, q INT REFERENCES q"
            " ON DELETE CASCADE)"
        )
        for sql in ("INSERT INTO p VALUES (1)", "INSERT INTO q VALUES (5, 1)", "INSERT INTO c VALUES (7, 1, 5)"):
            db.execute(sql)
        if raises:
            fails(db, "DELETE FROM p")
        else:
            db.execute("DELETE FROM p")
            assert rows(db) == []
        db.execute("DROP TABLE p, q, c")


def test_actions_follow_the_row(db: holdfast.Store) -> None:
    """Keys that move along a chain in one statement take their own children with them."""
    db.execute("CREATE TABLE p (id INT, n INT, PRIMARY KEY (id, n))")
    db.execute(
        "CREATE TABLE c (k INT PRIMARY KEY, n INT, id INT, FOREIGN KEY (id, n) REFERENCES p (id, n)"
        " ON UPDATE CASCADE ON DELETE SET NULL)"
    )
    db.execute("INSERT INTO p VALUES (3, 0), (2, 0), (1, 0)")
    db.execute("INSERT INTO c VALUES (1, 0, 1), (2, 0, 2), (3, 0, 3), (4, NULL, 7), (5, 8, NULL)")
    db.execute("UPDATE p SET id = id + 1, n = 5 WHERE id = 3")
    db.execute("UPDATE p SET id = id + 1 WHERE id = 2")
    with db.branch("a") as a:
        a.execute("DELETE FROM p WHERE n = 5")
        assert rows(a) == [(1, 0, 1), (2, 0, 3), (3, None, None), (4, None, 7), (5, 8, None)]
    db.execute("UPDATE p SET id = id - 3, n = n + 1")
    assert rows(db) == [(1, 1, -2), (2, 1, 0), (3, 6, 1), (4, None, 7), (5, 8, None)]
    db.verify()


def test_an_action_counts_no_rows_and_is_part_of_the_commit(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE p (id INT PRIMARY KEY)")
    db.execute("CREATE TABLE c (k INT PRIMARY KEY, p INT NOT NULL REFERENCES p ON DELETE CASCADE)")
    db.execute("INSERT INTO p VALUES (1), (2)")
    db.execute("INSERT INTO c VALUES (10, 1), (11, 1), (12, 2)")
    assert db.execute("DELETE FROM p WHERE id = 1").rowcount == 1
    assert [(change.table, change.key) for change in db.show()[1]] == [("c", (10,)), ("c", (11,)), ("p", (1,))]
    db.execute("CREATE TABLE d (k INT PRIMARY KEY, c INT NOT NULL REFERENCES c ON DELETE SET NULL)")
    db.execute("INSERT INTO d VALUES (1, 12)")
    fails(db, "DELETE FROM p", r"NOT NULL constraint failed: d\.c")
    with db.transaction():
        db.execute("INSERT INTO p VALUES (3)")
        db.execute("INSERT INTO c VALUES (13, 3)")
        db.execute("DELETE FROM p WHERE id = 3")
        db.execute("INSERT INTO p VALUES (4)")
    assert [(change.table, change.key) for change in db.show()[1]] == [("p", (4,))]
    db.verify()


@pytest.mark.slow
def test_a_long_chain_goes_as_one(db: holdfast.Store) -> None:
    """Triggers nest a thousand deep at most, and a conversation may be longer."""
    db.execute("CREATE TABLE m (id INT PRIMARY KEY, after INT REFERENCES m ON DELETE CASCADE)")
    db.executemany("INSERT INTO m VALUES (%s, %s)", [[n, n - 1 if n else None] for n in range(1500)])
    assert db.execute("DELETE FROM m WHERE id = 0").rowcount == 1
    assert rows(db, "SELECT count(*) FROM m") == [(0,)]


def test_a_foreign_key_may_refer_to_unique_columns_in_any_order(family: holdfast.Store) -> None:
    family.execute("CREATE TABLE d (a TEXT REFERENCES p (code) ON UPDATE CASCADE ON DELETE SET DEFAULT)")
    family.execute("ALTER TABLE p ADD x INT DEFAULT 5, ADD y INT DEFAULT 6, ADD CONSTRAINT xy UNIQUE (x, code)")
    family.execute("CREATE TABLE e (b TEXT, a INT, FOREIGN KEY (b, a) REFERENCES p (code, x) ON UPDATE CASCADE)")
    family.execute("INSERT INTO d VALUES ('b')")
    family.execute("INSERT INTO e VALUES ('b', 5), ('q', NULL)")
    fails(family, "INSERT INTO e VALUES ('b', 6)")
    family.execute("UPDATE p SET code = 'B', x = 50 WHERE code = 'b'")
    assert rows(family, "SELECT * FROM d") == [("B",)]
    assert rows(family, "SELECT * FROM e ORDER BY 1") == [("B", 50), ("q", None)]
    for sql in ("DROP INDEX xy", "ALTER TABLE p DROP CONSTRAINT xy", "ALTER TABLE p DROP CONSTRAINT p_code_key"):
        with pytest.raises(SqlError, match="needed by a foreign key of"):
            family.execute(sql)


def test_typed_keys_are_compared_as_they_are_stored(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE p (n NUMERIC PRIMARY KEY, at TIMESTAMP UNIQUE)")
    db.execute("CREATE TABLE c (n NUMERIC(8, 2) REFERENCES p, at TIMESTAMP REFERENCES p (at) ON UPDATE CASCADE)")
    db.execute("INSERT INTO p VALUES ('1.50', '2026-01-01 12:00')")
    db.execute("INSERT INTO c VALUES (%s, %s)", ["1.5", "2026-01-01T13:00:00+01:00"])
    db.execute("INSERT INTO c VALUES (1.50, NULL)")
    fails(db, "INSERT INTO c VALUES (1.51, NULL)", "Decimal")
    db.execute("UPDATE p SET at = '2026-01-02T00:00:00Z'")
    assert rows(db, "SELECT count(*) FROM c WHERE at = '2026-01-02'") == [(1,)]


@pytest.mark.parametrize(
    ("sql", "error", "part"),
    [
        ("CREATE TABLE d (a INT REFERENCES nowhere)", NotFound, "no table 'nowhere'"),
        ("CREATE TABLE d (a INT REFERENCES p (z))", NotFound, "no column 'z'"),
        ("CREATE TABLE d (a TEXT REFERENCES p)", InvalidValue, "a is TEXT, and id is INTEGER"),
        ("CREATE TABLE d (a INT REFERENCES c (p))", SqlError, "neither its primary key nor UNIQUE"),
        ("CREATE TABLE d (a INT REFERENCES p (id, code))", SqlError, "1 columns refer to 2"),
        ("CREATE TABLE d (a INT, FOREIGN KEY (z) REFERENCES p)", SqlError, "'z'"),
        ("CREATE TABLE d (a INT, FOREIGN KEY (a, a) REFERENCES p)", SqlError, "twice"),
        ("CREATE TABLE d (a INT, FOREIGN KEY (a))", SqlError, "REFERENCES"),
        ("CREATE TABLE d (a INT REFERENCES d)", SqlError, "has no primary key"),
        ("CREATE TABLE d (a INT REFERENCES p ON DELETE IGNORE)", SqlError, "an action is one of"),
        ("CREATE TABLE d (a INT REFERENCES p ON INSERT CASCADE)", SqlError, "not by INSERT"),
        ("CREATE TABLE d (a INT REFERENCES p ON DELETE SET NULL (a))", Unsupported, "SET NULL"),
        ("CREATE TABLE d (a INT REFERENCES p MATCH FULL)", Unsupported, "MATCH FULL"),
        ("CREATE TABLE d (a INT REFERENCES p DEFERRABLE INITIALLY DEFERRED)", Unsupported, "DEFERRABLE"),
        ("CREATE TABLE d (a INT REFERENCES p INITIALLY DEFERRED)", Unsupported, "DEFERRABLE"),
        ("ALTER TABLE p ADD FOREIGN KEY (id) REFERENCES c (k)", ConstraintFailed, "does not hold on branch 'main'"),
        ("ALTER TABLE c ADD d INT DEFAULT 9 REFERENCES p", ConstraintFailed, "does not hold on branch 'main'"),
        ("ALTER TABLE c ADD CONSTRAINT c_p_fkey FOREIGN KEY (p) REFERENCES p", HoldfastError, "c_p_fkey"),
        ("DROP TABLE p", SqlError, "a foreign key of c refers to it"),
    ],
)
def test_what_cannot_be_is_refused(family: holdfast.Store, sql: str, error: type[HoldfastError], part: str) -> None:
    head = family.head
    with pytest.raises(error) as caught:
        family.execute(sql)
    assert part in str(caught.value)
    assert (family.head, family.tables()) == (head, ["p", "c"])


def test_a_foreign_key_that_comes_later_and_goes(family: holdfast.Store) -> None:
    a = family.branch("a")
    a.execute(
        "ALTER TABLE c ADD COLUMN other INT NOT NULL DEFAULT 10 REFERENCES c (k) ON DELETE SET NULL NOT DEFERRABLE"
    )
    for store in (family, a):
        fails(store, "INSERT INTO c VALUES (13, NULL, 99)")
        fails(store, "DELETE FROM c WHERE k = 10", "NOT NULL")
    family.execute("ALTER TABLE c DROP CONSTRAINT c_other_fkey")
    a.execute("INSERT INTO c VALUES (13, NULL, 99)")
    with pytest.raises(ConstraintFailed, match=r"branch 'a': \{'k': 13"):
        family.execute("ALTER TABLE c ADD CONSTRAINT back FOREIGN KEY (other) REFERENCES c")
    a.execute("DELETE FROM c WHERE k = 13")
    family.execute("ALTER TABLE c ADD CONSTRAINT back FOREIGN KEY (other) REFERENCES c")
    fails(a, "INSERT INTO c VALUES (13, NULL, 99)")


def test_renaming_keeps_foreign_keys(family: holdfast.Store) -> None:
    family.execute("ALTER TABLE p RENAME id TO key")
    family.execute("ALTER TABLE p RENAME TO parents")
    family.execute("ALTER TABLE c RENAME p TO parent")
    fails(family, "INSERT INTO c VALUES (13, 7)", r"c \(parent\) = \(7\) is not in parents \(key\)")
    fails(family, "DELETE FROM parents", r"parents \(key\)")


def test_dropping_a_table_with_cascade_drops_the_foreign_keys_only(family: holdfast.Store) -> None:
    a = family.branch("a")
    rows(a, "SELECT * FROM p")
    family.execute("DROP TABLE p CASCADE")
    assert a.tables() == ["c"]
    a.execute("INSERT INTO c VALUES (13, 7)")
    assert rows(family) == [(10, 1), (11, 1), (12, None)]
    family.execute("DROP TABLE c")


def test_another_connection_learns_of_a_foreign_key(tmp_path: Any) -> None:
    with holdfast.connect(tmp_path / "s.db") as db, holdfast.connect(tmp_path / "s.db") as other:
        db.execute("CREATE TABLE p (id INT PRIMARY KEY)")
        db.execute("CREATE TABLE c (p INT)")
        other.execute("INSERT INTO p VALUES (1), (2)")
        other.execute("INSERT INTO c VALUES (1)")
        db.execute("ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p ON DELETE CASCADE")
        fails(other, "INSERT INTO c VALUES (3)")
        assert other.execute("DELETE FROM p").rowcount == 2
        assert rows(db) == []
        db.execute("ALTER TABLE c DROP CONSTRAINT c_p_fkey")
        other.execute("INSERT INTO c VALUES (3)")


def test_edits_by_key_are_held_to_foreign_keys(family: holdfast.Store) -> None:
    """The same holds for callers without SQL, and a failed edit leaves what was before it in the commit."""
    versions = family._versions
    with pytest.raises(ConstraintFailed):
        versions.commit("main", [Put("c", {"k": 13, "p": 7})])
    with pytest.raises(ConstraintFailed):
        versions.commit("main", [Delete("p", (1,))])
    versions.commit("main", [Put("p", {"id": 7}), Put("c", {"k": 13, "p": 7})])
    with family._session.write() as writer:
        line = writer.branch("main")
        assert line is not None
        writer.open(line)
        table = writer.catalogue().find("c")
        assert table is not None
        writer.insert(table, [14, 2])
        with pytest.raises(ConstraintFailed):
            writer.insert(table, [15, 99])
        writer.insert(table, [15, 3])
        writer.seal("two rows")
    assert rows(family, "SELECT k FROM c WHERE k > 12 ORDER BY k") == [(13,), (14,), (15,)]


# Merges


def test_a_child_and_the_end_of_its_parent_conflict(family: holdfast.Store) -> None:
    side = family.branch("side")
    side.execute("INSERT INTO c VALUES (20, 3)")
    family.execute("DELETE FROM p WHERE id = 3")
    for source, into in (("side", "main"), ("main", "side")):
        for policy in ("fail", "ours", "theirs"):
            head = family.checkout(into).head
            with pytest.raises(MergeConflict) as caught:
                family.merge(source, into=into, policy=policy)
            assert [(conflict.table, conflict.key, conflict.constraint) for conflict in caught.value.conflicts] == [
                ("c", (20,), "FOREIGN KEY (p) REFERENCES p (id)")
            ] * len(caught.value.conflicts)
            assert family.checkout(into).head == head
    family.execute("INSERT INTO p VALUES (3, 'again')")
    family.merge("side")
    assert (20, 3) in rows(family)


def test_a_parent_whose_key_changed_conflicts_with_a_new_child(family: holdfast.Store) -> None:
    family.execute("CREATE TABLE d (code TEXT REFERENCES p (code))")
    side = family.branch("side")
    side.execute("UPDATE p SET code = 'z' WHERE id = 3")
    family.execute("INSERT INTO d VALUES ('c')")
    with pytest.raises(MergeConflict, match=r"FOREIGN KEY \(code\) REFERENCES p \(code\)"):
        family.merge("side")
    side.execute("UPDATE p SET code = 'c' WHERE id = 3")
    family.merge("side")


def test_a_child_moved_to_a_parent_that_the_other_side_made_is_no_conflict(family: holdfast.Store) -> None:
    side = family.branch("side")
    side.execute("INSERT INTO p VALUES (4, 'd')")
    side.execute("UPDATE c SET p = 4 WHERE k = 10")
    family.execute("UPDATE p SET code = 'A' WHERE id = 1")
    family.execute("DELETE FROM c WHERE k = 11")
    family.merge("side")
    assert rows(family) == [(10, 4), (12, None)]
    family.execute("DELETE FROM p WHERE id = 1")


def test_what_a_policy_takes_away_is_a_parent_too(family: holdfast.Store) -> None:
    """Theirs deletes the parent, ours changes it and has a child: taking theirs would leave the child alone."""
    side = family.branch("side")
    side.execute("DELETE FROM p WHERE id = 2")
    family.execute("UPDATE p SET code = 'new' WHERE id = 2")
    family.execute("INSERT INTO c VALUES (20, 2)")
    with pytest.raises(MergeConflict, match="FOREIGN KEY"):
        family.merge("side", policy="theirs")
    family.merge("side", policy="ours")
    assert (2, "new") in rows(family, "SELECT * FROM p")


def test_cascades_of_both_sides_merge(db: holdfast.Store) -> None:
    db.execute("CREATE TABLE p (id INT PRIMARY KEY)")
    db.execute("CREATE TABLE c (k INT PRIMARY KEY, p INT REFERENCES p ON DELETE CASCADE)")
    db.execute("INSERT INTO p VALUES (1), (2)")
    db.execute("INSERT INTO c VALUES (10, 1), (20, 2)")
    side = db.branch("side")
    side.execute("DELETE FROM p WHERE id = 1")
    db.execute("DELETE FROM p")
    db.merge("side")
    side.merge("main")
    assert rows(db) == rows(side) == []
    db.verify()


def test_a_branch_at_a_commit_from_before_a_foreign_key(family: holdfast.Store) -> None:
    """Rows of the past may break a later foreign key: they can be read and mended, and merging them conflicts."""
    family.execute("CREATE TABLE d (k INT PRIMARY KEY, p INT, x INT)")
    family.execute("INSERT INTO d VALUES (1, 99, 0)")
    family.tag("then")
    family.execute("DELETE FROM d")
    family.execute("ALTER TABLE d ADD FOREIGN KEY (p) REFERENCES p")
    old = family.branch("old", at="then")
    old.execute("UPDATE d SET x = 1")
    with pytest.raises(MergeConflict):
        family.merge("old", policy="theirs")
    fails(old, "UPDATE d SET p = 98")
    old.execute("UPDATE d SET p = 2")
    family.merge("old", policy="theirs")


def test_a_parent_that_ended_before_there_was_a_foreign_key(family: holdfast.Store) -> None:
    """Neither side has touched the child since; only what became of the parent tells."""
    family.execute("CREATE TABLE d (k INT PRIMARY KEY, p INT)")
    family.execute("INSERT INTO d VALUES (1, 3)")
    side = family.branch("side")
    side.execute("DELETE FROM p WHERE id = 3")
    side.tag("without")
    side.execute("INSERT INTO p VALUES (3, 'again')")
    family.execute("ALTER TABLE d ADD FOREIGN KEY (p) REFERENCES p")
    with pytest.raises(MergeConflict) as caught:
        family.merge("without")
    assert [(conflict.table, conflict.key, conflict.constraint) for conflict in caught.value.conflicts] == [
        ("d", (1,), "FOREIGN KEY (p) REFERENCES p (id)")
    ]
    family.merge("side")
    assert rows(family, "SELECT id, code FROM p WHERE id = 3") == [(3, "again")]
