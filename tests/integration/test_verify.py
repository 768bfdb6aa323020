"""Goal: damage is named, never taken for data or absence; erasure keeps the chain. Method: change bytes by hand."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

import holdfast
from holdfast.core.hashing import derive_salt, leaf_of, texts_digest, texts_salt
from holdfast.core.points import Point

HARM = {
    "a value": "UPDATE hf_v1 SET c3 = 'forged' WHERE vid = 2",
    "a row's identity": "UPDATE hf_v1 SET rord = 77 WHERE vid = 2",
    "a row is gone": "DELETE FROM hf_v1 WHERE vid = 2",
    "a row too many": "INSERT INTO hf_v1 SELECT 99, rline, rn, 99, line, n, dead, 'x', 99, c3, c4 FROM hf_v1 LIMIT 1",
    "a tombstone is gone": "DELETE FROM hf_k1",
    "an ended version looks alive": "UPDATE hf_v1 SET dead = 0",
    "a message": "UPDATE hf_commit SET message = 'nothing happened' WHERE n = 2",
    "a time": "UPDATE hf_commit SET at = at + 1 WHERE n = 2",
    "a parent": "UPDATE hf_commit SET parent = zeroblob(32) WHERE n = 2",
    "a salt": "UPDATE hf_commit SET salt = zeroblob(16) WHERE n = 2",
    "a commit is gone": "DELETE FROM hf_commit WHERE n = 2",
    "a head that goes back": "UPDATE hf_line SET head_n = head_n - 1 WHERE id = 1",
    "a fork": "UPDATE hf_line SET fork_n = 1 WHERE id = 2",
    "what was merged": "UPDATE hf_merge SET hi = hi - 1",
    "a merge is forgotten": "DELETE FROM hf_merge",
    "the schema": "UPDATE hf_schema SET tables = replace(tables, 'note', 'nota')",
    "a branch's name": "UPDATE hf_ref SET name = 'sidf' WHERE name = 'side'",
    "a branch of another line": "UPDATE hf_ref SET line = 1 WHERE name = 'side'",
    "a branch is gone": "DELETE FROM hf_ref WHERE name = 'side'",
    "the sum of the names": "UPDATE hf_meta SET value = 'zz' WHERE key = 'refs'",
    "a line that versions name": "UPDATE hf_line SET id = 77 WHERE id = 2",
    "the schema's text": "UPDATE hf_schema SET tables = replace(tables, '{', '(') WHERE version = 1",
    "the schema's digest": "UPDATE hf_schema SET hash = zeroblob(32) WHERE version = 1",
    "a tag into nothing": "INSERT INTO hf_ref VALUES ('tag', 'lost', 1, 99)",
}


@pytest.fixture
def merged(db: holdfast.Store) -> holdfast.Store:
    """Return a store with an update, a delete and a merge in it."""
    with db.branch("side") as side:
        side.execute("UPDATE steps SET note = 'side' WHERE step = 1")
        side.execute("INSERT INTO steps VALUES ('r', 4, 'd', NULL)")
    db.execute("DELETE FROM steps WHERE step = 3")
    db.merge("side")
    return db


def test_a_sound_store_is_found_sound(merged: holdfast.Store) -> None:
    found = merged.verify()
    assert (found.commits, found.changes, found.erased) == (7, 6, 0)
    assert str(found) == "7 commits with 6 changes of rows are sound; 0 erased"


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_d8_harm_is_named(merged: holdfast.Store, path: Path, harm: str) -> None:
    raw = apsw.Connection(str(path))
    raw.execute(harm)
    assert raw.changes() > 0
    with holdfast.connect(path) as again, pytest.raises(holdfast.StoreCorrupt, match="damaged"):
        again.verify()


def test_a_broken_page_is_named(merged: holdfast.Store, path: Path) -> None:
    merged.close()
    apsw.Connection(str(path)).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with path.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xff" * 4096)
    with pytest.raises(holdfast.StoreCorrupt), holdfast.connect(path) as again:
        again.verify()


def test_a_row_can_be_erased_and_the_chain_still_verifies(merged: holdfast.Store, path: Path) -> None:
    """docs/format.md, Erasure, by hand: the program that will do it must come to the same."""
    with merged._session.read() as reader:
        line = reader.branch("main")
        assert line
        commit = reader.commit(Point(line.uid, 2))
        changes = reader.changes(commit.point)
    assert commit.salt
    raw = apsw.Connection(str(path))
    with raw:
        leaves = [(leaf_of(change, commit.salt), change.after) for change in changes]
        for leaf, after in leaves:
            assert after
            gone = after.values[1] == 2
            salt = None if gone else derive_salt(commit.salt, leaf.table_id, leaf.rid)
            raw.execute("INSERT INTO hf_leaf VALUES (1, 2, ?, ?, ?, ?)", (leaf.table_id, leaf.rid, leaf.mark, salt))
        texts = texts_salt(commit.salt)
        mark = texts_digest(texts, commit.message, commit.metadata)
        raw.execute("INSERT INTO hf_leaf VALUES (1, 2, 0, x'', ?, ?)", (mark, texts))
        raw.execute("UPDATE hf_commit SET salt = NULL WHERE line = 1 AND n = 2")
        raw.execute("UPDATE hf_v1 SET c3 = NULL, c4 = NULL WHERE c2 = 2")
    assert merged.verify().erased == 1
    raw.execute("UPDATE hf_v1 SET c3 = 'forged' WHERE c2 = 3 AND line = 1")
    with pytest.raises(holdfast.StoreCorrupt):
        merged.verify()
