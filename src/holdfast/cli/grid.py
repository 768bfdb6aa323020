"""Tables for people, in which no column is ever missing and what is cut says so.

Where the room is short, the widest columns give first. Where not even that is enough, a row is a block of lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_WIDTH_MIN = 12
"""What a column is shrunk to at most: less of a value says nothing."""
_GAP = "  "


def short(text: Text, width: int) -> Text:
    """Return text that is at most `width` wide; what is cut ends in an ellipsis."""
    text = text.copy()
    text.truncate(max(width, 1), overflow="ellipsis")
    return text


def print_line(out: Console, text: Text) -> None:
    """Print text as one line that fits, without spaces at its end."""
    line = short(text, out.width)
    line.rstrip()
    out.print(line, soft_wrap=True)


def print_trimmed(out: Console, table: RenderableType) -> None:
    """Print a table of rich, or a text that is wrapped, without the spaces that rich leaves at the end of lines."""
    for segments in out.render_lines(table, pad=False):
        line = Text.assemble(*((segment.text, segment.style or "") for segment in segments))
        line.rstrip()
        out.print(line, soft_wrap=True)


class Grid:
    """Rows of one-line texts under headers."""

    def __init__(self, *headers: str) -> None:
        self._headers = headers
        self._rows: list[list[Text]] = []
        self._whole: set[int] = set()
        self._right: set[int] = set()

    def add_row(self, *cells: Text | str) -> None:
        """Add a row with a cell for each header."""
        self._rows.append([Text(cell) if isinstance(cell, str) else cell for cell in cells])

    def keep_whole(self, column: int, *, right: bool = False) -> None:
        """Never cut this column next to others; put it to the right if asked."""
        self._whole.add(column)
        if right:
            self._right.add(column)

    def print(self, out: Console) -> None:
        """Print the rows next to each other, or, where the columns do not fit, each row as a block."""
        widths = self._widths(out.width)
        if widths is None:
            self._print_blocks(out)
        else:
            self._print_table(out, widths)

    def _widths(self, room: int) -> list[int] | None:
        """Return the width of each column: short ones as they are, long ones equal; None if they do not fit."""
        headers = [cell_len(header) for header in self._headers]
        natural = [max([header, *(row[at].cell_len for row in self._rows)]) for at, header in enumerate(headers)]
        least = [
            wide if at in self._whole else max(header, min(wide, _WIDTH_MIN))
            for at, (header, wide) in enumerate(zip(headers, natural, strict=True))
        ]
        room -= len(_GAP) * (len(headers) - 1)
        if sum(least) > room:
            return None

        def at_level(level: int) -> list[int]:
            return [min(wide, max(low, level)) for low, wide in zip(least, natural, strict=True)]

        fits, too_wide = 0, max(natural) + 1
        while too_wide - fits > 1:
            level = (fits + too_wide) // 2
            fits, too_wide = (level, too_wide) if sum(at_level(level)) <= room else (fits, level)
        widths, wider = at_level(fits), at_level(fits + 1)
        for at in range(len(widths)):
            if sum(widths) < room:
                widths[at] = wider[at]
        return widths

    def _print_table(self, out: Console, widths: list[int]) -> None:
        rule = "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
        headers = [Text(header, style="bold") for header in self._headers]
        lines = [self._line(headers, widths), Text(rule), *(self._line(row, widths) for row in self._rows)]
        out.print(Text("\n").join(lines), soft_wrap=True)

    def _line(self, row: list[Text], widths: list[int]) -> Text:
        line = Text()
        for at, (cell, width) in enumerate(zip(row, widths, strict=True)):
            shown = short(cell, width)
            padding = " " * (width - shown.cell_len)
            line.append(_GAP if at else "")
            line.append_text(Text(padding) + shown if at in self._right else shown + Text(padding))
        line.rstrip()
        return line

    def _print_blocks(self, out: Console) -> None:
        label = max(cell_len(header) for header in self._headers)
        room = out.width - label - len(_GAP)
        if not self._rows:
            out.print("\n".join(self._headers), style="bold", soft_wrap=True)
        for number, row in enumerate(self._rows, start=1):
            out.rule(Text(f"row {number}"), align="left", style="dim", characters="─")
            for header, cell in zip(self._headers, row, strict=True):
                line = Text(header, style="bold")
                if room >= _WIDTH_MIN:
                    line = Text(" " * (label - cell_len(header))).join([line, Text(_GAP)]) + short(cell, room)
                else:
                    line = line + Text("\n" + _GAP) + short(cell, out.width - len(_GAP))
                line.rstrip()
                out.print(line, soft_wrap=True)
