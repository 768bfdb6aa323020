"""Text that every engine can keep."""

from __future__ import annotations

from typing import TypeGuard


def is_text(given: object, length_max: int | None = None) -> TypeGuard[str]:
    """Tell whether something is text that can be stored: no NUL, no half of a pair of surrogates, and not too long."""
    if not isinstance(given, str) or "\0" in given or (length_max is not None and len(given) > length_max):
        return False
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True
