"""The rows of the corpus: with NULLs, ties, duplicates, empty and foreign text, and negative numbers."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.sql.corpus.schema import NOW
from tests.sql.corpus.statement import Json, Vector

Row = tuple[Any, ...]


def at(days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
    """Return a moment before (negative) or after now."""
    return NOW + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def plain(days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
    """Return such a moment without a time zone, for columns without one."""
    return at(days, hours, minutes, seconds).replace(tzinfo=None)


def call_id(number: int) -> uuid.UUID:
    """Return the id of a tool call."""
    return uuid.UUID(int=0xA11CE << 108 | number)


RUNS: list[Row] = [
    ("run-1", "planner", None, "complete", "gpt-4o", Decimal("2.50"),
     {"temperature": 0.2, "tools": ["search", "python"], "limits": {"steps": 20}}, 1, at(-14), at(-14, 2, 30)),
    ("run-2", "coder", "run-1", "failed", "gpt-4o-mini", Decimal("0.50"),
     {"temperature": 0, "retries": 2, "tools": []}, 3, at(-14, 1), at(-14, 1, 45, 12.5)),
    ("run-3", "coder", "run-1", "running", "claude-3-opus", None,
     {"temperature": 1.0, "nested": {"deep": [1, {"x": None}]}, "tools": ["python"]}, 1, at(-2), None),
    ("run-4", "critic", "run-3", "suspended", "gpt-4o", Decimal("10.00"), {}, 0, at(-1, 3), None),
    ("run-5", "Planner", None, "queued", None, Decimal("0.00"), {"priority": "high", "stream": True}, 0, at(), None),
    ("run-6", "researcher", None, "complete", "gpt-4o-mini", Decimal("1.25"),
     {"temperature": 0.7, "stream": False, "tools": ["search"]}, 1, at(-7), at(-6, 1)),
    ("run-7", "researcher", "run-6", "complete", "claude-3-opus", Decimal("1.25"),
     {"limits": {"steps": 5, "usd": 1.5}, "note": None}, 2, at(-7, 0, 1), at(-7, 4)),
    ("run-8", "überprüfer", None, "cancelled", "gpt-4o", Decimal("-1.00"), {"lang": "de", "emoji": "🚀"}, 0,
     at(-29), at(-29, 0, 0, 30)),
    ("run_9", "o'brien", "run-404", "complete", "gpt-4o-mini", Decimal("99999.99"), {"tools": ["search", "search"]}, 1,
     at(-14, 12), at(-13, 12)),
    ("run-10", "", None, "failed", "", Decimal("0.05"), {"temperature": 0.2, "error": "100% broken"}, 5, at(-1), at()),
]  # fmt: skip

_STEPS = {"run-1": 7, "run-2": 4, "run-3": 5, "run-4": 1, "run-6": 8, "run-7": 3, "run_9": 2, "run-10": 6}
_ACTIONS = ("plan", "search", "read", "write", "answer")
_OBSERVATIONS = (
    None, "found 3 hits", "", "Traceback: ValueError", "naïve café ☕", "100% done", "path C:\\temp\\x_y", "  padded  ",
    "it's fine", "FOUND nothing",
)  # fmt: skip


def _iterations() -> list[Row]:
    rows: list[Row] = []
    for number, (run_id, steps) in enumerate(_STEPS.items()):
        for step in range(1, steps + 1):
            mixed = (number * 7 + step * 5) % 11
            rows.append((
                run_id, step, _ACTIONS[(step + number) % 5], _OBSERVATIONS[(number * 3 + step) % 10],
                Vector((mixed / 4 - 1, step / 2, number - 2.5)) if mixed % 4 else None,
                {"step": step, "plan": list(_ACTIONS[: step % 4]), "done": step == steps,
                 "usage": {"in": mixed * 100, "out": step * 10}, "score": mixed / 8, "note": None if mixed % 2 else "n"}
                if mixed != 3 else None,
                mixed * 125 if mixed else None, Decimal(mixed * step) / 1000 if mixed != 5 else None,
                mixed * 0.375 if mixed != 7 else None, mixed % 3 != 1,
                plain(-14 + number * 2, step - 1, mixed, mixed / 8),
            ))  # fmt: skip
    return rows


ITERATIONS = _iterations()


def _tool_calls() -> list[Row]:
    tools = ("search", "browser", "python", "sql")
    rows: list[Row] = []
    for number, (run_id, step, *_) in enumerate(ITERATIONS[:28]):
        tool = tools[number * 3 % 4]
        failed = number % 6 == 2
        options = {"lang": "en", "deep": number % 2 == 0}
        args: dict[str, Any] = {"q": f"query {number % 5}", "k": number % 4 * 5, "opts": options}
        hits = [{"id": n, "score": n / 4} for n in range(number % 4)]
        result: Any = None if failed else {"hits": hits, "total": number}
        rows.append((
            call_id(number), run_id, step, tool, None if number == 9 else args,
            Json([1, "two", None, {"three": 3}]) if number == 7 else result,
            ("timeout after 30s", "HTTP 503", "")[number % 3] if failed else None,
            None if number == 13 else (number * 37 % 500) - (5 if number == 4 else 0),
            None if number % 10 == 9 else number % 4 == 1,
            at(-14, number * 9, number * 7 % 60, number),
        ))  # fmt: skip
    return rows


TOOL_CALLS = _tool_calls()

CONVERSATIONS: list[Row] = [
    (1, "ann", "Trip to Oslo", False, {"lang": "en", "tags": ["travel", "urgent"], "pinned": True}, at(-9)),
    (2, "ann", "Tax return", True, {"lang": "en", "tags": []}, at(-400)),
    (3, "bob", None, False, None, at(-1)),
    (4, "bob", "", False, {}, None),
    (5, "Zoë", "Ünïcödé & 日本語", False, {"lang": "ja", "pinned": False, "rating": 4.5}, at(0, -1)),
    (6, "cy", "Trip to Oslo", False, {"tags": ["travel"], "rating": 3}, at(-9)),
    (7, "dee", "nobody wrote", True, {"pinned": None}, at(30)),
]

_CONTENT = (
    "You are a helpful assistant.", "How do I get to Oslo?", "Take the train from Göteborg.", None, "thanks!", "",
    "What about 50% off?", "Use code SAVE_50.", "Line one\nLine two", "  spaces  ",
)  # fmt: skip


def _messages() -> list[Row]:
    rows: list[Row] = []
    roles = ("system", "user", "assistant", "tool")
    for number in range(1, 33):
        role = roles[0 if number % 8 == 1 else 1 + number % 3]
        rows.append((
            number, 1 + number % 6 if number % 7 else 1, role, _CONTENT[number % 10],
            f"tool_{number % 3}" if role == "tool" else None, None if number % 9 == 0 else number * 13 % 40,
            {"model": ("gpt-4o", "gpt-4o-mini")[number % 2], "finish": "stop" if number % 3 else "length",
             "usage": {"total": number * 11}} if role == "assistant" else (None if number % 4 else {}),
            at(-9, number * 6, number),
        ))  # fmt: skip
    return rows


MESSAGES = _messages()

DOCUMENTS: list[Row] = [
    (1, "handbook.md", 0, "Fjords of Norway", "The fjords of Norway were carved by glaciers. Glaciers move slowly.",
     Vector((1, 0, 0, 0)), {"lang": "en", "pages": 12, "author": {"name": "Ann"}}, date(2024, 2, 29), 0.5),
    (2, "handbook.md", 1, "Trains", "A train runs from Oslo to Bergen every morning; trains are rarely late.",
     Vector((0.5, 0.5, 0, 0)), {"lang": "en", "pages": 3}, date(2024, 2, 29), 0.75),
    (3, "handbook.md", 2, None, "Reset the staging database at two o'clock in the morning.",
     Vector((0, 1, 0, 0)), None, date(2024, 3, 1), None),
    (4, "notes.txt", 0, "Agent notes", "The agent searched for glaciers and found a database of trains.",
     Vector((0, 0, 1, 0)), {"lang": "en", "tags": ["agent", "notes"]}, date(2024, 3, 14), -0.25),
    (5, "notes.txt", 1, "Agent notes", "", Vector((0, 0, 0.5, 0.5)), {"tags": []}, date(2024, 3, 15), 0.5),
    (6, "notes.txt", 2, "AGENT NOTES", "Running runs ran: the runner was running.", None, {"lang": "en"}, None, 1.0),
    (7, "de.html", 0, "Züge", "Der Zug fährt von Köln nach Zürich.", Vector((-1, 0, 0, 0)),
     {"lang": "de", "pages": 0}, date(2023, 12, 31), 0.125),
    (8, "de.html", 1, None, "Große Straße, kleine Häuser", Vector((1, 1, 1, 1)), {"lang": "de", "pages": None},
     date(2024, 1, 1), None),
    (9, "faq", 0, "100% uptime?", "No. We promise 99.9% uptime, and an apology_for the rest.",
     Vector((2, 0, 0, 0)), {"lang": "en", "pages": 1, "public": True}, date(2024, 1, 31), 0.5),
    (10, "faq", 1, "Why vectors", "Vector search finds what is near in meaning, full text search what has the words.",
     Vector((0.25, 0.25, 0.25, 0.25)), {"lang": "en", "public": False}, date(2024, 3, 15), 2.5),
    (11, "faq", 2, "why not", "Search is not memory. Memory is searched.", Vector((0, -1, 0.5, 0)), {"lang": "en"},
     date(2024, 3, 10), 2.5),
    (12, "empty", 0, "", "   ", None, {}, None, 0.0),
]  # fmt: skip


def _metrics() -> list[Row]:
    rows: list[Row] = []
    for number, name in enumerate(("latency_ms", "tokens", "cost_usd", "errors")):
        for day in range(8):
            if (number + day) % 5 == 4:
                continue  # days without a value, for gaps
            rows.append((
                name, date(2024, 3, 8) + timedelta(days=day),
                None if (number * day) % 7 == 6 else round((number * 13 + day * 7.25) % 40 - 5, 4),
                number * 1_000_000_007 + day, {"env": ("prod", "dev")[day % 2], "p": number * 0.5},
            ))  # fmt: skip
    return rows


METRICS = _metrics()

JOBS: list[Row] = [
    (1, "default", {"task": "embed", "doc": 1}, 0, "done", 1, 3, at(-3), None, None),
    (2, "default", {"task": "embed", "doc": 2}, 5, "pending", 0, 3, at(-2), None, None),
    (3, "default", {"task": "crawl", "url": "https://example.com/?q=a&b=%20"}, 5, "pending", 1, 3, at(-1), None, None),
    (4, "mail", {"to": "ann@example.com"}, 0, "running", 1, 3, at(-1), "worker-1", at(0, 0, -5)),
    (5, "mail", {"to": "bob@example.com"}, 0, "running", 3, 3, at(-1, 1), "worker-2", at(0, 0, 5)),
    (6, "mail", None, -1, "failed", 3, 3, at(-5), None, None),
    (7, "mail", {"to": "ann@example.com", "cc": ["bob@example.com"]}, 10, "pending", 0, None, at(27_400), None, None),
    (8, "", {}, 0, "pending", 0, 1, None, None, None),
    (9, "default", {"task": "embed", "doc": 9}, 5, "dead", 7, 3, at(-20), "worker-1", at(-19)),
]

EVENTS: list[Row] = [
    ("run-1", "start", {"by": "ann"}, plain(-14)),
    ("run-1", "step", {"n": 1, "ms": 120}, plain(-14, 0, 1)),
    ("run-1", "step", {"n": 1, "ms": 120}, plain(-14, 0, 1)),
    ("run-1", "step", {"n": 2, "ms": None}, plain(-14, 0, 2, 30)),
    ("run-1", "end", None, plain(-14, 2, 30)),
    ("run-2", "start", {"by": "bob"}, plain(-14, 1)),
    ("run-2", "error", {"message": "boom", "retry": True, "codes": [1, 2, 2]}, plain(-14, 1, 20)),
    ("run-2", "start", {"by": "bob"}, plain(-14, 1, 25)),
    ("run-3", "start", {}, plain(-2)),
    ("run-3", "step", Json([1, 2, 3]), plain(-2, 0, 10)),
    ("run-3", None, {"n": 10, "ms": 9.5}, None),
    (None, "orphan", {"by": None}, plain(-400)),
    (None, None, None, None),
    ("run-6", "step", {"n": 1, "ms": -3}, plain(0, -1)),
]


def _checkpoints() -> list[Row]:
    places = [
        (thread, "", step) for thread, steps in (("t-1", 4), ("t-2", 2), ("t-3", 1)) for step in range(1, steps + 1)
    ]
    return [(
        thread, space, f"{thread}-{step:04d}", f"{thread}-{step - 1:04d}" if step > 1 else None,
        {"v": 2, "channel_versions": {"messages": f"{step:03d}", "__start__": "001"},
         "channel_values": {"messages": [f"m{n}" for n in range(step)], "count": step}},
        {"source": "loop" if step > 1 else "input", "step": step - 1, "writes": None, "user": thread[-1]},
        bytes(range(step * 3)) if step != 2 else None,
    ) for thread, space, step in [*places, ("t-1", "child", 2)]]  # fmt: skip


CHECKPOINTS = _checkpoints()

_SCORES = ("91.50", "88.00", None, "70.25", "100.00", "88.00", "0.00", "12.35", "55.55")
EVAL_RESULTS: list[Row] = [
    (number + 1, ("gpt-4o", "gpt-4o-mini", "Claude 3")[number // 3], f"task-{number % 3}",
     Decimal(score) if score else None, number % 4 if number != 5 else None, (None if number == 2 else number % 2 == 0))
    for number, score in enumerate(_SCORES)
]  # fmt: skip

ROWS: dict[str, list[Row]] = {
    "runs": RUNS,
    "iterations": ITERATIONS,
    "tool_calls": TOOL_CALLS,
    "conversations": CONVERSATIONS,
    "messages": MESSAGES,
    "documents": DOCUMENTS,
    "metrics": METRICS,
    "jobs": JOBS,
    "events": EVENTS,
    "checkpoints": CHECKPOINTS,
    '"EvalResults"': EVAL_RESULTS,
}
