"""The tables of an agent project, with data, on a plain SQLite database and in three places of a store.

All three places show the same rows and came to them differently: rows that were written there, rows that a branch of a
branch inherited and changed or deleted, and a commit of the past after everything was changed again.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import apsw

import holdfast

SCHEMA = (
    """CREATE TABLE runs (
        run_id TEXT PRIMARY KEY, agent TEXT NOT NULL, parent_id TEXT,
        status TEXT NOT NULL DEFAULT 'running'
            CHECK (status IN ('queued', 'running', 'suspended', 'complete', 'failed')),
        budget REAL, config JSONB, started_at TIMESTAMP, finished_at TIMESTAMP, CHECK (finished_at >= started_at))""",
    """CREATE TABLE steps (
        run_id TEXT NOT NULL, step INT NOT NULL, action TEXT NOT NULL, observation TEXT,
        tokens INT DEFAULT 0 CHECK (tokens >= 0), cost REAL, state JSONB, created_at TIMESTAMP,
        PRIMARY KEY (run_id, step))""",
    """CREATE TABLE messages (
        id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, role TEXT NOT NULL, content TEXT, call_id TEXT,
        tokens INT DEFAULT (1 + 1), UNIQUE (run_id, call_id))""",
    """CREATE TABLE tool_calls (
        call_id TEXT PRIMARY KEY, tool TEXT NOT NULL, args JSONB, result TEXT, ms INT, ok BOOLEAN DEFAULT TRUE)""",
    "CREATE TABLE notes (run_id TEXT, note TEXT)",
)

ACTIONS = ("plan", "search", "read", "write", "answer")
START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def _rows() -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of each table, as Python values."""
    runs = [
        ("r1", "planner", None, "complete", 2.5, {"model": "gpt-4o", "tags": ["a", "b"]}, START, _after(10)),
        ("r2", "coder", "r1", "failed", 0.5, {"model": "o3", "retries": 2}, _after(1), _after(4)),
        ("r3", "coder", "r1", "running", None, {"model": "gpt-4o", "nested": {"k": [1, {"x": None}]}}, _after(2), None),
        ("r4", "critic", "r3", "suspended", 10.0, {}, _after(3), None),
        ("r5", "Planner", None, "queued", 0.0, None, None, None),
    ]
    steps = [
        (
            run, step, ACTIONS[step % 5], None if step % 3 == 0 else f"saw {step} in {run}", (step * 37 + number) % 50,
            step / 4 if step % 4 else None, {"step": step, "plan": ACTIONS[:step], "done": step == 6}, _after(step),
        )
        for number, (run, steps) in enumerate((("r1", 7), ("r2", 4), ("r3", 5), ("r4", 1)))
        for step in range(1, steps + 1)
    ]  # fmt: skip
    roles = ("system", "user", "assistant", "tool")
    messages = [
        (number, f"r{1 + number % 4}", roles[number % 4], f"text {number}" if number % 5 else None,
         f"call-{number}" if number % 4 == 3 else None, number * 3)
        for number in range(1, 25)
    ]  # fmt: skip
    calls = [
        (f"call-{number}", ("search", "browser", "python")[number % 3],
         {"q": f"q{number}", "k": number, "deep": {"a": [number]}},
         None if number == 11 else f"{number} hits", number * 10, number % 2 == 0 or number > 12)
        for number in (3, 7, 11, 15, 19, 23, 27)
    ]  # fmt: skip
    notes = [("r1", "same"), ("r1", "same"), ("r2", None), (None, "lost"), ("r3", "100%"), ("r3", "it's a_b")]
    return {"runs": runs, "steps": steps, "messages": messages, "tool_calls": calls, "notes": notes}


def _after(hours: int) -> datetime:
    return START + timedelta(hours=hours)


ROWS = _rows()
KEYS = {"runs": 1, "steps": 2, "messages": 1, "tool_calls": 1, "notes": 0}


def insert(table: str) -> str:
    """Return the statement that inserts a row of a table."""
    return f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(ROWS[table][0]))})"


def stored(value: Any) -> Any:
    """Return what plain SQLite is given for a value."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return int(value) if isinstance(value, bool) else value


def plain() -> apsw.Connection:
    """Return a plain SQLite database with the tables and their rows."""
    database = apsw.Connection(":memory:")
    for statement in SCHEMA:
        database.execute(statement)
    for table, rows in ROWS.items():
        database.executemany(insert(table).replace("%s", "?"), [tuple(map(stored, row)) for row in rows])
    return database


def written_on_main(db: holdfast.Store) -> None:
    """Write the rows, a table at a time."""
    for table, rows in ROWS.items():
        db.executemany(insert(table), rows)


def inherited(db: holdfast.Store, name: str = "run/try/again") -> holdfast.Store:
    """Write other rows, and let a branch and then a branch of it bring them to what they should be."""
    db.execute(insert("runs"), ("r0", "nobody", None, "queued", None, None, None, None))
    db.execute(insert("runs"), ("r2", "other", None, "queued", 7.0, {"a": 1}, None, None))
    db.executemany(insert("runs"), [row for row in ROWS["runs"] if row[0] != "r2"])
    db.executemany(insert("steps"), [(run, step + 100, "x", "", 0, 1.0, None, None) for run, step, *_ in ROWS["steps"]])
    db.executemany(insert("messages"), [(*row[:3], "draft", None, 0) for row in ROWS["messages"][:20]])
    db.executemany(insert("tool_calls"), ROWS["tool_calls"])
    db.executemany(insert("notes"), [*ROWS["notes"][:3], ("r9", "gone"), ("r3", "it's")])

    first = db.branch("run/try")
    first.execute("DELETE FROM runs WHERE run_id = 'r0'")
    first.executemany("UPDATE steps SET step = step - 100, observation = 'half' WHERE run_id = %s", [["r1"], ["r2"]])
    first.execute("DELETE FROM steps WHERE step > 100")
    first.executemany("UPDATE messages SET content = %s, call_id = %s, tokens = 5 WHERE id = %s", _texts(10))
    first.execute("DELETE FROM tool_calls WHERE call_id = 'call-7'")
    first.execute("DELETE FROM notes WHERE run_id = 'r9'")
    first.execute("UPDATE notes SET note = 'it''s a_b' WHERE note = 'it''s'")

    second = first.branch(name)
    second.execute("DELETE FROM runs WHERE run_id = 'r2'")
    second.execute(insert("runs"), next(row for row in ROWS["runs"] if row[0] == "r2"))
    for row in ROWS["steps"]:
        if row[0] in ("r1", "r2"):
            second.execute(
                "UPDATE steps SET action = %s, observation = %s, tokens = %s, cost = %s, state = %s, created_at = %s"
                " WHERE run_id = %s AND step = %s",
                (*row[2:], *row[:2]),
            )
    second.executemany(insert("steps"), [row for row in ROWS["steps"] if row[0] in ("r3", "r4")])
    second.executemany("UPDATE messages SET content = %s, call_id = %s WHERE id = %s", _texts(20))
    second.execute("UPDATE messages SET tokens = id * 3")
    second.executemany(insert("messages"), ROWS["messages"][20:])
    second.execute(insert("tool_calls"), next(row for row in ROWS["tool_calls"] if row[0] == "call-7"))
    second.executemany(insert("notes"), ROWS["notes"][3:5])

    first.execute("DELETE FROM steps")  # nothing of this is seen from the second branch
    db.execute("UPDATE runs SET agent = 'changed later'")
    db.execute("DELETE FROM messages WHERE id > 3")
    return second


def _texts(count: int) -> list[tuple[Any, ...]]:
    return [(content, call_id, number) for number, _, _, content, call_id, _ in ROWS["messages"][:count]]


def changed_since(db: holdfast.Store) -> str:
    """Write the rows, then change everything; return the commit that shows the rows."""
    written_on_main(db)
    then = db.head
    db.execute("UPDATE runs SET status = 'failed', config = %s WHERE run_id <> 'r5'", [{"after": True}])
    db.execute("UPDATE steps SET step = step + 1000, tokens = tokens + 1")
    db.execute("DELETE FROM messages WHERE id % 2 = 0")
    db.execute("DELETE FROM tool_calls")
    db.execute("INSERT INTO notes SELECT run_id, 'new' FROM runs")
    return then
