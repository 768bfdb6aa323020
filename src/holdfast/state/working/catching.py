"""Catching up with what others committed to the branch of a working copy."""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from holdfast.core.points import Point, VersionVector, covers
from holdfast.engine.contract import Reader
from holdfast.errors import BranchMoved, Conflict, HoldfastError
from holdfast.state.merging.values import Merging
from holdfast.state.nodes.grafting import Grafting
from holdfast.state.nodes.leaves import Node
from holdfast.state.rows.drafts import Draft, RecordedNames
from holdfast.state.rows.storing import applied, changes_since, read_rows, touched_between
from holdfast.state.rows.tables import Name, Rows
from holdfast.state.working.held import NOTHING, HeldValues, where_of


@dataclass(slots=True)
class News:
    """What others committed: where the branch is now, and the rows of the keys that they changed.

    `merged` has the rows of those that were changed here, too, as they are to become.
    """

    point: Point
    head: str
    vector: VersionVector
    rows: dict[Name, Rows] = field(default_factory=dict)
    merged: dict[Name, Rows] = field(default_factory=dict)

    def is_pending(self, name: Name) -> bool:
        """Tell whether something of a key is still to be written once theirs is taken over."""
        return name in self.merged and self.merged[name] != self.rows[name]

    def shown(self, name: Name) -> Rows:
        """Return the rows that a key is to show."""
        return self.merged[name] if self.is_pending(name) else self.rows[name]


class CatchingUp(HeldValues):
    """Values that can go on from a newer commit."""

    def catch_up(self) -> None:
        """Go on from where the branch is now: take over what others changed, and merge what both did.

        Raises:
            BranchMoved: others changed the same, and no rule merges it. The working copy stays where it is, and
                everything stays pending.
        """
        with self._alone():
            with self.ground.reading() as reader:
                news = self._news(reader)
            if news is None:
                return
            loaded = {
                name: self._made(name, news) for name in news.rows
            }  # what can fail does so before anything changes
            self.base, self.head, self._vector = news.point, news.head, news.vector
            self._edits.count += 1
            left = dict(loaded)
            try:
                for name, made in loaded.items():
                    self._take_over(name, made, news)
                    del left[name]
            except BaseException:
                for name in left:  # read them anew; what is pending of them is compared with what is there
                    self._detach(name)
                    if news.is_pending(name):
                        self._assigned.add(name)
                    else:
                        self._forget([name])
                raise

    def restore(self, point: Point) -> None:
        """Stand on another commit of the branch, or on this one again, and forget all that is not committed.

        Values that were read or set are then what they were there; in place, since somebody may hold them. A value
        that became here what it became there costs what was changed of it; another one that differs, or may have been
        changed, is read anew.
        """
        with self._alone():
            drafts: dict[Name, Draft] = {}
            found: dict[Name, Rows] = {}
            vector: VersionVector | None = None
            if self._values:
                with self._reading() as reader:
                    self.ground.still(reader, point)
                    vector = reader.vector(point)
                    suspects, drafts = self._repeated(reader, vector, point)
                    read_anew = [name for name in self._values if name in suspects and name not in drafts]
                    found = {name: read_rows(reader, vector, name) for name in read_anew}
            self._edits.count += 1
            self.base, self._head, self._seen = point, None, vector
            for name in self._removed:
                self._detach(name)
            for draft in drafts.values():
                draft.settle()
            for name in drafts:
                self._adopt(name)
            for pending in (self._assigned, self._removed, self._dirty):
                pending.clear()
            for name, rows in found.items():
                self._put_back(name, rows)

    def _repeated(self, reader: Reader, vector: VersionVector, point: Point) -> tuple[set[Name], dict[Name, Draft]]:
        """Return the keys that differ from what a commit sees of them, or may; and what was done to those that do not.

        Whoever goes again through what was recorded changes most values as they were changed then: to write that would
        write the very rows that are there.
        """
        suspects = self._dirty | self._watched | self._assigned
        if not covers(vector, self._vector):  # it goes back
            return suspects | touched_between(reader, self._vector, vector), {}
        recorded = changes_since(reader, self._vector, vector)
        drafts: dict[Name, Draft] = {}
        for name in suspects & self._values.keys():
            changes = recorded.get(name, [])
            names = RecordedNames((change.address for change in changes if change.new), self._names)
            try:
                draft = self._draft(name, names, point.line)
            except HoldfastError:  # it cannot be written at all
                continue
            if {change[:2] for change in draft.changes} == {change[:2] for change in changes}:
                drafts[name] = draft
        return suspects | recorded.keys(), drafts

    def _put_back(self, name: Name, rows: Rows) -> None:
        """Let a key have the value that its rows hold; one that is not there, or cannot be read, is forgotten."""
        try:
            made = self._loaded(name, rows) if rows else None
        except HoldfastError:
            made = None
        if made is None:
            self._forget([name])
        else:
            self._graft(name, *made)
            if not self._nodes[name].sure:
                self._watched.add(name)

    def _graft(self, name: Name, value: Any, node: Node) -> None:  # noqa: ANN401
        """Let a key have another value, and its node; in place, as far as somebody may hold the old one."""
        old = self._values.get(name, NOTHING)
        grafting = Grafting(self._nodes.get(name), [other for key, other in self._values.items() if key != name])
        self._values[name] = value if old is NOTHING else grafting.grafted(old, value)
        self._detach(name)
        if grafting.loose:
            node.doubt()
        self._nodes[name] = node
        self._watched.discard(name)

    def _made(self, name: Name, news: News) -> tuple[Any, Node] | None:
        """Return the value that a key is to have, and its node; None if nobody asked for it, or it cannot be read."""
        shown = news.shown(name)
        if not shown or (name not in self._values and not news.is_pending(name)):
            return None
        try:
            return self._loaded(name, shown)
        except HoldfastError:
            return None

    def _news(self, reader: Reader) -> News | None:
        """Return what others committed since the base; None if the branch stands there."""
        point = self.ground.at(reader).point
        if point == self.base:
            return None
        vector = reader.vector(point)
        changed = touched_between(reader, self._vector, vector)
        drafts = {name: draft for name, draft in self._drafted(self.base.line).items() if name in changed}
        news = News(point, reader.commit(point).hash.hex(), vector)
        conflicts: list[Conflict] = []
        for name in sorted(changed):
            news.rows[name] = rows = read_rows(reader, vector, name)
            draft = drafts.get(name)
            gone = name in self._removed
            if gone or (draft is not None and draft.changes):
                was = read_rows(reader, self._vector, name)
                mine = {} if gone or draft is None else applied(was, draft.changes)
                merging = Merging(name, was, rows, mine, lambda _: NotImplemented, self.codec, self._names)
                news.merged[name] = merging.rows()
                conflicts += merging.left
        if conflicts:
            keys = ", ".join(sorted({where_of(Name(*conflict.key[:2])) for conflict in conflicts}))
            raise BranchMoved(
                f"branch {self.ground.ref!r} moved, and others changed {keys} too; your changes are still pending:"
                " discard() them, or write them to a branch of your own and merge it"
            )
        return news

    def _take_over(self, name: Name, made: tuple[Any, Node] | None, news: News) -> None:
        """Let a key have what others made of it; in place, since somebody may hold its value."""
        pending = news.is_pending(name)
        if not pending:
            self._assigned.discard(name)
            self._removed.discard(name)
        elif not news.shown(name):
            return  # removed here, and still to be removed there
        if made is None:
            self._forget([name])
            return
        self._graft(name, *made)
        if pending:
            del self._nodes[name]
            self._assigned.add(name)  # it is compared with the rows that are there, which are read when it is
        self._watched.add(name)
