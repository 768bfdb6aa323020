"""Every error of Holdfast.

    HoldfastError
    ├── NotFound              a branch, tag, commit, table or file that is not there
    ├── AlreadyExists         a name that is taken, or taken by something else
    ├── ReadOnly              a write where only reading is possible
    ├── InvalidValue          a value that its place cannot hold
    │   ├── ValueTooLarge     ... because of its size
    │   └── NotStorable       ... because it means nothing outside of this process
    ├── Unreadable            a stored value whose type is not here, or is not what it was; others can be read
    ├── Untrusted             a stored object that nobody whom you trust has signed; it was not loaded
    ├── SqlError              a statement that the engine does not take
    │   └── ConstraintFailed  ... because a key, UNIQUE, NOT NULL or CHECK would no longer hold
    ├── Unsupported           something that is refused by name rather than done approximately
    ├── MergeConflict         a merge that needs a decision; nothing was merged
    ├── BranchMoved           somebody else committed first; nothing was written
    ├── RunBusy               a run that somebody else works on
    ├── RunFinished           something new for a run that has ended
    ├── InputMismatch         a run or a step that is recorded with another input
    ├── StepFailed            a step whose failure is recorded, and whose own error could not be stored
    ├── InDoubt               a call of which nobody knows whether it happened, and whose answer does not fit
    ├── AlreadyDecided        a decision on a call that is decided, or has expired
    ├── Rejected              a call that somebody did not allow; it was not made
    │   └── Expired           ... or on which nobody decided in time
    ├── Fenced                work for a run that somebody else has taken over; it landed nowhere
    ├── TransactionOpen       something that cannot be part of a transaction, inside one
    ├── Timeout               a wait that reached its end
    ├── LimitReached          an agent that may not go on as it was told; its run can, with other limits
    ├── Unfinished            a task that waits for somebody before it can return
    ├── StoreClosed           use after close()
    └── StoreError            the store itself
        ├── StoreCorrupt      damage, named
        ├── StoreFull         no room; what was committed is kept
        └── StoreUnavailable  the engine could not be reached

Every error changes nothing: what was committed before it stands, what was not is not there.
`code` is stable and fit for programs; the message is for people: what happened, with which value, what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class HoldfastError(Exception):
    """Base of all errors that Holdfast raises."""

    code: ClassVar[str] = "holdfast"


class NotFound(HoldfastError):
    """A branch, tag, commit, table or file is not there."""

    code = "not_found"


class AlreadyExists(HoldfastError):
    """The name is taken."""

    code = "already_exists"


class ReadOnly(HoldfastError):
    """A write was asked of something that can only be read, such as the checkout of a commit."""

    code = "read_only"


class InvalidValue(HoldfastError):
    """A value cannot be kept where it was put."""

    code = "invalid_value"


class ValueTooLarge(InvalidValue):
    """A value is larger than its place allows."""

    code = "value_too_large"


class NotStorable(InvalidValue):
    """A value cannot be stored: it means nothing outside of this process. The message has the path to it."""

    code = "not_storable"


class Unreadable(HoldfastError):
    """A stored value cannot be made again: its type is not loaded, or has changed. Every other value can be read."""

    code = "unreadable"


class Untrusted(HoldfastError):
    """A stored object is not signed by a key that you trust, so it was not loaded: loading it would run its code."""

    code = "untrusted"


class SqlError(HoldfastError):
    """The engine does not take the statement."""

    code = "sql"


class ConstraintFailed(SqlError):
    """A primary key, UNIQUE, NOT NULL or CHECK, as seen from the branch, would no longer hold."""

    code = "constraint"


class Unsupported(HoldfastError):
    """Something is refused by name, because it could only be done unfaithfully or not yet."""

    code = "unsupported"


@dataclass(frozen=True, slots=True)
class Conflict:
    """One thing that both sides of a merge changed differently.

    With a `column`, `base`, `ours` and `theirs` are that cell's values; without one they are whole rows (dicts of
    the columns, or None where the row is absent). `candidates` lists the possible bases where the common ancestor
    is not one commit, and `base` is then None. `constraint` names what would be violated, in the user's own words.

    Of state, `table` is "state", `key` the namespace, the key and the way inside, `column` "value"; the values are
    those of the variable or of a part of it (None also where it is not there), and `place` says in Python which.
    """

    table: str
    key: tuple[Any, ...]
    column: str | None
    base: Any
    ours: Any
    theirs: Any
    constraint: str | None = None
    candidates: tuple[Any, ...] = ()
    place: str | None = None

    def __str__(self) -> str:
        key = ", ".join(repr(part) for part in self.key)
        place = self.place or f"{self.table}[{key}]" + (f".{self.column}" if self.column else "")
        if self.constraint:
            return f"{place}: {self.constraint} would not hold: ours {self.ours!r}, theirs {self.theirs!r}"
        base = f"one of {list(self.candidates)!r}" if self.candidates else repr(self.base)
        return f"{place}: base {base}, ours {self.ours!r}, theirs {self.theirs!r}"


class MergeConflict(HoldfastError):
    """Both sides changed the same thing. Nothing was merged; `conflicts` lists every case."""

    code = "merge_conflict"

    def __init__(self, message: str, conflicts: Sequence[Conflict]) -> None:
        super().__init__(message)
        self.conflicts = tuple(conflicts)


class BranchMoved(HoldfastError):
    """Somebody else moved the branch between reading and writing. Nothing was written."""

    code = "branch_moved"


class RunBusy(HoldfastError):
    """Somebody else works on the run; the message says who, since when, and until when that is trusted."""

    code = "run_busy"


class RunFinished(HoldfastError):
    """A run that has ended was asked for something that it has not recorded."""

    code = "run_finished"


class InputMismatch(HoldfastError):
    """A run, or a step of it, is recorded with another input than it is asked for now.

    Attributes:
        step: the number of the step, which `before_step` takes; None if it is the run, or a step in doubt.
    """

    code = "input_mismatch"

    def __init__(self, message: str, step: int | None = None) -> None:
        super().__init__(message)
        self.step = step


class StepFailed(HoldfastError):
    """A step failed when it was done, the run's function went on, and what it raised could not be stored.

    Attributes:
        raised: what it raised, as text.
    """

    code = "step_failed"

    def __init__(self, message: str, raised: str = "") -> None:
        super().__init__(message)
        self.raised = raised


class InDoubt(HoldfastError):
    """A call whose outcome a crash hid is settled in a way that does not fit what is known of it."""

    code = "in_doubt"


class AlreadyDecided(HoldfastError):
    """A call is decided already, or has expired; the message says by whom, and when. What is there stands."""

    code = "already_decided"


class Rejected(HoldfastError):
    """A call was asked for that somebody did not allow. It was not made. The message is theirs."""

    code = "rejected"


class Expired(Rejected):
    """Nobody decided on a call in time, and it was not made. Nobody rejected it."""

    code = "expired"


class Fenced(HoldfastError):
    """Somebody else has taken over what this worked on, or may have. Nothing of what was to be written landed."""

    code = "fenced"


class TransactionOpen(HoldfastError):
    """The operation is a commit of its own and cannot be part of the open transaction."""

    code = "transaction_open"


class Timeout(HoldfastError):
    """A wait reached its end."""

    code = "timeout"


class LimitReached(HoldfastError):
    """An agent has used what it may: turns, tokens, cost, or mistakes in a row. Its run can go on with other limits."""

    code = "limit_reached"


class Unfinished(HoldfastError):
    """A task that is to return a value waits for somebody. Its run is kept, and goes on when that has come."""

    code = "unfinished"


class StoreClosed(HoldfastError):
    """The store was used after `close()`."""

    code = "store_closed"


class StoreError(HoldfastError):
    """The store itself is at fault."""

    code = "store"


class StoreCorrupt(StoreError):
    """The store is damaged, or is not a Holdfast store; the message names the place."""

    code = "store_corrupt"


class StoreFull(StoreError):
    """There is no room left. What was committed is kept; reads still work."""

    code = "store_full"


class StoreUnavailable(StoreError):
    """The engine cannot be reached."""

    code = "store_unavailable"
