"""Goal: gc removes what nobody can ask for, and says so. Method: small histories; what may go is counted by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

import holdfast
from holdfast.core.durations import microseconds_of
from holdfast.testing import FakeClock, SeededIds

DAY_US = 86_400 * 1_000_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def db(path: Path, clock: FakeClock) -> Iterator[holdfast.Store]:
    """Return a store whose only row was written once a day for ten days."""
    with holdfast.connect(path, clock=clock, ids=SeededIds()) as store:
        store.execute("CREATE TABLE notes (id INT PRIMARY KEY, text TEXT)")
        store.execute("INSERT INTO notes VALUES (1, 'day 0')")
        for day in range(1, 10):
            clock.advance(DAY_US)
            store.execute("UPDATE notes SET text = %s", [f"day {day}"])
        yield store


def texts(store: holdfast.Store, ref: str) -> list[Any]:
    with store.checkout(ref) as there:
        return [row["text"] for row in there.execute("SELECT text FROM notes ORDER BY id")]


def versions(path: Path) -> int:
    count: Any
    ((count,),) = apsw.Connection(str(path)).execute("SELECT count(*) FROM hf_v1 WHERE line <> 0").fetchall()
    return int(count)


def test_without_options_all_that_a_branch_or_tag_sees_stays(db: holdfast.Store, path: Path) -> None:
    with db.branch("gone") as branch:
        branch.executemany("INSERT INTO notes VALUES (%s, 'x')", [[2], [3]])
        branch.execute("UPDATE notes SET text = 'y' WHERE id = 1")
        lost = branch.head
    db.delete_branch("gone")
    db.branch("newer").close()  # the newest line stays, so that its number is not given again
    history = [commit.hash for commit in db.log()]
    found = db.gc()
    assert (found.rows, found.commits_removed, found.commits_pruned, found.lines_folded) == (4, 2, 0, 1)
    assert found.more is False
    assert [texts(db, ref) for ref in history[:-2]] == [[f"day {day}"] for day in range(9, -1, -1)]
    with pytest.raises(holdfast.NotFound):
        db.checkout(lost)
    assert versions(path) == 10
    assert db.gc() == holdfast.Collected()
    assert db.verify().commits == 12


def test_k8_old_commits_are_pruned_and_stay_in_the_log(db: holdfast.Store, path: Path) -> None:
    before = db.log()
    db.tag("start", before[7].hash)
    found = db.gc(keep_last=2)
    assert (found.commits_pruned, found.rows) == (9, 7)
    after = db.log()
    assert [commit.hash for commit in after] == [commit.hash for commit in before]
    assert [at for at, commit in enumerate(after) if not commit.pruned] == [0, 1, 7]
    assert [texts(db, ref) for ref in (before[0].hash, before[1].hash, "start")] == [["day 9"], ["day 8"], ["day 2"]]
    old = before[3].hash
    calls: list[Callable[[], object]] = [
        lambda: db.checkout(old),
        lambda: db.tag("t", old),
        lambda: db.diff(old),
        lambda: db.merge(old),
        lambda: db.show(old),
        lambda: db.branch("b", at=old),
    ]
    for call in calls:
        with pytest.raises(holdfast.NotFound, match="pruned"):
            call()
    with pytest.raises(holdfast.NotFound, match="pruned"):
        db.execute(f'SELECT * FROM "notes@{before[3].hash}"')
    assert versions(path) == 3
    assert db.verify().pruned == 9
    assert [change.after for change in db.show(before[0].hash)[1]] == [{"id": 1, "text": "day 9"}]
    with pytest.raises(holdfast.NotFound, match="pruned"):
        db.show(before[1].hash)  # of what it changed, nothing is left


def test_older_than_and_keep_last_each_keep(db: holdfast.Store) -> None:
    assert db.gc(older_than="3d", dry_run=True).commits_pruned == 8
    assert db.gc(older_than="3d", keep_last=6, dry_run=True).commits_pruned == 6
    assert db.gc(older_than="3d", keep_last=2, dry_run=True).commits_pruned == 8
    planned = db.gc(older_than="3d", keep_last=6, dry_run=True)
    done = db.gc(older_than="3d", keep_last=6)
    assert (planned.commits_pruned, planned.rows) == (done.commits_pruned, done.rows) == (6, 4)


def test_a_checkout_is_told_when_its_commit_is_pruned_and_a_lease_spares_it(
    db: holdfast.Store, clock: FakeClock
) -> None:
    old, older = db.log()[4].hash, db.log()[5].hash
    loose, leased = db.checkout(old), db.checkout(older, lease="1h")
    read = "SELECT text FROM notes"
    assert loose.execute(read).fetchall() == [{"text": "day 5"}]
    db.gc(keep_last=1)
    with pytest.raises(holdfast.NotFound, match="pruned"):
        loose.execute(read)
    assert leased.execute(read).fetchall() == [{"text": "day 4"}]
    clock.advance(3_600 * 1_000_000 + 1)
    db.gc(keep_last=1)
    with pytest.raises(holdfast.NotFound, match="pruned"):
        leased.execute(read)


def test_a_closed_checkout_gives_its_lease_back(db: holdfast.Store) -> None:
    old = db.log()[4].hash
    db.checkout(old, lease=3600).close()
    assert db.gc(keep_last=1).commits_pruned == 11


def test_k6_each_transaction_is_short_and_more_tells_what_is_left(db: holdfast.Store) -> None:
    said: list[holdfast.Collected] = []
    found = db.gc(keep_last=1, budget=4, batches=3, progress=said.append)
    assert [(one.commits_pruned, one.rows) for one in said] == [(4, 0), (8, 0), (11, 0)]
    assert found.more is True
    db.verify()
    said.clear()
    assert db.gc(budget=4, progress=said.append).more is False
    assert [one.rows for one in said] == [4, 8, 9]


def test_a_branch_that_is_deleted_while_a_policy_is_asked_is_not_half_merged(db: holdfast.Store) -> None:
    with db.branch("side") as side:
        side.execute("UPDATE notes SET text = 'side'")
    db.execute("UPDATE notes SET text = 'main'")
    head = db.head

    def policy(conflict: holdfast.Conflict) -> object:
        with holdfast.connect(db.url) as other:
            other.delete_branch("side")
            assert other.gc().commits_removed == 1
        return conflict.theirs

    with pytest.raises(holdfast.NotFound):
        db.merge("side", policy=policy)
    assert db.head == head
    db.verify()


def test_numbers_of_versions_and_lines_are_never_given_again(db: holdfast.Store, path: Path) -> None:
    with db.branch("gone") as branch:
        branch.execute("INSERT INTO notes VALUES (2, 'x')")
    raw = apsw.Connection(str(path))
    newest = raw.execute("SELECT max(vid) FROM hf_v1").get, raw.execute("SELECT max(id) FROM hf_line").get
    db.delete_branch("gone")
    db.gc()
    with db.branch("next") as branch:
        branch.execute("INSERT INTO notes VALUES (3, 'y')")
    assert raw.execute("SELECT vid FROM hf_v1 WHERE c1 = 3").get > newest[0]
    assert raw.execute("SELECT line FROM hf_ref WHERE name = 'next'").get > newest[1]


HARM = {
    "a row that stays": "UPDATE hf_v1 SET c2 = 'forged' WHERE vid = (SELECT max(vid) FROM hf_v1)",
    "a row that stays is gone": "DELETE FROM hf_v1 WHERE vid = (SELECT max(vid) FROM hf_v1)",
    "a row at a commit without any": "INSERT INTO hf_v1 SELECT 999, 1, 2, 1, 1, 5, 0, 7, 'forged' FROM hf_line LIMIT 1",
    "a mark is gone": "DELETE FROM hf_leaf",
    "a mark": "UPDATE hf_leaf SET mark = zeroblob(33)",
    "a pruned message": "UPDATE hf_commit SET message = 'x' WHERE pruned = 1",
    "a bare commit's digest": "UPDATE hf_commit SET changes = zeroblob(32) WHERE pruned = 2",
    "a pruned commit is gone": "DELETE FROM hf_commit WHERE pruned = 2 AND n = 5",
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_d8_harm_is_found_after_gc(db: holdfast.Store, path: Path, harm: str) -> None:
    db.executemany("INSERT INTO notes VALUES (%s, 'more')", [[2], [3]])
    db.execute("DELETE FROM notes WHERE id = 2")
    db.gc(keep_last=1)
    db.verify()
    raw = apsw.Connection(str(path))
    raw.execute(harm)
    assert raw.changes() > 0
    with pytest.raises(holdfast.StoreCorrupt):
        db.verify()


def test_w4_a_reader_need_not_know_branches_that_were_merged(db: holdfast.Store, path: Path) -> None:
    for number in range(20):
        with db.branch(f"run-{number}") as branch:
            branch.execute("INSERT INTO notes VALUES (%s, 'x')", [100 + number])
        db.merge(f"run-{number}")
        db.delete_branch(f"run-{number}")
    db.branch("beside").close()
    half = db.log()[10].hash
    read = "SELECT count(*) AS n FROM notes"
    before = [db.checkout(ref).execute(read).fetchone() for ref in ("main", "beside", half)]
    assert before == [{"n": 21}, {"n": 21}, {"n": 11}]
    open_ = db.checkout("beside")
    open_.execute(read)
    assert db.gc().lines_folded == 20
    assert apsw.Connection(str(path)).execute("SELECT count(*) FROM hf_merge").get == 0
    assert [db.checkout(ref).execute(read).fetchone() for ref in ("main", "beside", half)] == before
    assert open_.execute(read).fetchone() == {"n": 21}
    with holdfast.connect(path) as fresh:
        fresh.execute(read)
        (sql,) = fresh._session._driver.rows("SELECT sql FROM sqlite_temp_schema WHERE name = 'notes'")[0]  # type: ignore[attr-defined]
        assert sql.count("WHEN 1 THEN") == sql.count("WHEN"), "main is the only line that is listed"
    db.execute("UPDATE notes SET text = 'y' WHERE id >= 100")
    assert db.merge("beside").changed is False
    db.verify()
    apsw.Connection(str(path)).execute("UPDATE hf_line SET trunk_n = trunk_n + 1 WHERE trunk IS NOT NULL")
    with pytest.raises(holdfast.StoreCorrupt, match="sealed"):
        db.verify()


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda db: db.gc(keep_last=0), "keep_last"),
        (lambda db: db.gc(budget=True), "budget"),
        (lambda db: db.gc(batches=-1), "batches"),
        (lambda db: db.gc(older_than="soon"), "older_than"),
        (lambda db: db.gc(older_than=-1), "older_than"),
        (lambda db: db.checkout("main", lease=float("nan")), "lease"),
    ],
    ids=["keep_last", "budget", "batches", "older_than", "negative", "lease"],
)
def test_g9_an_option_that_is_none_is_refused(db: holdfast.Store, call: Callable[[Any], object], named: str) -> None:
    with pytest.raises(holdfast.InvalidValue, match=named):
        call(db)


@pytest.mark.parametrize("at", range(1, 12))
@pytest.mark.parametrize("beside", ["gc", "erase"])
def test_k7_two_collections_at_once_do_no_harm(db: holdfast.Store, at: int, beside: str) -> None:
    """Whatever one of them has planned, the other may have done, and more, before it comes to it."""
    db.execute("INSERT INTO notes VALUES (2, 'other')")
    reports = 0

    def interfere(_: holdfast.Collected) -> None:
        nonlocal reports
        reports += 1
        if reports == at:
            with holdfast.connect(db.url) as other:
                other.gc(keep_last=1)
                if beside == "erase":
                    other.erase({"notes": [1]})

    db.gc(keep_last=2, budget=1, progress=interfere)
    assert reports >= at
    db.verify()
    assert texts(db, "main") == (["other"] if beside == "erase" else ["day 9", "other"])
    assert db.gc(keep_last=1, dry_run=True) == holdfast.Collected()


def test_a_table_that_is_emptied_or_made_and_dropped_at_once_leaves_no_mark(db: holdfast.Store) -> None:
    """The commit's hash covers nothing of such a table, so no mark of its rows may be kept there."""
    db.execute("CREATE TABLE brief (id INT PRIMARY KEY)")
    db.execute("INSERT INTO brief VALUES (1)")
    with db.transaction():
        db.execute("DELETE FROM brief")
        db.execute("DROP TABLE brief")
    with db.transaction():
        db.execute("CREATE TABLE briefer (id INT PRIMARY KEY)")
        db.execute("INSERT INTO briefer VALUES (2)")
        db.execute("DROP TABLE briefer")
    db.gc(keep_last=1)
    db.verify()
    assert db.erase({"briefer": [2]}) == holdfast.Erased(1, 1, 1)
    db.verify()


def test_gc_is_no_part_of_a_transaction(db: holdfast.Store) -> None:
    with db.transaction(), pytest.raises(holdfast.TransactionOpen):
        db.gc()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2d ", 172_800), ("1w", 604_800), (0.5, 0.5)]
)
def test_durations(text: Any, seconds: float) -> None:
    assert microseconds_of(text, "x") == seconds * 1_000_000
