"""A state as text, for people and prompts."""

from __future__ import annotations

from typing import Literal

from holdfast.errors import InvalidValue
from holdfast.state.variables import State

MAX_CHARS = 4_000
LINE_CHARS_MIN = 40
"""No value is cut shorter than this, however many there are."""


def view(state: State, *, focus: Literal["recent", "full"] = "recent", max_chars: int = MAX_CHARS) -> str:
    """Return what a state has, a line for each variable.

    Args:
        focus: "recent": what is pending, or else what the newest commit that changed any changed; "full": everything.
        max_chars: how long the text may be. Long values are cut in the middle; what does not fit is counted.

    Raises:
        InvalidValue: an option is none.

    Example:
        >>> from holdfast.state import Live
        >>> state = Live()
        >>> state["plan"] = ["ask", "guess"]
        >>> print(view(state, focus="full"))
        plan = ['ask', 'guess']
    """
    if focus not in ("recent", "full"):
        raise InvalidValue(f"focus is 'recent' or 'full', not {focus!r}")
    given: object = max_chars
    if not isinstance(given, int) or given < LINE_CHARS_MIN:
        raise InvalidValue(f"max_chars is a number of at least {LINE_CHARS_MIN}, not {max_chars!r}")
    recent = None if focus == "full" else state.recent()
    values = state.all_values(recent)
    names = list(values) if recent is None else recent
    width = max(max_chars // max(len(names), 1) - 1, LINE_CHARS_MIN)
    text = ""
    for at, name in enumerate(names):
        line = f"{name} = {_shown(values[name])}" if name in values else f"{name} was removed"
        line = _cut(line, width)
        left = f"… and {len(names) - at} more"
        if len(text) + len(line) + 1 > max_chars - (len(left) if at + 1 < len(names) else 0):
            return text + left
        text += line + "\n"
    return text.rstrip("\n")


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a value's own repr may do anything
        return f"<{type(value).__name__}, which cannot be shown: {error}>"


def _cut(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    head = (width - 3) * 2 // 3
    return f"{line[:head]} … {line[head + 3 - width :]}"
