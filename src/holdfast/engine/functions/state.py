"""Values of state in SQL."""

from __future__ import annotations

from holdfast.core.forms import text_in
from holdfast.engine.functions.strict import Functions


def state_value(form: str | None, value: str | None, data: bytes | None) -> str | None:
    """state_value: return the JSON text of a row of state that was too long for its column, too.

    NULL if the value is made of parts, or is so long that its text is in chunks.

    Raises:
        StoreCorrupt: the row makes no sense.
    """
    return None if form is None else text_in(form, value, data)


STATE_FUNCTIONS: Functions = {"state_value": (state_value, 3)}
