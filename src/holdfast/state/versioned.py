"""`Versioned`: variables that are kept."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self, cast

from holdfast.core.canonical import json_text
from holdfast.core.codec import Codec
from holdfast.core.durations import Duration
from holdfast.core.limits import TIMEOUT_SECONDS
from holdfast.core.refs import MAIN
from holdfast.engine.contract import Commit
from holdfast.engine.kv import KVStore, Memory
from holdfast.engine.urls import open_engine
from holdfast.errors import HoldfastError, InvalidValue, ReadOnly, Unsupported
from holdfast.state.differences import StateDiff
from holdfast.state.merging.policies import StatePolicy
from holdfast.state.rows.log import Event, Noted, event_of
from holdfast.state.rows.namespaces import full, inner, inside_of, is_inside, is_key, name_of
from holdfast.state.rows.tables import Name
from holdfast.state.signing import KeyFile
from holdfast.state.variables import State
from holdfast.state.working.copy import WorkingCopy
from holdfast.state.working.ground import EngineGround, Ground, as_ref
from holdfast.versions.history import check_message
from holdfast.versions.resolve import resolve
from holdfast.versions.results import CommitInfo, Merge

RECENT_COMMITS_MAX = 50
"""How far back `recent` looks for a commit that changed a variable."""


class Versioned(State):
    """Variables that are kept: every `commit` is durable, every commit can be looked at again, and branches cost a row.

    Values are read once and then stay the same objects. Changing one in place, at any depth, is a change like setting
    it: the next `commit` writes what changed, and only that. Lists, dicts and sets that come from a store tell their
    changes; other mutable objects, and those that the caller holds on to, are compared with what is stored. Two keys
    may share an object as long as the state is open; when it is opened again, each has its own.

    A state stands on a commit. What others commit to the same branch is seen after `refresh`, or after a `commit` of
    one's own, which goes on from theirs: keys that only one of them changed, appends, elements of sets, entries of
    mappings and counters are merged; what both changed otherwise is BranchMoved, and stays pending.

    Threads may share a state. A commit of one writes what all have changed until then.

    Args:
        source: a file or another URL as `connect` takes it, or a key-value store; None for one in memory.
        branch: the branch to stand on.
        verify: compare everything that was read at each commit, for tests and the wary: also what C code writes into a
            list past its methods (as `heapq` does) is found then.
        pickles: whether objects of classes that are no data are pickled, signed with a key of your own, which is made
            on first use in the folder HOLDFAST_HOME (~/.holdfast); only what is signed with a key that you trust is
            loaded.
        durability, timeout, size_limit, create: as for `connect`.

    Raises:
        NotFound: there is no such store or branch; ReadOnly: `branch` is a tag or a commit.
        InvalidValue, StoreCorrupt, StoreUnavailable, Unsupported: as for `connect`.

    Example:
        >>> state = Versioned()
        >>> state["messages"] = [{"role": "user", "content": "hello"}]
        >>> before = state.commit("asked")
        >>> state["messages"].append({"role": "assistant", "content": "hi"})
        >>> _ = state.commit("answered")
        >>> len(state["messages"]), len(state.checkout(before)["messages"])
        (2, 1)
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | KVStore | None = None,
        *,
        branch: str = MAIN,
        verify: bool = False,
        pickles: bool = True,
        durability: str = "full",
        timeout: Duration = TIMEOUT_SECONDS,
        size_limit: int | None = None,
        create: bool = True,
    ) -> None:
        engine = open_engine(
            Memory() if source is None else source,
            durability=durability,
            timeout=timeout,
            size_limit=size_limit,
            create=create and branch == MAIN,
        )
        try:
            ground = EngineGround(engine, branch, owns_engine=True)
        except BaseException:
            engine.close()
            raise
        if ground.read_only:
            ground.close()
            raise ReadOnly(f"{branch!r} is no branch; open a branch, then checkout({branch!r})")
        self._copy = WorkingCopy(ground, Codec(KeyFile() if pickles else None), verify=verify)
        self._namespace = ""
        self._left: list[str] = []

    @classmethod
    def on(cls, ground: Ground, *, verify: bool = False) -> Self:
        """Return a state that lies where a store is."""
        return cls.over(WorkingCopy(ground, Codec(KeyFile()), verify=verify))

    @classmethod
    def over(cls, copy: WorkingCopy, namespace: str = "") -> Self:
        """Return the state of a namespace of a working copy, which others may share."""
        state = cls.__new__(cls)
        vars(state).update(_copy=copy, _namespace=namespace, _left=[])
        return state

    def _elsewhere(self, ground: Ground) -> Self:
        return self.over(self._copy.elsewhere(ground), self._namespace)

    def _name(self, key: object) -> Name:
        return name_of(self._namespace, key)

    # Variables

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401
        return self._copy.get(self._name(key))

    def __setitem__(self, key: str, value: Any) -> None:  # noqa: ANN401
        self._copy.put(name_of(self._namespace, key, to_set=True), value)

    def __delitem__(self, key: str) -> None:
        self._copy.delete(self._name(key))

    def __contains__(self, key: object) -> bool:
        return is_key(key) and self._copy.has(self._name(key))

    def __iter__(self) -> Iterator[str]:
        return iter([name.key for name in self._copy.names(self._namespace)])

    def __len__(self) -> int:
        return len(self._copy.names(self._namespace))

    def clear(self) -> None:
        """Remove all keys of this namespace."""
        with self._copy.lock:
            for name in self._copy.names(self._namespace):
                self._copy.delete(name)

    def popitem(self) -> tuple[str, Any]:
        """Remove a key; return it with its value. Raises KeyError if there is none."""
        with self._copy.lock:
            while True:
                if not self._left:  # the keys are listed once for all that are taken out one after the other
                    self._left = [name.key for name in self._copy.names(self._namespace)]
                    if not self._left:
                        raise KeyError("the state is empty")
                key = self._left.pop()
                if key in self:
                    return key, self.pop(key)

    def __repr__(self) -> str:
        place = f" in {self._namespace!r}" if self._namespace else ""
        return f"<Versioned state{place} on {self._copy.ground.ref!r} at {self.head[:12]}>"

    def namespace(self, name: str) -> Self:  # noqa: D102 - as State says
        return self.over(self._copy, inner(self._namespace, name))

    def namespaces(self) -> list[str]:
        """Return the names of the namespaces inside this one that have variables, sorted."""
        return inside_of(self._copy.names(), self._namespace)

    # Commits

    @property
    def head(self) -> str:
        """The hash of the commit that this stands on."""
        return self._copy.head

    @property
    def branch_name(self) -> str:
        """The branch that this is on; of a checkout the ref that was checked out."""
        return self._copy.ground.ref

    @property
    def read_only(self) -> bool:
        """Whether nothing can be changed here: a checkout, or a store that was opened to be read."""
        return self._copy.ground.read_only

    def pending(self) -> list[str]:
        """Return the keys whose values are not what is committed, sorted, those of namespaces as "namespace/key".

        Raises:
            NotStorable: one of them cannot be stored.
        """
        return [full(name) for name in self._copy.pending() if is_inside(name.namespace, self._namespace)]

    def commit(self, message: str = "", metadata: object = None) -> str:
        """Write what changed, in this namespace and all others, in one commit; return its hash.

        Atomic, and durable when it returns. Without a change there is no commit, and the present head is returned.
        Inside a transaction of the store that this is the state of, it becomes part of that.

        Raises:
            NotStorable: a value cannot be stored; the message has the path to it. Nothing was written, and everything
                is still pending.
            BranchMoved: others changed the same, and no rule merges it. Likewise.
            ReadOnly: this is a checkout.
            InvalidValue: `message` is no str, or `metadata` no JSON value, whether or not there is a change.
            StoreFull, Timeout, StoreUnavailable: nothing was written, and everything is still pending.
        """
        check_message(message)
        if metadata is not None:
            json_text(metadata, "metadata")
        return self._copy.commit(message, metadata)

    def join(self) -> None:
        """Write what is pending into the transaction of the store that is open."""
        if not self.read_only:
            self._copy.commit()

    @property
    def joined(self) -> int:
        """How many times this was written into the transaction of the store that is open."""
        return self._copy.joined

    def transaction_ended(self, *, done: bool, since: int = 0, commit: Commit | None = None) -> None:
        """Take note that a transaction of the store ended, and whether it was committed.

        Args:
            since: how often this had been written into it before what ended; not 0 for a block inside another.
            commit: the commit that it became.
        """
        self._copy.transaction_ended(done=done, since=since, commit=commit)

    def discard(self) -> None:
        """Forget all that is not committed, in all namespaces. Objects that you hold stay as they are."""
        self._copy.discard()

    def refresh(self) -> str:
        """Take over what others committed to the branch since; return the head. What is pending stays pending.

        Raises:
            BranchMoved: what is pending was changed by others, too, and no rule merges it; nothing was taken over.
        """
        if not self.read_only:
            self._copy.catch_up()
        return self.head

    # The past

    def checkout(self, ref: Any) -> Self:  # noqa: ANN401 - a str, or what history() gave
        """Return this state as it was at a commit, tag or branch, to be read only, in the same namespace.

        Raises:
            NotFound: there is no such ref, or it was pruned.
        """
        return self._elsewhere(self._copy.ground.elsewhere(as_ref(ref), fixed=True))

    def history(self, limit: int | None = None) -> list[CommitInfo]:
        """Return the commits that led here, newest first, each by its first parent.

        Raises:
            InvalidValue: `limit` is no number of commits.
        """
        given: object = limit
        if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < 0):
            raise InvalidValue(f"the limit of a history is a number of commits, or None, not {limit!r}")
        return self._copy.ground.versions.log(self.head, limit)

    def diff(self, a: Any, b: Any = None) -> StateDiff:  # noqa: ANN401 - a str, or what history() gave
        """Return how this namespace, and those inside it, differ between two refs; costs what changed.

        Args:
            a: the older.
            b: the newer; None for the commit that this stands on.

        Raises:
            NotFound: there is no such ref.
            Unreadable, Untrusted: a value that differs cannot be made again.
        """
        return self._copy.diff(as_ref(a), self.head if b is None else as_ref(b), self._namespace)

    def revert_to(self, ref: Any, message: str | None = None) -> str:  # noqa: ANN401 - a str, or what history() gave
        """Let the state, with all namespaces, be as it was at a ref, by a new commit; return its hash.

        What is pending is discarded. The commits in between stay in history, and so do all events.

        Raises:
            NotFound, ReadOnly: there is no such ref; this is a checkout. What is pending stays pending.
            InvalidValue: `ref` can be none.
            TransactionOpen: inside a transaction of the store.
        """
        target = as_ref(ref)
        self._copy.revert_to(target, f"revert to {str(target)[:12]}" if message is None else message)
        return self.head

    # Branches

    def branch(self, name: str, at: Any = None, *, create: bool = True) -> Self:  # noqa: ANN401
        """Make a branch where this stands, and return the state on it, in the same namespace. Costs one row.

        What is pending here stays here, and is not on the branch.

        Args:
            name: the branch's name.
            at: another ref to begin at.
            create: False for a branch that is there already.

        Raises:
            AlreadyExists: the name is taken; NotFound: there is no such ref, or branch; InvalidValue: the name is none.
        """
        ground = self._copy.ground
        if create:
            ground.versions.branch(name, self.head if at is None else as_ref(at))
        elsewhere = ground.elsewhere(name)
        if elsewhere.read_only and not ground.read_only:
            elsewhere.close()
            raise ReadOnly(f"{name!r} is a tag or a commit; check it out")
        return self._elsewhere(elsewhere)

    def merge(self, source: Any, policy: StatePolicy = "fail", message: str | None = None) -> Merge:  # noqa: ANN401
        """Merge a branch, tag or commit into this branch, in one commit, and take over what came of it.

        Merged are mappings entry by entry, sets, counters, and what both sides appended to a list: theirs behind ours.
        What both changed otherwise is a conflict. What is pending here stays pending.

        Args:
            source: the ref, or a state on it.
            policy: what becomes of conflicts; see `StatePolicy`. Tables of SQL on the branch are merged, too; their
                conflicts go by it if it is no dict.
            message: that of the commit.

        Raises:
            MergeConflict: conflicts that the policy left; nothing was merged.
            NotFound, ReadOnly, InvalidValue: see the message.
            BranchMoved: the merge is done, but what is pending here does not go with it.
        """
        if self.read_only:
            raise ReadOnly("this state is a commit of the past; merge into a branch")
        ref = self._ref_of(source) if isinstance(source, Versioned) else as_ref(source)
        given = policy if isinstance(policy, str) or callable(policy) else {"state": policy, ...: "fail"}
        merge = self._copy.ground.versions.merge(ref, self._copy.ground.ref, cast("Any", given), message)
        self._copy.catch_up()
        return merge

    def _ref_of(self, source: Versioned) -> str:
        """Return the ref of a state of this store: of a checkout the commit that it shows. Raises NotFound."""
        with self._copy.ground.reading() as reader:
            resolve(reader, source.head)
        return source.head if source.read_only else source.branch_name

    # The log

    def log(self, kind: str, data: Any = None, *, step: str | None = None, usage: Any = None) -> None:  # noqa: ANN401
        """Note an event, which belongs to the next commit.

        Raises:
            NotStorable: `data` or `usage` cannot be stored; ReadOnly: this is a checkout.
            InvalidValue: `kind` is no str, or `step` neither one nor None.
        """
        given_kind: object = kind
        if not isinstance(given_kind, str) or not kind:
            raise InvalidValue(f"the kind of an event is a word, not {kind!r}")
        given_step: object = step
        if given_step is not None and not isinstance(given_step, str):
            raise InvalidValue(f"the step of an event is a str, or None, not {step!r}")
        now = self._copy.ground.now_us()
        given = {"kind": kind, "data": data, "step": step, "usage": usage}
        item = {name: value for name, value in given.items() if value is not None}
        self._copy.note(Noted(self._namespace, now, item))

    def events(self) -> list[Event]:  # noqa: D102 - as State says
        kept, noted = self._copy.events(self._namespace)
        kept.sort(key=lambda event: (event.at_us, event.part))
        found = [
            event_of(seq, event.namespace, event.at_us, event.item, event.before, event.commit_hash)
            for seq, event in enumerate(kept, 1)
        ]
        head = self.head if noted else None
        return found + [
            event_of(seq, event.namespace, event.at_us, event.item, head, None)
            for seq, event in enumerate(noted, len(found) + 1)
        ]

    # For people

    def recent(self) -> list[str]:  # noqa: D102 - as State says
        if not self.read_only:
            pending = self.pending()
            if pending:
                return pending
        return [
            full(name)
            for name in self._copy.changed_last(RECENT_COMMITS_MAX)
            if is_inside(name.namespace, self._namespace)
        ]

    def all_values(self, names: Iterable[str] | None = None) -> dict[str, Any]:  # noqa: D102 - as State says
        found: dict[str, Any] = {}
        wanted = None if names is None else set(names)
        for name in self._copy.names():
            if is_inside(name.namespace, self._namespace) and (wanted is None or full(name) in wanted):
                try:
                    found[full(name)] = self._copy.get(name)
                except HoldfastError as error:
                    found[full(name)] = Unsaid(str(error))
        return found

    # The end

    def close(self) -> None:
        """Give back what this holds. Idempotent. Warns if something is not committed: it is lost."""
        if not self._copy.closed and not self.read_only:
            left = self._unsaved()
            if left:
                warnings.warn(f"closed with changes that are not committed: {left}", ResourceWarning, stacklevel=2)
        self._copy.close()

    def _unsaved(self) -> str:
        try:
            pending = self._copy.pending()
        except HoldfastError as error:
            return str(error)
        shown = ", ".join(map(full, pending[:5])) + (" …" if len(pending) > 5 else "")
        return shown or ("events" if self._copy.has_news else "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> Any:  # noqa: ANN401
        raise Unsupported("a state is a connection, and cannot be pickled or copied; open it where it is needed")


class Unsaid(str):
    """What is shown for a value that cannot be read."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{self}>"
