"""Goal: docs/format.md is the format. Method: compare its schemas with a store's, and hashes with golden ones."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest

import holdfast
from holdfast.engine.sql.layout import FORMAT
from holdfast.engine.sqlite import SqliteDriver


def statements(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split(";") if part.strip()]


def test_the_schemas_are_those_of_the_document(root: Path, path: Path) -> None:
    system, example, on_disk = re.findall(r"```sql\n(.*?)```", (root / "docs" / "format.md").read_text(), re.DOTALL)
    with holdfast.connect(path) as db:
        db.execute(example.strip().rstrip(";"))
    raw = apsw.Connection(str(path))
    found = [
        sql for (sql,) in raw.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    ]
    assert [" ".join(str(sql).split()) for sql in found] == statements(system) + statements(on_disk)
    assert raw.pragma("application_id") == 0x486C6466
    assert raw.pragma("user_version") == FORMAT
    assert raw.pragma("journal_mode") == "wal"


class Fixed:
    """A clock and identities that are always the same."""

    def __init__(self) -> None:
        self._lines = count(1)

    def now_us(self) -> int:
        return 1_700_000_000_000_000

    def line_uid(self) -> str:
        return f"{next(self._lines):032x}"

    def salt(self) -> bytes:
        return bytes(range(16))


def test_hashes_stay_what_they_are(path: Path) -> None:
    """A change here is a change of the format: no store would verify any more."""
    fixed = Fixed()
    with holdfast.connect(path, clock=fixed, ids=fixed) as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, state JSONB, at TIMESTAMP, cost NUMERIC, v VECTOR(2), x)")
        values = [1, {"b": [1, None], "a": "é"}, "2026-01-02T03:04:05+01:00", "1.50", [0.5, -1], 2.5]
        db.execute("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s)", values)
        with db.branch("side") as side:
            side.execute("UPDATE t SET x = NULL")
        db.execute("UPDATE t SET x = NULL")
        db.merge("side")
        assert [commit.hash[:16] for commit in db.log()] == GOLDEN


GOLDEN = [
    "d6a63c0bbe08c432",
    "d38c76673a8b45b9",
    "25b44f618cbe051e",
    "ea8b7b796e87f5d2",
    "0bd8cb91f2f86afe",
]


HEAD_OF_FORMAT_1 = "c4eeb2dc5e5be88c306860e5c71185b5da3abdeabcad89f6eba80f35e47196b6"


@pytest.fixture
def old(root: Path, path: Path) -> Path:
    """Return a store that an older version made."""
    raw = apsw.Connection(str(path))
    raw.execute((root / "tests" / "data" / "format-1.sql").read_text())
    raw.pragma("journal_mode", "wal")
    raw.close()
    return path


def test_s9_a_store_of_format_1_is_upgraded_and_whole(old: Path) -> None:
    with holdfast.connect(old) as db:
        assert db.head == HEAD_OF_FORMAT_1
        assert db.verify().commits == 9
        assert [row["note"] for row in db.execute("SELECT note FROM steps ORDER BY step")] == ["again", "b", "d"]
        db.execute("UPDATE steps SET note = 'new' WHERE step = 2")
        assert db.gc(keep_last=1).commits_removed == 1
        db.verify()


def test_an_upgraded_store_has_the_schema_of_a_new_one(old: Path, tmp_path: Path) -> None:
    def schema(path: Path) -> list[str]:
        found = apsw.Connection(str(path)).execute(
            "SELECT sql FROM sqlite_schema WHERE name NOT LIKE '%1%' AND sql <> ''"
        )
        return sorted(" ".join(str(sql).split()) for (sql,) in found.fetchall())

    holdfast.connect(old).close()
    holdfast.connect(tmp_path / "new.db").close()
    assert schema(old) == schema(tmp_path / "new.db")


def test_who_may_only_read_is_told_how_format_1_is_upgraded(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(holdfast.Unsupported, match=r"store of format 1.*connect once without read_only"):
        holdfast.connect(old, read_only=True)
    assert old.read_bytes() == before
    holdfast.connect(old).close()
    with holdfast.connect(old, read_only=True) as db:
        assert db.head == HEAD_OF_FORMAT_1
        assert len(db.execute("SELECT * FROM steps").fetchall()) == 3


def test_s9_a_store_of_format_2_is_upgraded(path: Path) -> None:
    """It had no registers."""
    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE t (x INT)")
        head = db.head
    raw = apsw.Connection(str(path))
    raw.execute("DROP TABLE hf_entry; PRAGMA user_version = 2")
    raw.close()
    with pytest.raises(holdfast.Unsupported, match="store of format 2"):
        holdfast.connect(path, read_only=True)
    with holdfast.connect(path) as db:
        assert db.head == head
        db.execute("INSERT INTO t VALUES (1)")
        db.verify()
    assert apsw.Connection(str(path)).pragma("user_version") == FORMAT


@pytest.mark.parametrize("broken", range(1, 8))
def test_an_upgrade_that_is_interrupted_leaves_format_1(
    old: Path, broken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever statement of the upgrade is the last that was carried out."""
    before = apsw.Connection(str(old)).execute("SELECT sql FROM sqlite_schema").fetchall()
    statements = 0
    rows = SqliteDriver.rows

    def dying(driver: SqliteDriver, sql: str, parameters: Any = ()) -> Any:
        nonlocal statements
        statements += sql.startswith(("ALTER", "CREATE", "PRAGMA user_version =", "COMMIT", "BEGIN"))
        if statements == broken:
            raise MemoryError("killed")
        return rows(driver, sql, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(SqliteDriver, "rows", dying)
        with pytest.raises(MemoryError):
            holdfast.connect(old)
    raw = apsw.Connection(str(old))
    assert raw.pragma("user_version") == 1
    assert raw.execute("SELECT sql FROM sqlite_schema").fetchall() == before
    with holdfast.connect(old) as db:
        assert db.head == HEAD_OF_FORMAT_1
