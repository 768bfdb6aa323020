"""Results for people fit the terminal, and values cannot pretend to be more than values."""

import io
from datetime import UTC, datetime

import numpy
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from holdfast.cli import render
from holdfast.errors import Conflict
from holdfast.versions.results import RowChange


def screen(width: int = 80) -> Console:
    return Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False)


def lines(out: Console) -> list[str]:
    assert isinstance(out.file, io.StringIO)
    return [line.rstrip() for line in out.file.getvalue().splitlines()]


CELLS = {
    "null": (None, "NULL"),
    "text": ("a\tb\r\nc", "a⇥b␍⏎c"),
    "escape": ("\x1b[31m\x00\x9b", "␛[31m\\x00\\x9b"),
    "bidi": ("a\u202eb", "a\\x202eb"),
    "json": ({"b": [1, None]}, '{"b":[1,null]}'),
    "bool": (False, "false"),
    "bytes": (b"\x01\x02", "2 bytes: 0102"),
    "vector": (numpy.array([0.25] * 8, dtype="<f4"), "8 numbers: [0.25, 0.25, 0.25, …]"),
    "time": (datetime(2026, 1, 31, 23, 59, 59, 900, tzinfo=UTC), "2026-01-31 23:59:59"),
}


@pytest.mark.parametrize(("value", "text"), CELLS.values(), ids=CELLS.keys())
def test_a_value_is_one_line(value: object, text: str) -> None:
    assert render.cell(value).plain == text


@pytest.mark.parametrize("width", [40, 80, 100])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    out = screen(width)
    row = {"id": 1, "text": "wörter 漢字 " * 50, "json": {"k": "v" * 200}, "n": 10**12}

    render.rows(out, list(row), [row, row])
    render.changes(
        out,
        [
            RowChange("t", (1,), None, row, ("id",)),
            RowChange("t", (2,), row, row | {"text": "other" * 50}, ("id",)),
        ],
    )
    render.conflicts(out, [Conflict("a_long_table_name", ("key" * 20,), "text", row["text"], "ours" * 90, None)])

    assert max(map(cell_len, lines(out))) <= width


def test_numbers_are_never_cut() -> None:
    out = screen(40)

    render.rows(out, ["n", "text"], [{"n": 123456789012345, "text": "x" * 100}] * 2)

    assert lines(out)[2].startswith("123456789012345  xxx")


def test_a_difference_deep_in_a_text_is_seen() -> None:
    common = "x" * 200

    old, new = render.around_difference([Text(common + "old"), Text(common + "new")], 30)

    assert (old.plain[0], new.plain[0]) == ("…", "…")
    assert old.plain.endswith("old")
    assert new.plain.endswith("new")


def test_short_texts_are_left_whole() -> None:
    assert [text.plain for text in render.around_difference([Text("abc old"), Text("abc new")], 30)] == [
        "abc old",
        "abc new",
    ]


def test_unclear_bases_of_a_conflict_are_all_named() -> None:
    out = screen(100)

    render.conflicts(out, [Conflict("t", (1,), "c", None, 1, 2, candidates=(7, 8))])

    assert lines(out)[3].split() == ["1", "c", "7", "or", "8", "1", "2"]


def test_a_broken_constraint_is_named() -> None:
    out = screen(100)

    render.conflicts(out, [Conflict("t", (1,), None, None, {"a": 1}, {"a": 2}, constraint="UNIQUE (a)")])

    assert "UNIQUE (a)" in lines(out)[3]


def test_more_than_can_be_read_is_counted() -> None:
    out = screen()

    render.changes(out, [RowChange("t", (n,), None, {"id": n}, ("id",)) for n in range(render.CHANGES_SHOWN_MAX + 7)])

    assert lines(out)[0] == "t: 107 added"
    assert lines(out)[-1] == "(7 more rows; --json prints all)"


@pytest.mark.parametrize(("number", "text"), [(1, "1 branch"), (0, "0 branches"), (1234, "1,234 branches")])
def test_counts_agree_with_their_noun(number: int, text: str) -> None:
    assert render.count(number, "branch") == text


VECTOR = numpy.array([1, 2], dtype="<f4")


def test_a_short_vector_is_whole() -> None:
    assert render.cell(numpy.array([1, 2, 3], dtype="<f4")).plain == "3 numbers: [1, 2, 3]"


def test_bytes_that_are_cut_say_so() -> None:
    assert render.cell(b"\x01" * 32).plain == "32 bytes: " + "01" * 32
    assert render.cell(b"\x01" * 33).plain == "33 bytes: " + "01" * 32 + "…"


def test_changes_without_a_primary_key_show_all_columns_and_a_short_row_id() -> None:
    out = screen(100)
    line = "108f68f2f35a5736fe9c4839e2587c0b"

    render.changes(
        out,
        [
            RowChange("t", (line, 2, 1), None, {"a": 1, "v": VECTOR, "n": 2}),
            RowChange("t", (line, 2, 2), {"a": 1, "v": VECTOR, "n": 2}, {"a": 1, "v": VECTOR * 2, "n": 2}),
        ],
    )

    assert lines(out) == [
        "t: 1 added, 1 changed",
        " + row 108f68f2.2.1  a 1  v 2 numbers: [1, 2]  n 2",
        " ~ row 108f68f2.2.2",
        "     v: 2 numbers: [1, 2] → 2 numbers: [2, 4]",
    ]


def test_changes_with_a_primary_key_name_it_once_wherever_it_stands() -> None:
    out = screen(100)

    render.changes(
        out,
        [
            RowChange("t", ("r", 1), None, {"n": 1, "text": "x", "step": 1, "run": "r"}, ("run", "step")),
            RowChange("t", ("r", 2), None, {"n": 1, "text": "r", "step": 2, "run": "r"}, ("run", "step")),
        ],
    )

    assert lines(out)[1:] == [" + r, 1  n 1  text x", " + r, 2  n 1  text r"]


def test_a_column_with_the_value_of_the_key_is_shown() -> None:
    out = screen(100)

    render.changes(out, [RowChange("t", (3,), {"stars": 3, "id": 3, "vector": VECTOR}, None, ("id",))])

    assert lines(out)[1] == " - 3  stars 3  vector 2 numbers: [1, 2]"


def test_a_key_that_looks_like_a_row_id_is_whole() -> None:
    out = screen(100)
    key = ("108f68f2f35a5736fe9c4839e2587c0b", 2, 1)

    render.changes(out, [RowChange("t", key, None, dict(zip("abc", key, strict=True)), tuple("abc"))])

    assert lines(out)[1] == " + 108f68f2f35a5736fe9c4839e2587c0b, 2, 1"


def test_no_line_ends_in_spaces() -> None:
    out = screen(60)

    render.conflicts(out, [Conflict("t", (1,), "c", "base", "ours", None), Conflict("t", (12,), "c", 1, "o" * 90, 2)])

    assert isinstance(out.file, io.StringIO)
    assert out.file.getvalue().splitlines() == lines(out)


DIFFERENT = {
    "the end of a vector": (numpy.array([1, 2, 3, 4], dtype="<f4"), numpy.array([1, 2, 3, 5], dtype="<f4")),
    "the end of bytes": (b"\x01" * 40 + b"\x02", b"\x01" * 40 + b"\x03"),
    "microseconds": (datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 2, tzinfo=UTC)),
}


@pytest.mark.parametrize(("before", "after"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_what_differs_behind_the_shown_part_is_a_difference(before: object, after: object) -> None:
    out = screen(60)

    render.changes(out, [RowChange("t", (1,), {"id": 1, "c": before}, {"id": 1, "c": after}, ("id",))])

    old, _, new = lines(out)[2].removeprefix("     c: ").partition(" → ")
    assert old
    assert new
    assert old != new
