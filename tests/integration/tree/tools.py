"""What the tests of stores over key-value stores are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.core.points import Point
from holdfast.engine.kv import KVStore
from holdfast.engine.tree import TreeEngine
from holdfast.engine.tree.publish import newest
from holdfast.engine.tree.session import TreeSession
from holdfast.engine.tree.sweep import orphans
from holdfast.testing.schemas import JOURNAL, STEPS, USERS
from holdfast.versions.edits import Edit, Put
from holdfast.versions.history import Versions


def opened(store: KVStore, **options: Any) -> tuple[Versions, TreeSession, TreeEngine]:
    """Open the store that a key-value store has; made with the tables of the suites if it is not there."""
    engine = TreeEngine.open(store, **options)
    session = engine.session()
    versions = Versions(session, options.get("ids"))
    if not options.get("read_only"):
        for table in (STEPS, USERS, JOURNAL):
            with session.read() as reader:
                known = reader.catalogue().find(table.name)
            if known is None:
                versions.create_table("main", table)
    return versions, session, engine


def step(number: int, note: str = "n", run: str = "r") -> Put:
    """Return the edit that puts a step."""
    return Put("steps", {"run_id": run, "step": number, "note": note})


def notes(versions: Versions, ref: str = "main") -> dict[Any, Any]:
    """Return the notes of all steps that a ref shows."""
    return {key[1]: values[2] for key, values in versions.snapshot(ref)["steps"].items()}


def left_over(session: TreeSession) -> list[str]:
    """Return the entries that neither the newest state nor a list of superseded ones knows."""
    return orphans(session._shared)


def waiting(session: TreeSession) -> int:
    """Return how many lists of superseded entries wait to be worked off."""
    return sum(1 for _ in session._shared.store.scan("hf/g/"))


def state(session: TreeSession) -> Any:
    """Return the newest root."""
    return newest(session._shared).root


def changes_of(session: TreeSession, edits: Sequence[Edit], branch: str = "main") -> Any:
    """Return a work function that puts steps, as `write_together` takes it."""

    def work(writer: Any) -> None:
        line = writer.branch(branch)
        writer.open(line)
        table = writer.catalogue().find("steps")
        seen = {**writer.vector(Point(line.uid, line.head)), line.uid: line.head + 1}
        for edit in edits:
            assert isinstance(edit, Put)
            given = [edit.values.get(column.name) for column in table.columns]
            row = next(iter(writer.rows(table, seen, [tuple(given[:2])])), None)
            if row is None:
                writer.insert(table, given)
            else:
                writer.update(table, row, given)
        writer.seal("together")

    return work
