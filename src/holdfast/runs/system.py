"""Runs in SQL: views of all runs of a store, from whatever branch.

    hf_runs     a row for each run
    hf_steps    a row for each step that was done
    hf_calls    a row for each attempt at a step, those that failed and those in doubt among them
    hf_events   a row for each event

A run that was merged, and a fork with what it shares, have each of their rows once, under the run that made it.
"""

from __future__ import annotations

from holdfast.core.types import JSON, ColumnType, Kind
from holdfast.engine.contract.system import SystemColumn, SystemView
from holdfast.runs.tables import JOURNAL, STEP_DONE, STEP_FAILED, STEP_INTENT

_TEXT, _INTEGER, _REAL = ColumnType(Kind.TEXT), ColumnType(Kind.INTEGER), ColumnType(Kind.REAL)
_MOMENT = ColumnType(Kind.TIMESTAMP)

_LABEL = (
    "CASE WHEN name IS NULL THEN NULL WHEN key = '#1' THEN name WHEN key LIKE '#%' THEN name || key"
    " ELSE name || '#[' || key || ']' END"
)
_ARGS = "CASE WHEN args IS NULL THEN state_value(args_form, args, args_rest) ELSE args END"
_DATA = "CASE WHEN data IS NULL THEN state_value(form, data, rest) ELSE data END"

_RUNS = SystemView(
    "hf_runs",
    "run",
    (
        SystemColumn("run_id", _TEXT, ""),
        SystemColumn("status", _TEXT, "status"),
        SystemColumn("name", _TEXT, "name"),
        SystemColumn("created_at", _MOMENT, "created_us"),
        SystemColumn("updated_at", _MOMENT, "updated_us"),
        SystemColumn("forked_from", _TEXT, "forked_from"),
        SystemColumn("parent", _TEXT, "parent"),
        SystemColumn("attempts", _INTEGER, "attempts"),
        SystemColumn("waiting", _TEXT, "waiting"),
        SystemColumn("due_at", _MOMENT, "due_us"),
        SystemColumn("why", _TEXT, "why"),
    ),
)

_OF_STEP = (
    SystemColumn("run_id", _TEXT, "run_id"),
    SystemColumn("seq", _INTEGER, "seq"),
    SystemColumn("number", _INTEGER, "number"),
    SystemColumn("step", _TEXT, _LABEL),
    SystemColumn("name", _TEXT, "name"),
    SystemColumn("key", _TEXT, "key"),
    SystemColumn("attempt", _INTEGER, "attempt"),
    SystemColumn("effect", _TEXT, "effect"),
    SystemColumn("at", _MOMENT, "at"),
    SystemColumn("seconds", _REAL, "seconds"),
    SystemColumn("args", JSON, _ARGS),
    SystemColumn("result", JSON, _DATA),
    SystemColumn("error", _TEXT, "error"),
    SystemColumn("usage", JSON, "usage"),
    SystemColumn("code", _TEXT, "code"),
)
_STATUS = f"CASE kind WHEN '{STEP_DONE}' THEN 'done' WHEN '{STEP_FAILED}' THEN 'failed' ELSE 'begun' END"

_STEPS = SystemView("hf_steps", JOURNAL, _OF_STEP, f"kind = '{STEP_DONE}'")
_CALLS = SystemView(
    "hf_calls",
    JOURNAL,
    (*_OF_STEP, SystemColumn("status", _TEXT, _STATUS), SystemColumn("traceback", _TEXT, "traceback")),
    f"kind IN ('{STEP_DONE}', '{STEP_FAILED}', '{STEP_INTENT}')",
)
_EVENTS = SystemView(
    "hf_events",
    JOURNAL,
    (
        SystemColumn("run_id", _TEXT, "run_id"),
        SystemColumn("seq", _INTEGER, "seq"),
        SystemColumn("kind", _TEXT, "kind"),
        SystemColumn("at", _MOMENT, "at"),
        SystemColumn("step", _TEXT, _LABEL),
        SystemColumn("data", JSON, _DATA),
        SystemColumn("why", _TEXT, "error"),
        SystemColumn("usage", JSON, "usage"),
    ),
)

VIEWS = {view.name: view for view in (_RUNS, _STEPS, _CALLS, _EVENTS)}
"""All views, by their names."""
