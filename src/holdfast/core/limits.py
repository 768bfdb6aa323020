"""How large things may be. What is larger is refused with `ValueTooLarge`, and changes nothing."""

from __future__ import annotations

ROW_BYTES_MAX = 256 * 1024 * 1024
"""A value, and all values of a row together. A row is held in memory whole, several times while it is written."""

PARAMETERS_MAX = 32_766
"""Parameters of one statement."""

COMMIT_ROWS_MAX = 10_000_000
"""Rows that one commit may touch. Its changes are read back and hashed in memory when it is sealed."""

TIMEOUT_SECONDS = 30.0
"""How long a caller waits for other writers if it does not say."""
