"""Goal: what a person reads of a table hides nothing silently. Method: print random tables at random widths.

Each value is one character of its own, repeated, so that what is left of it can be found anywhere in the output.
"""

from __future__ import annotations

import io
import re

from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from holdfast.cli import render

NAMES_MAX = 9
LENGTHS = st.one_of(st.integers(1, 14), st.integers(15, 250))
FIRST_NARROW, FIRST_WIDE = 0x400, 0x4E00


def value(number: int, length: int, *, wide: bool) -> str:
    return chr((FIRST_WIDE if wide else FIRST_NARROW) + number) * length


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[dict[str, object]]]:
    lengths = draw(st.lists(st.one_of(st.integers(0, 8), st.integers(9, 30)), min_size=1, max_size=NAMES_MAX))
    names = [f"{chr(ord('a') + at)}{'_' * length}." for at, length in enumerate(lengths)]
    rows: list[dict[str, object]] = []
    numeric = [draw(st.booleans()) for _ in names]
    for row in range(draw(st.integers(0, 4))):
        cells: dict[str, object] = {}
        for at, name in enumerate(names):
            if draw(st.integers(0, 7)) == 0:
                cells[name] = None
            elif numeric[at]:
                cells[name] = draw(st.integers(0, 10**9))
            else:
                cells[name] = value(row * NAMES_MAX + at, draw(LENGTHS), wide=draw(st.booleans()))
        rows.append(cells)
    return names, rows


def printed(names: list[str], rows: list[dict[str, object]], width: int, *, terminal: bool) -> str:
    file = io.StringIO()
    out = Console(
        file=file, width=width, markup=False, emoji=False, highlight=False, force_terminal=terminal, color_system=None
    )
    render.rows(out, names, rows)
    return re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue())


@given(tables(), st.integers(40, 200), st.booleans())
@example((["a", "b", "c"], [{"a": 1, "b": 2, "c": "x" * 85}]), 80, False)
@example(
    (["run_id", "step", "tokens", "thought"], [{"run_id": "r" * 40, "step": 1, "tokens": 2, "thought": "t" * 300}]),
    100,
    True,
)
@example((["task", "ms"], [{"task": "t" * 30, "ms": {"tokens_sent": "1" * 400}}]), 100, False)
def test_every_column_is_there_and_every_cut_is_seen(
    table: tuple[list[str], list[dict[str, object]]],
    width: int,
    terminal: bool,
) -> None:
    names, rows = table

    out = printed(names, rows, width, terminal=terminal)

    single_text = len(rows) == len(names) == 1 and isinstance(rows[0][names[0]], str)  # is shown whole, and alone
    for name in names:
        assert single_text or name in out
    for row in rows:
        for text in (render.cell(inner).plain for inner in row.values()):
            character = text[0]
            if len(set(text)) == 1 and ord(character) >= FIRST_NARROW:
                whole = out.count(character) == len(text)
                assert whole or re.search(f"{character}+ ?…", out), (text, out)
            else:
                assert text in out or "…" in out
    if not single_text:
        assert max(map(cell_len, out.splitlines())) <= width
    assert all(line == line.rstrip() for line in out.splitlines())
