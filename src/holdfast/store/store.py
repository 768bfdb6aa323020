"""`Store`: a connection to one branch, or to one commit of the past."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from types import TracebackType
from typing import Any, Self

from holdfast.core.clock import Clock, Ids
from holdfast.core.durations import Duration, microseconds_of
from holdfast.core.limits import PARAMETERS_MAX
from holdfast.core.points import Point
from holdfast.core.refs import MAIN
from holdfast.engine.contract import Engine, Reader, Session, SqlWriter
from holdfast.engine.sqlite import TIMEOUT_SECONDS
from holdfast.engine.urls import open_engine
from holdfast.errors import (
    HoldfastError,
    InvalidValue,
    ReadOnly,
    StoreClosed,
    TransactionOpen,
    Unsupported,
    ValueTooLarge,
)
from holdfast.tables.cursor import Cursor
from holdfast.tables.parameters import Parameters
from holdfast.tables.plain import are_plain
from holdfast.tables.runner import StatementRunner
from holdfast.tables.statement import Statement, Verb, parse
from holdfast.versions.diff import schema_at
from holdfast.versions.erase import Subject
from holdfast.versions.gc import BUDGET_ROWS, Progress
from holdfast.versions.history import Versions
from holdfast.versions.policies import Policy
from holdfast.versions.resolve import Resolved, resolve, still
from holdfast.versions.results import Branch, Collected, CommitInfo, Erased, Merge, RowChange, Tag, Verification


def _task() -> object:
    """Return the running asyncio task, or None."""
    asyncio = sys.modules.get("asyncio")  # who has not imported it runs none
    try:
        return asyncio.current_task() if asyncio else None
    except RuntimeError:  # no loop runs in this thread
        return None


def _check_count(name: str, number: object) -> None:
    """Raise InvalidValue unless a number can be one of things."""
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
        raise InvalidValue(f"{name} is a whole number of at least 1, not {number!r}")


def connect(  # noqa: PLR0913 - each option is named where it is given
    url: str | os.PathLike[str] = "holdfast.db",
    *,
    branch: str = MAIN,
    durability: str = "full",
    timeout: Duration = TIMEOUT_SECONDS,
    statement_timeout: Duration | None = None,
    size_limit: int | None = None,
    read_only: bool = False,
    create: bool = True,
    clock: Clock | None = None,
    ids: Ids | None = None,
) -> Store:
    """Open a store, made if it is not there, and return it as seen from a branch.

    Opening a store that exists writes nothing.

    Args:
        url: a file, ":memory:" for a store that goes with the process, or "holdfast://org/name": what stores.toml in
            the folder HOLDFAST_HOME (~/.holdfast if it is not set) says it is, else the file org/name.db there.
        branch: the branch to read and write.
        durability: "full": a commit that returned survives loss of power (one fsync); "process": it survives kill -9
            of the process only, and is quicker.
        timeout: how long to wait for other writers before `Timeout` is raised: seconds, a timedelta, or a text such
            as "90s" or "10m".
        statement_timeout: how long one statement may run before it is stopped with `Timeout`, as above; a write that
            is stopped takes its transaction with it. None for as long as it takes.
        size_limit: bytes that the file may grow to; what would need more is refused with `StoreFull`. Its log comes
            on top. None for what the disk has.
        read_only: True opens the store for reading only: every write is refused with `ReadOnly`. The process needs no
            right to write the file.
        create: False raises NotFound instead of making a store.
        clock, ids: for tests: where commits get their time, and lines and salts their randomness.

    Raises:
        NotFound: the folder, the store or the branch does not exist.
        InvalidValue: an option is none.
        StoreCorrupt: the file is no Holdfast store.
        StoreUnavailable: the file cannot be opened.
        Unsupported: the store is of a newer format, or there is no engine for the URL.

    Example:
        >>> db = connect(":memory:")
        >>> _ = db.execute("CREATE TABLE steps (run_id TEXT, step INT, PRIMARY KEY (run_id, step))")
        >>> _ = db.execute("INSERT INTO steps VALUES (%s, %s)", ["run-1", 1])
        >>> db.execute("SELECT * FROM steps").fetchall()
        [{'run_id': 'run-1', 'step': 1}]
        >>> db.close()
    """
    create = create and branch == MAIN  # a new store has no other branch
    engine = open_engine(
        url,
        durability=durability,
        timeout=timeout,
        statement_timeout=statement_timeout,
        size_limit=size_limit,
        read_only=read_only,
        create=create,
        clock=clock,
        ids=ids,
    )
    try:
        store = Store.at(engine, branch, ids=ids, owns_engine=True)
    except BaseException:
        engine.close()
        raise
    if store.pinned:
        store.close()
        raise ReadOnly(f"{branch!r} is no branch; connect to a branch, then checkout({branch!r})")
    return store


class Store:
    """A connection to one branch of a store, or to one commit of it, which can only be read.

    Made by `connect`, `branch` and `checkout`. Each call is atomic, and what it wrote is durable when it returns.
    Threads may share a Store: their calls wait for each other, and a transaction keeps the others out.

    Attributes:
        ref: the branch, or the ref that was checked out.
        read_only: whether this is the checkout of a tag or a commit.
        leased: the token of the lease that it was checked out with, or None.
    """

    def __init__(self, engine: Engine, ref: str, *, ids: Ids | None = None, owns_engine: bool = False) -> None:
        self.ref = ref
        self._engine = engine
        self._ids = ids
        self._owns_engine = owns_engine
        self._lock: AbstractContextManager[object] = threading.RLock()
        self._opened: Session | None = None  # made when it is first needed
        self._writer: SqlWriter | None = None
        self._reader: Reader | None = None
        self._owner: object = None
        self._closed = False
        self._runner = StatementRunner()
        self._here = ref
        self._pinned: Resolved | None = None
        self.leased: str | None = None

    @classmethod
    def at(cls, engine: Engine, ref: str, *, ids: Ids | None = None, owns_engine: bool = False) -> Self:
        """Return a Store on any ref: at a tag or a commit it stays where that is now. Raises NotFound."""
        store = cls(engine, ref, ids=ids, owns_engine=owns_engine)
        with store._session.read() as reader:
            at = resolve(reader, ref)
            if at.line is None:
                store._pinned, store._here = at, reader.commit(at.point).hash.hex()
        return store

    def twin(self) -> Store:
        """Return another Store at the same place. It has no lock: see to it that its calls do not meet."""
        twin = Store(self._engine, self.ref, ids=self._ids)
        twin._lock, twin._runner = nullcontext(), self._runner
        twin._pinned, twin._here = self._pinned, self._here
        return twin

    @property
    def _session(self) -> Session:
        if self._closed:
            raise StoreClosed("the store is closed; connect again")
        if self._opened is None:
            self._opened = self._engine.session()
        return self._opened

    @property
    def _versions(self) -> Versions:
        return Versions(self._session, self._ids)

    @property
    def pinned(self) -> bool:
        """Whether this is the checkout of a tag or a commit, which stays where it is."""
        return self._pinned is not None

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written here: at a tag or a commit, or in a store opened with `read_only`."""
        return self._pinned is not None or self._engine.read_only

    @property
    def url(self) -> str:
        """What `connect` takes to reach the same store."""
        return self._engine.url

    def _at(self, reader: Reader) -> Resolved:
        return still(reader, self._pinned, self.ref) if self._pinned else resolve(reader, self.ref)

    def _check_writable(self) -> None:
        if self._reader is not None:
            raise ReadOnly("the open transaction is read-only; write after it")
        if self._pinned:
            raise ReadOnly(
                f"the checkout of {self.ref!r} can only be read; make a branch there: branch(name, at={self.ref!r})"
            )

    # SQL

    def execute(self, sql: str, parameters: Parameters = None) -> Cursor:
        """Run one statement and return its rows.

        A statement that writes is one commit, durable when this returns, or part of the open transaction. One that
        changes nothing makes no commit. A statement that reads sees one snapshot.

        Args:
            sql: SQL of PostgreSQL's dialect; `"table@ref"` reads a table at another ref.
            parameters: a list for `%s`, a dict for `%(name)s`. dict and list go into JSONB, lists and arrays into
                VECTOR columns (the dimension is checked), datetimes into TIMESTAMP (UTC if they have no zone).

        Raises:
            SqlError: the statement is not well formed; ConstraintFailed: a constraint would not hold.
            InvalidValue: a parameter does not fit its column, or their number is wrong.
            Unsupported: the statement cannot be translated faithfully; the message names the part.
            NotFound: no such table, column or ref.
            ReadOnly: a write on the checkout of a commit.
            All of them change nothing.
        """
        return self._run(parse(sql), [parameters])

    def executemany(self, sql: str, parameters: Iterable[Parameters]) -> Cursor:
        """Run a statement that writes once for each of `parameters`, all in one commit, or none of it.

        Raises:
            As `execute`; Unsupported for a statement that reads.
        """
        statement = parse(sql)
        if statement.verb in (Verb.SELECT, Verb.SCHEMA):
            word = statement.summary.split(" ", 1)[0] or "SELECT"
            raise Unsupported(f"executemany() takes INSERT, UPDATE or DELETE, not {word}; use execute()")
        return self._run(statement, parameters)

    def _run(self, statement: Statement, parameters: Iterable[Parameters]) -> Cursor:
        if len(statement.names) > PARAMETERS_MAX:
            raise ValueTooLarge(
                f"the statement has {len(statement.names)} parameters, more than {PARAMETERS_MAX}; use executemany()"
            )
        if statement.verb is Verb.SELECT:
            (values,) = parameters
            with self._lock:
                session = self._session
                self._check_owner()
                with session.read() as reader:
                    return self._runner.read(self._sql(reader), self._at(reader), statement, values)

        def work(writer: SqlWriter) -> Cursor:
            line = writer.opened
            return self._runner.write(writer, Resolved(Point(line.uid, line.head), line), statement, parameters)

        if are_plain(parameters):
            with self._lock:
                together = self._versions if self._writer is None else None
                self._check_writable()
                _ = self._sql(None)
            if together is not None:  # without the lock, so that those who share this Store can share a transaction
                return together.write(self.ref, statement.summary, work)
        with self._commit(statement.summary, None) as writer:
            return work(writer)

    def _sql(self, snapshot: Reader | None) -> Any:  # noqa: ANN401 - an SqlReader, or an SqlWriter
        if not self._session.has_sql:
            raise Unsupported("this engine has no SQL; SQLite files have")
        return snapshot

    @contextmanager
    def _commit(self, message: str, metadata: object) -> Generator[SqlWriter]:
        """Open a commit for the block, or a savepoint in the one that is open."""
        with self._lock:
            session = self._session
            self._check_owner()
            self._check_writable()
            if self._writer is not None:
                with self._writer.savepoint():
                    yield self._writer
                return
            with Versions(session, self._ids).open_commit(self.ref, message, metadata) as writer:
                self._writer, self._owner = self._sql(writer), _task()
                try:
                    yield self._sql(writer)
                finally:
                    self._writer = self._owner = None

    @contextmanager
    def _snapshot(self) -> Generator[None]:
        """Let what is read in the block be of one moment."""
        with self._lock:
            session = self._session
            self._check_owner()
            if self._writer is not None or self._reader is not None:
                yield
                return
            with session.read() as reader:
                reader.branches()  # the moment is that of the first question; let it be now
                self._reader, self._owner = reader, _task()
                try:
                    yield
                finally:
                    self._reader = self._owner = None

    def _check_owner(self) -> None:
        """Tasks share a thread, so the lock does not part them: what one does would be undone with the other's."""
        if (self._writer or self._reader) is not None and self._owner is not _task():
            raise TransactionOpen("another task has a transaction open on this Store; give each its own checkout()")

    @contextmanager
    def transaction(self, message: str = "", metadata: object = None, *, read_only: bool = False) -> Generator[Self]:
        """Make one commit of the statements in the block; an exception takes all of them back.

        Inside another transaction it is a savepoint: an exception takes back the block only. The store's writers wait
        for the block to end, so keep slow work out of it.

        With `read_only` nothing is written, and all that is read in the block is of one moment, whatever others commit
        meanwhile; nobody waits for it. Inside another transaction it reads what that one does.

        Args:
            message: says why, in `log()`.
            metadata: a JSON-like value kept with the commit.
            read_only: whether the block only reads.

        Raises:
            ReadOnly: this is the checkout of a commit; a write in a block that only reads.
            Timeout: somebody else is writing for longer than `timeout`.
        """
        with self._snapshot() if read_only else self._commit(message, metadata):
            yield self

    # Branches

    def branch(self, name: str, at: str | None = None) -> Store:
        """Make a branch here, or at another ref, and return a Store on it. Costs one row, whatever it inherits.

        Raises:
            AlreadyExists: the name is taken, by a branch (use `checkout`) or a tag.
            NotFound: there is no such ref.
            InvalidValue: the name cannot name a branch.
        """
        with self._lock:
            self._versions.branch(name, self._here if at is None else at)
        return Store(self._engine, name, ids=self._ids)

    def checkout(self, ref: str, *, lease: Duration | None = None) -> Store:
        """Return a Store on another ref: of a branch to read and write, of a tag or a commit to read only.

        Each statement on it sees one snapshot, whatever gc does. Between two statements gc may prune a commit that is
        neither tagged nor leased; the next one then raises NotFound.

        Args:
            ref: a branch, tag or commit.
            lease: how long gc spares the commit even so, as a duration such as "1h", or until the Store is closed.
                It costs a write.

        Raises:
            NotFound: there is no such ref, or it was pruned.
        """
        length_us = None if lease is None else microseconds_of(lease, "lease")
        with self._lock:
            _ = self._session  # a closed Store opens no other
            token = None
            if length_us is not None:
                token = os.urandom(16).hex()
                self._versions.pin(token, ref, length_us)
            store = Store.at(self._engine, ref, ids=self._ids)
            store.leased = token
            return store

    def delete_branch(self, name: str) -> None:
        """Forget a branch; its commits stay where others have merged or tagged them. Raises NotFound."""
        with self._lock:
            self._versions.delete_branch(name)

    def reset(self, to: str) -> str:
        """Let this branch go on from another ref; return the new head. What it had stays in its old commits."""
        with self._lock:
            self._check_writable()
            return self._versions.reset(self.ref, to)

    def tag(self, name: str, at: str | None = None) -> str:
        """Give this point, or another ref, a name that stays; return its hash. Raises AlreadyExists."""
        with self._lock:
            return self._versions.tag(name, self._here if at is None else at)

    def delete_tag(self, name: str) -> None:
        """Forget a tag. Raises NotFound."""
        with self._lock:
            self._versions.delete_tag(name)

    def merge(
        self,
        source: str,
        into: str | None = None,
        policy: Policy = "fail",
        message: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Merge:
        """Merge what a ref has into this branch, or into another, in one commit.

        Rows that one side changed are taken; rows that both changed are merged cell by cell. What both changed
        differently is a conflict. Merging what is there already does nothing.

        Args:
            source: a branch, tag or commit.
            into: the branch to merge into; its values are `ours`.
            policy: what to do with conflicts: "fail", "ours", "theirs", a function that is given each `Conflict` and
                returns the value to keep (or NotImplemented), or a dict of these by table, in which a table may have a
                dict of these by key. `...` stands for the tables or keys that are not named, which are else "fail":
                `{"steps": {("run-1", 3): "theirs", ...: "ours"}}`.
            message: that of the commit.
            dry_run: write nothing; return what the merge would change, and the conflicts that it would leave.

        Raises:
            MergeConflict: conflicts that the policy left, or a constraint that would not hold; nothing was merged.
            NotFound, ReadOnly, InvalidValue: see the message.
        """
        with self._lock:
            if into is None:
                self._check_writable()
            self._check_no_transaction("a merge")
            return self._versions.merge(source, self.ref if into is None else into, policy, message, dry_run=dry_run)

    def cherry_pick(
        self, ref: str, message: str | None = None, policy: Policy = "fail", *, dry_run: bool = False
    ) -> Merge:
        """Do here what one commit did elsewhere, in one commit; of a merge, all that it brought to its branch.

        A row keeps its identity: merging the branch that it comes from later neither loses nor doubles it. What is here
        already is not written again, and if all of it is there is no commit.

        Args:
            ref: a branch (its newest commit), tag or commit; what it left is `theirs`, what is here `ours`.
            message, policy, dry_run: as in `merge`.

        Raises:
            MergeConflict: as `merge`.
            ReadOnly: this is the checkout of a commit.
            Unsupported: content of rows that the commit changed was erased.
            NotFound, InvalidValue: see the message.
        """
        with self._lock:
            self._check_writable()
            self._check_no_transaction("a cherry-pick")
            return self._versions.cherry_pick(ref, self.ref, policy, message, dry_run=dry_run)

    def revert(self, ref: str, message: str | None = None, policy: Policy = "fail", *, dry_run: bool = False) -> Merge:
        """Take back here what one commit did, in one commit; of a merge, all that it brought to its branch.

        History stays as it is, and so does a table that the commit created. What was changed again since is a conflict.

        Args:
            ref: a branch (its newest commit), tag or commit; what was before it is `theirs`, what is here `ours`.
            message, policy, dry_run: as in `merge`.

        Raises:
            Unsupported: also if the commit changed no rows but the schema.
            MergeConflict, ReadOnly, NotFound, InvalidValue: as `cherry_pick`.
        """
        with self._lock:
            self._check_writable()
            self._check_no_transaction("a revert")
            return self._versions.revert(ref, self.ref, policy, message, dry_run=dry_run)

    def _check_no_transaction(self, what: str) -> None:
        if self._writer is not None:
            raise TransactionOpen(f"{what} is a commit of its own and cannot be part of a transaction; do it after it")

    # Removal

    def gc(
        self,
        *,
        older_than: Duration | None = None,
        keep_last: int | None = None,
        dry_run: bool = False,
        budget: int = BUDGET_ROWS,
        batches: int | None = None,
        progress: Progress | None = None,
    ) -> Collected:
        """Remove what nobody can ask for any more, in short transactions between which others write.

        Without `older_than` and `keep_last` that is what no branch, tag or lease sees: the commits of deleted branches,
        and those that a branch was reset away from. With either, commits that neither keeps are *pruned*: their hash
        and message stay in `log()`, but they cannot be checked out, and versions of rows that only they showed are
        removed. Heads of branches, tags and leased checkouts always stay.

        A row that was made and removed again between two commits that stay leaves no trace: a later merge does not
        count its key as changed. Nothing else that can be asked for is different afterwards.

        Each transaction is atomic and durable; a kill in between loses nothing, and the next gc goes on. The file
        keeps its size, and fills the room with what is written next.

        Args:
            older_than: keep commits that are younger, such as "30d".
            keep_last: keep this many of the newest commits of each branch.
            dry_run: only tell what would be removed (without `bytes`).
            budget: rows that one transaction removes.
            batches: stop after so many transactions; the result's `more` tells whether something was left.
            progress: called with what has been removed so far, after each transaction.

        Raises:
            InvalidValue: an option is none.
            TransactionOpen: inside a transaction.
        """
        for name, number in (("keep_last", keep_last), ("budget", budget), ("batches", batches)):
            _check_count(name, number)
        age_us = None if older_than is None else microseconds_of(older_than, "older_than")
        with self._lock:
            if self._writer is not None:
                raise TransactionOpen("gc is made of transactions of its own; run it after this one")
            return self._versions.gc(
                age_us, keep_last, dry_run=dry_run, budget=budget, batches=batches, progress=progress
            )

    def erase(self, subject: Subject, *, texts: bool = False) -> Erased:
        """Remove rows for good: from every branch, from every commit of the past, and from the file.

        All versions of a row go, also those under other keys. Hashes stay: `verify` checks them and counts what was
        erased. What refers to the rows, or repeats their content in other rows, names or texts, is not looked for.

        The removal is one commit-like transaction, durable when it is done; then the file is rewritten and its log
        emptied, which takes as long as the store is large and keeps others from writing. An error in between leaves
        the rows removed and remnants in the file: run it again.

        Args:
            subject: for each table keys, or the values of some columns that the rows had in any version:
                `{"users": [7], "steps": [("run-1", 3)], "messages": {"user_id": 7}}`.
            texts: erase the message and metadata of the commits that made or ended these rows, too.

        Raises:
            NotFound: no such table or column.
            InvalidValue: the subject is none.
            Timeout: others used the store for too long.
            TransactionOpen: inside a transaction.
        """
        with self._lock:
            return self._versions.erase(subject, texts=texts)

    # Questions

    @property
    def head(self) -> str:
        """The hash of the newest commit here, in hexadecimal."""
        with self._lock, self._session.read() as reader:
            return reader.commit(self._at(reader).point).hash.hex()

    def diff(self, a: str, b: str | None = None) -> list[RowChange]:
        """Return the rows that differ between `a` and `b` (default: here), by table and key. Costs what changed."""
        with self._lock:
            return self._versions.diff(a, self._here if b is None else b)

    def log(self, ref: str | None = None, limit: int | None = None) -> list[CommitInfo]:
        """Return the commits that led here, or to another ref, newest first, each by its first parent."""
        with self._lock:
            return self._versions.log(self._here if ref is None else ref, limit)

    def show(self, ref: str | None = None) -> tuple[CommitInfo, list[RowChange]]:
        """Return a commit and the rows it changed; of a merge, those it had to decide."""
        with self._lock:
            return self._versions.show(self._here if ref is None else ref)

    def branches(self) -> list[Branch]:
        """Return all branches, by name."""
        with self._lock:
            return self._versions.branches()

    def tags(self) -> list[Tag]:
        """Return all tags, by name."""
        with self._lock:
            return self._versions.tags()

    def tables(self) -> list[str]:
        """Return the names of the tables that can be seen here."""
        with self._lock, self._session.read() as reader:
            return [table.name for table in schema_at(reader, self._at(reader)).tables]

    def verify(self) -> Verification:
        """Check the whole store: every hash is computed again, every head looked at. Raises StoreCorrupt."""
        with self._lock:
            return self._versions.verify()

    # Closing

    def close(self) -> None:
        """Close this Store; of the one that `connect` made, also all that came from it. Idempotent."""
        with self._lock:
            if (self._writer or self._reader) is not None:
                raise TransactionOpen("a transaction is open on this Store; close it after the transaction")
            if self.leased is not None and not self._closed:
                with suppress(HoldfastError):  # it ends by itself
                    self._versions.unpin(self.leased)
            self._closed = True
            if self._opened is not None:
                self._opened.close()
            if self._owns_engine:
                self._engine.close()

    def __enter__(self) -> Self:
        """Return the store itself; leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def __repr__(self) -> str:
        """Show where this Store is."""
        return f"<Store {self.url!r} at {self.ref!r}{' (read-only)' if self.read_only else ''}>"
