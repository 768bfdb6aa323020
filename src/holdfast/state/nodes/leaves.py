"""Nodes: what is known of the rows of a value, part by part. Here what all have in common, and values that are one row.

A node stands for the rows at an address. It is the note of the container that it was made for: while that tells all
its changes, a node that was not told of any need not be looked at.
"""

# pyright: basic
# (values are whatever a user keeps)

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from holdfast.core.codec import Encoded, is_immutable
from holdfast.state.objects.holders import is_held_inside
from holdfast.state.objects.pages import Pages, mapped
from holdfast.state.objects.tracked import Tracking, note_of
from holdfast.state.rows.chunks import Chunk, draft_chunks
from holdfast.state.rows.contents import Buffer, content_of, digest_of
from holdfast.state.rows.drafts import Draft, plain
from holdfast.state.rows.tables import Address, Cells, inside

Lock = AbstractContextManager[Any]


class Above(Protocol):
    """What a node is a part of."""

    lock: Lock

    def below(self, node: Node) -> None:
        """Take note that a part changes."""
        ...


class Node:
    """What is known of the rows at an address, and below it.

    Attributes:
        above: what it is a part of; None once it is no more.
        place: where it stands among its neighbours.
        key: of an entry of a mapping its key, of an element of a set that element.
        changed: whether its value told of a change since the last commit.
        sure: whether its value tells of all its changes.
        value: the object that tells this node of its changes, or cannot change; None if there is none.
        lock: that of the state.
    """

    __slots__ = ("above", "address", "changed", "key", "lock", "place", "sure", "value")

    def __init__(self, address: Address, place: int, above: Above | None, lock: Lock) -> None:
        self.address = address
        self.place = place
        self.above = above
        self.lock = lock
        self.key: Any = None
        self.changed = False
        self.sure = False
        self.value: Any = None

    def edit(self, at: Any, *, gone: bool = False) -> None:  # noqa: ANN401, ARG002
        """Take note of a change that is about to be made."""
        self.touch()

    def touch(self) -> None:
        """Let it be looked at by the next commit, and all that it is a part of."""
        if not self.changed:
            self.changed = True
            if self.above is not None:
                self.above.below(self)

    def doubt(self) -> None:
        """Let all of the value be looked at by the next commit."""
        self.sure = False

    def create(self, value: Any, where: str, draft: Draft, *, new: bool = True) -> None:  # noqa: ANN401
        """Draft the rows of a value where nothing stands, or, if not `new`, a row that is to be replaced."""
        raise NotImplementedError

    def draft(self, value: Any, where: str, draft: Draft, place: int) -> None:  # noqa: ANN401
        """Draft what makes the rows say `value`, of the same kind as what they say now, at a place."""
        raise NotImplementedError

    def replace(self, draft: Draft) -> None:
        """Draft the removal of all rows below this one."""
        raise NotImplementedError

    def adopt(self, value: Any, *, held: bool) -> Any:  # noqa: ANN401
        """Return what shall stand for a value that was just written: itself, or one that tells its changes.

        Args:
            held: whether others hold it, so that it has to stay.
        """
        raise NotImplementedError


class Leaf(Node):
    """A value that is one row, and a row for each chunk of what does not fit into it."""

    __slots__ = ("chunks", "digest", "pages")

    def __init__(self, address: Address, place: int, above: Above | None, lock: Lock) -> None:
        super().__init__(address, place, above, lock)
        self.digest = b""
        self.chunks: list[Chunk] = []
        self.pages: Pages | None = None  # of an array which is `value`

    def may_differ(self, value: Any, draft: Draft) -> bool:  # noqa: ANN401
        """Tell whether a value has to be looked at."""
        if self.pages is not None and value is self.value and not draft.complete:
            return self.pages.are_written()
        return draft.complete or not self.sure or self.changed or value is not self.value

    def create(self, value: Any, where: str, draft: Draft, *, new: bool = True) -> None:  # noqa: ANN401
        """Draft the row of a value, and its chunks."""
        self.write(draft.codec.encode(value, where), draft, self.place, new=new)

    def draft(self, value: Any, where: str, draft: Draft, place: int) -> None:  # noqa: ANN401
        """Draft the row of a value, if it is another than before, or stands elsewhere."""
        if place == self.place and not self.may_differ(value, draft):
            return
        self.draft_encoded(draft.codec.encode(value, where), draft, place)

    def draft_encoded(self, encoded: Encoded, draft: Draft, place: int) -> None:
        """Draft the row of an encoded value, if it is another than before, or stands elsewhere."""
        digest = digest_of(encoded)
        if place != self.place or digest != self.digest:
            self._write(encoded, digest, draft, place, new=False)
        else:
            draft.then(self._unchanged)

    def write(self, encoded: Encoded, draft: Draft, place: int, *, new: bool) -> None:
        """Draft the row of an encoded value, and what is new of its chunks."""
        self._write(encoded, digest_of(encoded), draft, place, new=new)

    def _write(self, encoded: Encoded, digest: bytes, draft: Draft, place: int, *, new: bool) -> None:
        content = content_of(encoded)
        draft.put(self.address, content.cells(place), new=new)
        tail: Buffer = content.tail if content.is_chunked else b""
        chunks = draft_chunks(self.chunks, tail, inside(self.address), draft)

        def settled() -> None:
            self.digest, self.chunks, self.place = digest, chunks, place
            self._unchanged()

        draft.then(settled)

    def _unchanged(self) -> None:
        self.changed = False

    def replace(self, draft: Draft) -> None:
        """Draft the removal of the chunks."""
        for chunk in self.chunks:
            draft.remove(chunk.address)

    def adopt(self, value: Any, *, held: bool) -> Any:  # noqa: ANN401
        """Return what shall stand for a value: a container of JSON-like values is replaced by one that tells."""
        if value is self.value and self.pages is not None:
            return value
        if value is self.value and note_of(value) is self:
            tracking = Tracking(self)
            tracking.renew(value)
            self.sure = not tracking.loose
            return value
        self.pages = None
        if plain(value) in (list, dict, set) and not held and not is_held_inside(value):
            tracking = Tracking(self)
            value = tracking.of(value)
            self.value, self.sure = value, not tracking.loose
        elif is_immutable(value):
            self.value, self.sure = value, True
        else:
            self.value, self.sure = None, False
            value = value if held else self.watch(value)
        return value

    def watch(self, value: Any) -> Any:  # noqa: ANN401
        """Return what shall stand for a value that can change without telling: of a large array a copy of it."""
        found = mapped(value)
        self.sure = False
        if found is None:
            self.value = self.pages = None
            return value
        self.value, self.pages = found
        return self.value


class Container(Node):
    """A value whose row says no more than what it is; its parts have rows of their own."""

    __slots__ = ()
    form: str

    def draft_row(self, draft: Draft, place: int) -> None:
        """Draft the row of the container itself, if it stands elsewhere than it did."""
        if place != self.place:
            draft.put(self.address, Cells(place, self.form), new=False)
        draft.then(lambda: self.settled(place))

    def settled(self, place: int) -> None:
        """Take note that what was drafted is written."""
        self.place = place
        self.changed = False


def draft_removal(node: Node, draft: Draft) -> None:
    """Draft the removal of a value."""
    node.replace(draft)
    draft.remove(node.address)

    def settled() -> None:
        node.above = None

    draft.then(settled)
