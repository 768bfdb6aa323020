"""Results for people: tables that fit the terminal, changes with a sign in front, long values shortened.

Values come from agents and tools, so control characters are shown, never sent to the terminal.
"""

from __future__ import annotations

import io
import itertools
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast.cli.grid import Grid, print_line, print_trimmed, short
from holdfast.cli.jsontext import json_bytes

if TYPE_CHECKING:
    from holdfast.errors import Conflict
    from holdfast.versions.results import CommitInfo, RowChange

ROWS_SHOWN_MAX = 1000
CHANGES_SHOWN_MAX = 100
CONFLICTS_SHOWN_MAX = 50

HASH_SHOWN = 10
_VECTOR_SHOWN = 3
_BYTES_SHOWN = 32
_VALUE_SHOWN = 32
_LINE_SHOWN = 8
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_NAMED = {"\n": "⏎", "\t": "⇥", "\r": "␍", "\x1b": "␛"}
_SIGNS = {"+": "green", "-": "red", "~": "yellow"}


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints what it is given: no markup, no emoji, no colours of its own invention."""
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def printable(text: str, *, keep: str = "") -> str:
    """Return text with its control characters made visible, except those in `keep`."""

    def shown(match: re.Match[str]) -> str:
        character = match[0]
        return character if character in keep else _NAMED.get(character, f"\\x{ord(character):02x}")

    return _CONTROL.sub(shown, text)


def cell(value: object) -> Text:
    """Return a value as one line of text, of any length."""
    if value is None:
        return Text("NULL", style="dim")
    if isinstance(value, str):
        return Text(printable(value))
    if isinstance(value, datetime):
        return Text(moment(value))
    if isinstance(value, bytes):
        more = "…" if len(value) > _BYTES_SHOWN else ""
        return Text(f"{len(value):,} bytes: {value[:_BYTES_SHOWN].hex()}{more}")
    if hasattr(value, "dtype"):
        first = ", ".join(f"{number:.4g}" for number in itertools.islice(value, _VECTOR_SHOWN))  # type: ignore[call-overload]
        size = len(value)  # type: ignore[arg-type]
        return Text(f"{count(size, 'number')}: [{first}{', …' if size > _VECTOR_SHOWN else ''}]")
    if isinstance(value, (Mapping, list, tuple, bool)):
        return Text(printable(json_bytes(cast("object", value)).decode()))
    return Text(str(value))


def moment(at: datetime) -> str:
    """Return a time to the second, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 row`, `2 rows`, `2 branches`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('ch') else 's'}"


def rows(out: Console, columns: Sequence[str], found: Iterable[Mapping[str, Any]]) -> None:
    """Print rows: a table, or one block a row where the columns do not fit next to each other."""
    iterator = iter(found)
    shown = [[row[column] for column in columns] for row in itertools.islice(iterator, ROWS_SHOWN_MAX)]
    more = sum(1 for _ in iterator)
    if len(shown) == 1 and len(columns) == 1 and isinstance(shown[0][0], str):
        out.print(Text(printable(shown[0][0], keep="\n\t")), soft_wrap=True)
        return
    table = Grid(*map(printable, columns))
    for row in shown:
        table.add_row(*map(cell, row))
    for at in range(len(columns)):
        found_here = [row[at] for row in shown]
        numbers = [isinstance(value, (int, float)) and not isinstance(value, bool) for value in found_here]
        if all(number or value is None for number, value in zip(numbers, found_here, strict=True)):
            table.keep_whole(at, right=bool(numbers) and all(numbers))
    table.print(out)
    note = f", of which the first {len(shown):,} are shown; --json prints all" if more else ""
    out.print(Text(f"({count(len(shown) + more, 'row')}{note})", style="dim"))


def commits(out: Console, found: Sequence[CommitInfo], names: Mapping[str, Sequence[str]]) -> None:
    """Print commits, newest first, with the names of the branches and tags that are at them."""
    table = Grid("commit", "at (UTC)", "message")
    table.keep_whole(0)
    table.keep_whole(1)
    for commit in found:
        at = ", ".join(names.get(commit.hash, ()))
        message = Text.assemble((f"[{at}] " if at else "", "cyan"), cell(commit.message or ""))
        table.add_row(Text(commit.hash[:HASH_SHOWN], style="yellow"), moment(commit.at), message)
    table.print(out)


def changes(out: Console, found: Sequence[RowChange]) -> None:
    """Print changed rows by table, each with its sign: + added, ~ changed, - removed."""
    shown = 0
    for table, group in itertools.groupby(found, key=lambda change: change.table):
        of_table = list(group)
        signs = [_sign(change) for change in of_table]
        summary = [
            f"{signs.count(sign):,} {word}"
            for sign, word in (("+", "added"), ("~", "changed"), ("-", "removed"))
            if sign in signs
        ]
        out.print(Text.assemble((table, "bold"), f": {', '.join(summary)}"))
        for sign, change in zip(signs, of_table, strict=True):
            if shown == CHANGES_SHOWN_MAX:
                break
            shown += 1
            _change(out, sign, change)
    if not found:
        out.print("no difference")
    elif shown < len(found):
        out.print(Text(f"({count(len(found) - shown, 'more row')}; --json prints all)", style="dim"))


def _sign(change: RowChange) -> str:
    return "+" if change.before is None else "-" if change.after is None else "~"


def _row(change: RowChange) -> Mapping[str, Any]:
    return change.after if change.after is not None else change.before or {}


def _key(change: RowChange) -> str:
    """Return a primary key, or a short row id."""
    if change.key_columns:
        return ", ".join(cell(part).plain for part in change.key)
    line, n, ordinal = change.key
    return f"row {line[:_LINE_SHOWN]}.{n}.{ordinal}"


def _change(out: Console, sign: str, change: RowChange) -> None:
    style = _SIGNS[sign]
    head = Text(f" {sign} {_key(change)}", style=style)
    if change.before is not None and change.after is not None:
        print_line(out, head)
        _cells(out, change.before, change.after)
        return
    values = [
        Text.assemble(("  " + printable(name), "dim"), " ", short(cell(value), _VALUE_SHOWN))
        for name, value in _row(change).items()
        if name not in change.key_columns and value is not None
    ]
    print_line(out, Text.assemble(head, *values))


def _cells(out: Console, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Print the cells that differ between two versions of a row."""
    indent = " " * 5
    for name in after:
        whole = [json_bytes(row.get(name)).decode() for row in (before, after)]
        if whole[0] != whole[1]:
            old, new = cell(before.get(name)), cell(after[name])
            if old.plain == new.plain:
                old, new = (Text(printable(text)) for text in whole)
            room = max((out.width - len(indent) - cell_len(name) - len(": ") - len(" → ")) // 2, 8)
            old, new = around_difference([old, new], room)
            old.stylize("red")
            new.stylize("green")
            print_line(out, Text.assemble(indent, printable(name), ": ", old, " → ", new))


def around_difference(texts: Sequence[Text], width: int) -> list[Text]:
    """Return texts shortened so that the place where they begin to differ is seen."""
    columns = zip(*(text.plain for text in texts), strict=False)
    common = sum(1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, columns))
    lead = width // 3
    cut = common - lead if common > lead and any(text.cell_len > width for text in texts) else 0
    return [short(Text("…") + text[cut + 1 :] if cut else text, width) for text in texts]


def conflicts(out: Console, found: Sequence[Conflict]) -> None:
    """Print conflicts by table, side by side: what it was, and what each side made of it."""
    for name, group in itertools.groupby(found[:CONFLICTS_SHOWN_MAX], key=lambda conflict: conflict.table):
        table = Table(
            title=Text(name, style="bold"), title_justify="left", box=SIMPLE_HEAD, show_edge=False, pad_edge=False
        )
        for header, style in (("key", ""), ("column", ""), ("base", "dim"), ("ours", "green"), ("theirs", "yellow")):
            table.add_column(header, style=style, overflow="fold", max_width=max(out.width // 3, 8))
        for conflict in group:
            base = [cell(candidate) for candidate in conflict.candidates] or [_side(conflict, conflict.base)]
            sides = [Text(" or ").join(base), _side(conflict, conflict.ours), _side(conflict, conflict.theirs)]
            key = Text(conflict.place) if conflict.place else Text(", ").join(cell(part) for part in conflict.key)
            what = Text(conflict.constraint or conflict.column or "(row)")
            table.add_row(key, what, *around_difference(sides, out.width // 2))
        print_trimmed(out, table)
    if len(found) > CONFLICTS_SHOWN_MAX:
        out.print(Text(f"({count(len(found) - CONFLICTS_SHOWN_MAX, 'more conflict')}; --json prints all)", style="dim"))


def _side(conflict: Conflict, value: object) -> Text:
    return Text("(no row)", style="dim") if value is None and conflict.column is None else cell(value)
