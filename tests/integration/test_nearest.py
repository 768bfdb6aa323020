"""Goal: the nearest vectors are exact, cost what changed, and are never those of what was taken back."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import holdfast
from holdfast import Store
from holdfast.core.points import Point
from holdfast.engine import vectors
from holdfast.engine.contract import Metric
from holdfast.engine.kept import Kept
from tests.searching import column_of, looking, nearest

L2, COSINE, INNER = Metric.L2, Metric.COSINE, Metric.INNER


def blob(*numbers: float) -> bytes:
    return numpy.array(numbers, "<f4").tobytes()


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE t (k INT PRIMARY KEY, v VECTOR(2))")
        rows: list[list[Any]] = [[1, [1, 0]], [2, [0, 2]], [3, [3, 3]], [4, None], [5, [0, 0]]]
        db.executemany("INSERT INTO t VALUES (%s, %s)", rows)
        yield db


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of vectors each time that some are read into memory."""
    sizes: list[int] = []
    add = vectors.VectorColumn.add

    def noted(self: vectors.VectorColumn, vids: Any, stored: Any) -> None:
        sizes.append(len(vids))
        add(self, vids, stored)

    monkeypatch.setattr(vectors.VectorColumn, "add", noted)
    return sizes


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (L2, [(1, 0.0), (5, 1.0), (2, math.sqrt(5)), (3, math.sqrt(13))]),
        (COSINE, [(1, 0.0), (3, 1 - math.sqrt(0.5)), (2, 1.0), (5, math.inf)]),
        (INNER, [(3, -3.0), (1, -1.0), (2, 0.0), (5, 0.0)]),
    ],
    ids=["l2", "cosine", "inner"],
)
def test_metrics_mean_what_they_mean_in_pgvector(
    store: Store, metric: Metric, expected: list[tuple[int, float]]
) -> None:
    """NULL is passed over; a zero vector, whose cosine is NaN in pgvector, comes last there and here."""
    found = nearest(store, metric, blob(1, 0), 10)
    assert [row.key for row in found] == [key for key, _ in expected]
    assert [row.score for row in found] == pytest.approx([score for _, score in expected], abs=1e-12)


def test_of_equally_near_rows_none_is_cut_off_and_places_follow_row_ids(store: Store) -> None:
    store.executemany("INSERT INTO t VALUES (%s, %s)", [[10 - n, [1, 0]] for n in range(4)])
    found = nearest(store, L2, blob(1, 0), 2)
    assert [row.key for row in found] == [1, 10, 9, 8, 7]
    assert [row.place for row in found] == [1, 2, 3, 4, 5]


def test_only_rows_among_those_asked_for_are_found(store: Store) -> None:
    among = ('SELECT "hf:vid" FROM hf_seen WHERE k > ? UNION ALL SELECT NULL UNION ALL SELECT 99', (1,))
    assert [row.key for row in nearest(store, L2, blob(1, 0), 2, among=among)] == [5, 2]


@pytest.mark.parametrize(
    ("query", "k"), [(blob(1), 1), (blob(1, 2, 3), 1), (blob(1, math.nan), 1), (b"abc", 1), (b"", 1), (blob(1, 0), -1)]
)
def test_g9_what_is_no_vector_of_the_column_is_refused(store: Store, query: bytes, k: int) -> None:
    with pytest.raises(holdfast.InvalidValue):
        nearest(store, L2, query, k)
    assert len(nearest(store, L2, blob(1, 0), 1)) == 1


def test_a_column_of_any_dimensions_is_searched_where_they_agree(path: Path) -> None:
    with holdfast.connect(path) as db:
        db.execute("CREATE TABLE t (k INT PRIMARY KEY, v BLOB)")
        db.executemany("INSERT INTO t VALUES (%s, %s)", [[1, blob(1, 2)], [2, blob(1, 2, 3)], [3, blob(5, 5, 5)]])
        for _ in range(2):
            with pytest.raises(holdfast.InvalidValue, match="2 and 3 dimensions"):
                nearest(db, L2, blob(1, 2, 4), 5)
            among = ('SELECT "hf:vid" FROM hf_seen WHERE vector_dims(v) = 3', ())
            assert [row.key for row in nearest(db, L2, blob(1, 2, 4), 5, among=among)] == [2, 3]


@pytest.mark.parametrize("dimensions", [1, 7, 1536, 65536])
@pytest.mark.parametrize("metric", list(Metric))
def test_the_order_is_exact_where_float32_is_not(dimensions: int, metric: Metric) -> None:
    """Nearly equal vectors far from zero: products in float32 do not tell them apart."""
    random = numpy.random.default_rng(dimensions)
    centre = random.standard_normal(dimensions) * 100
    rows = (centre + random.standard_normal((60, dimensions)) * 1e-3).astype("<f4")
    query = (centre + random.standard_normal(dimensions) * 1e-3).astype("<f4")
    expected = vectors.distances(metric, rows, query.astype(float))
    best = vectors.Nearest(metric, query, 5)
    for at in range(0, 60, 20):
        best.offer(numpy.arange(at, at + 20), rows[at : at + 20], vectors.norms(rows[at : at + 20]))
    assert sorted(best.vids.tolist()) == sorted(numpy.flatnonzero(expected <= numpy.sort(expected)[4]).tolist())
    pairs = {vid: vectors.distance(metric, rows[vid].tobytes(), query.tobytes()) for vid in best.vids.tolist()}
    assert pairs == dict(zip(best.vids.tolist(), best.scores.tolist(), strict=True))


@pytest.mark.parametrize("metric", list(Metric))
def test_numbers_that_overflow_and_vanish_in_float32_are_ordered_all_the_same(metric: Metric) -> None:
    sizes = [1e-40, 1e-30, 1e-20, 1.0, 1e20, 1e30, 3e38]
    rows = numpy.array([[size, sign * size, 0] for size in sizes for sign in (1, -1)], "<f4")
    for query in (numpy.array([size, size / 2, 0], "<f4") for size in sizes):
        best = vectors.Nearest(metric, query, 3)
        best.offer(numpy.arange(len(rows)), rows, vectors.norms(rows))
        expected = vectors.distances(metric, rows, query.astype(float))
        assert sorted(best.vids.tolist()) == numpy.flatnonzero(expected <= numpy.sort(expected)[2]).tolist()


def test_distances_of_pairs(store: Store) -> None:
    def asked(sql: str, *parameters: object) -> Any:
        return next(iter(store.execute(f"SELECT {sql} AS x", list(parameters)).fetchone().values()))  # type: ignore[union-attr]

    assert asked("%s::vector <-> %s::vector", [0, 0], [3, 4]) == 5.0
    assert asked("%s::vector <#> %s::vector", [1, 2], [3, 4]) == -11.0
    assert asked("%s::vector <=> %s::vector", [1, 0], [0, 0]) == math.inf
    assert asked("%s::vector <-> %s::vector", None, [3, 4]) is None
    assert asked("vector_dims(%s::vector)", [1, 2, 3]) == 3
    assert asked("l2_norm(%s::vector)", [3, 4]) == asked("vector_norm(%s::vector)", [3, 4]) == 5.0
    with pytest.raises(holdfast.InvalidValue):
        asked("%s::vector <-> %s::vector", [1], [1, 2])
    with pytest.raises(holdfast.InvalidValue):
        asked("vector_dims('[1,')")


def test_what_is_read_is_what_is_new(store: Store, read: list[int]) -> None:
    """Once, for all sessions and branches; NULL is not asked for again."""
    nearest(store, L2, blob(1, 0), 1)
    assert read == [5]
    nearest(store, COSINE, blob(0, 1), 3)
    with store.branch("side") as side, store.checkout("main") as again:
        nearest(side, L2, blob(1, 0), 1)
        nearest(again, L2, blob(1, 0), 1)
        assert read == [5]
        side.execute("INSERT INTO t VALUES (6, %s)", [[9, 9]])
        side.execute("UPDATE t SET v = %s WHERE k = 1", [[8, 8]])
        assert [row.key for row in nearest(side, L2, blob(8.4, 8.4), 2)] == [1, 6]
        assert read == [5, 2]
        store.merge("side")
        assert [row.key for row in nearest(again, L2, blob(8.4, 8.4), 2)] == [1, 6]
        assert read == [5, 2]


def test_what_is_not_committed_is_not_kept(store: Store, read: list[int]) -> None:
    nearest(store, L2, blob(1, 0), 1)
    with pytest.raises(KeyError), store.transaction():
        store.execute("INSERT INTO t VALUES (6, %s)", [[9, 9]])
        assert nearest(store, L2, blob(9, 9), 1)[0].key == 6
        store.execute("UPDATE t SET v = %s WHERE k = 6", [[7, 7]])
        assert nearest(store, L2, blob(9, 9), 1)[0].score == pytest.approx(math.sqrt(8))
        raise KeyError
    store.execute("INSERT INTO t VALUES (7, %s)", [[1, 1]])  # has the vid that 6 had
    assert nearest(store, L2, blob(9, 9), 1)[0].key == 3
    assert read == [5, 1]


@pytest.mark.parametrize("opened", [False, True], ids=["looked at", "written"])
def test_several_commits_of_one_transaction_are_all_taken_back(store: Store, opened: bool) -> None:
    """Group commit may make them; what one of them saw of another must not be kept."""

    def insert(writer: Any, key: int, x: float) -> None:
        line = writer.branch("main")
        writer.open(line)
        table = writer.catalogue().find("t")
        writer.insert(table, (key, blob(x, x)))
        writer.nearest(table, column_of(table, "v"), writer.opened, L2, blob(0, 0), 9)
        writer.seal("one")

    with pytest.raises(KeyError), store._session.write() as writer:
        insert(writer, 20, 50)
        insert(writer, 21, 60)
        table, main = writer.catalogue().find("t"), writer.branch("main")
        assert table is not None
        assert main is not None
        side = writer.create_line("5" * 32, Point(main.uid, main.head))
        if opened:  # a branch of what may be taken back
            writer.open(side)
        for at in (side,) if opened else (side, side.parent):
            number = writer.nearest(table, column_of(table, "v"), at, L2, blob(60, 60), 1)  # type: ignore[attr-defined]
            scores = writer.query("SELECT score FROM temp.hf_found WHERE search = ?", (number,))  # type: ignore[attr-defined]
            assert scores == [(0.0,)]
        raise KeyError
    for key, place, off in ((30, 70, 200), (40, 65, 50)):  # commits with the numbers of those, versions with their vids
        store.executemany("INSERT INTO t VALUES (%s, %s)", [[key, [99, 99]], [key + 1, [place, place]]])
        assert nearest(store, L2, blob(60, 60), 9)[0].score == pytest.approx(math.sqrt(off))


def test_an_open_merge_is_searched_with_what_it_brings(store: Store) -> None:
    with store.branch("side") as side:
        side.execute("INSERT INTO t VALUES (6, %s)", [[9, 9]])
    nearest(store, L2, blob(9, 9), 1)
    with store._session.write() as writer:
        line, theirs = writer.branch("main"), writer.branch("side")
        assert line is not None
        assert theirs is not None
        table = writer.catalogue().find("t")
        assert table is not None
        writer.open(line)
        writer.absorb(Point(theirs.uid, theirs.head))
        number = writer.nearest(table, column_of(table, "v"), writer.opened, L2, blob(9, 9), 1)  # type: ignore[attr-defined]
        assert writer.query("SELECT score FROM temp.hf_found WHERE search = ?", (number,)) == [(0.0,)]  # type: ignore[attr-defined]
        writer.seal("merge")
    assert nearest(store, L2, blob(9, 9), 1)[0].key == 6


def test_a_store_too_large_for_the_memory_is_searched_without_it(store: Store, read: list[int]) -> None:
    expected = nearest(store, L2, blob(1, 0), 3)
    assert read == [5]
    store._engine._memory._kept = small = Kept(bytes_max=100)  # type: ignore[attr-defined]
    for _ in range(2):
        assert nearest(store, L2, blob(1, 0), 3) == expected
    assert read == [5]
    assert small.make_room(100)


def test_an_older_snapshot_keeps_seeing_what_gc_removed(store: Store) -> None:
    """The vid of a removed row is given to another, which the memory of the newer snapshots has."""
    with store.branch("gone") as gone:
        gone.execute("INSERT INTO t VALUES (6, %s)", [[9, 9]])
        with looking(gone) as (reader, table, at):
            column = column_of(table, "v")
            reader.query("SELECT 1 FROM hf_line", ())
            with store._session.write() as writer:
                writer._count_collection()  # type: ignore[attr-defined]
                writer.query(f"DELETE FROM hf_v{table.id} WHERE c1 = 6", ())  # type: ignore[attr-defined]
            store.execute("INSERT INTO t VALUES (7, %s)", [[5, 5]])
            assert nearest(store, L2, blob(9, 9), 1)[0].key == 7
            number = reader.nearest(table, column, at, L2, blob(9, 9), 1)
            assert reader.query("SELECT score FROM temp.hf_found WHERE search = ?", (number,)) == [(0.0,)]
    assert nearest(store, L2, blob(9, 9), 1)[0].key == 7


def test_a_collection_that_is_taken_back_leaves_no_memory(store: Store) -> None:
    with pytest.raises(KeyError), store._session.write() as writer:
        writer._count_collection()  # type: ignore[attr-defined]
        line, table = writer.branch("main"), writer.catalogue().find("t")
        assert line is not None
        assert table is not None
        writer.query(f"DELETE FROM hf_v{table.id} WHERE c1 = 1", ())  # type: ignore[attr-defined]
        writer.nearest(table, column_of(table, "v"), line, L2, blob(1, 0), 1)  # type: ignore[attr-defined]
        raise KeyError
    with store._session.write() as writer:
        writer._count_collection()  # type: ignore[attr-defined]
    assert nearest(store, L2, blob(1, 0), 1)[0].key == 1


def test_what_other_processes_commit_is_found(store: Store, path: Path, read: list[int]) -> None:
    nearest(store, L2, blob(1, 0), 1)
    code = f"import holdfast; holdfast.connect({str(path)!r}).execute('INSERT INTO t VALUES (6, %s)', [[9, 9]])"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert nearest(store, L2, blob(9, 9), 1)[0].key == 6
    assert read == [5, 1]


def test_many_searches_of_one_transaction_leave_a_bounded_number_of_rows(store: Store) -> None:
    connection = store._session._driver.connection  # type: ignore[attr-defined]
    with store.transaction("many"):
        for _ in range(100):
            nearest(store, L2, blob(1, 0), 2)
    ((rows,),) = connection.execute("SELECT count(*) FROM temp.hf_found").fetchall()
    assert rows == 64 * 2
    nearest(store, L2, blob(1, 0), 2)
    assert connection.execute("SELECT count(*) FROM temp.hf_found").fetchall() == [(2,)]


def test_a_search_takes_the_same_number_of_statements_however_much_there_is(store: Store) -> None:
    seen: list[str] = []
    connection = store._session._driver.connection  # type: ignore[attr-defined]

    def statements() -> int:
        nearest(store, L2, blob(1, 0), 1)
        seen.clear()
        connection.trace_v2(0x01, lambda event: seen.append(event["sql"]))
        nearest(store, L2, blob(1, 0), 1)
        connection.trace_v2(0)
        return len(seen)

    few = statements()
    store.executemany("INSERT INTO t VALUES (%s, %s)", ([n, [n, n]] for n in range(10, 2000)))
    assert statements() == few
    assert few <= 12
