"""What names a point: the rules for branch and tag names, and what looks like a commit hash."""

from __future__ import annotations

import re

from holdfast.errors import InvalidValue

MAIN = "main"
NAME_LENGTH_MAX = 255
RUNS = "runs/"
"""What the names of the branches begin with that runs live on, each written by its run alone."""

HASH_PREFIX_LENGTH_MIN = 7

_PART = re.compile(r"[A-Za-z0-9_.+=:-]+")
_HASH = re.compile(r"[0-9a-f]{7,64}")


def check_name(name: object, what: str) -> str:
    """Return `name` if it can name a branch or a tag.

    Args:
        name: parts of letters, digits and `_ . + = : -`, separated by single `/`; at most 255 characters.
        what: "branch" or "tag", for the message.

    Raises:
        InvalidValue: the name is none.
    """
    if not isinstance(name, str):
        raise InvalidValue(f"a {what} name is a str, not {type(name).__name__}: {name!r}")
    parts = name.split("/")
    if not name or len(name) > NAME_LENGTH_MAX or not all(_PART.fullmatch(part) for part in parts):
        raise InvalidValue(
            f"{name[:80]!r} cannot name a {what}: use letters, digits and _ . + = : - in parts separated by single"
            f" '/', at most {NAME_LENGTH_MAX} characters"
        )
    return name


def is_hash_prefix(text: str) -> bool:
    """Tell whether `text` has the form of a commit hash or of a prefix that is long enough to name one."""
    return _HASH.fullmatch(text) is not None
