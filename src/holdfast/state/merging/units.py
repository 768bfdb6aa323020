"""The rows of a key as a tree, for comparing three of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from holdfast.core.forms import CHUNK, kind_of
from holdfast.state.rows.tables import ROOT, Address, Cells, Rows, container_of


class Unit(NamedTuple):
    """A row, with the chunks of its tail, which mean nothing without it."""

    cells: Cells
    chunks: tuple[tuple[Address, Cells], ...] = ()

    @property
    def kind(self) -> str:
        """What the row is: a value, or a kind of container."""
        return kind_of(self.cells.form)

    def says_what(self, other: Unit | None) -> bool:
        """Tell whether both say the same, wherever they stand."""
        return other is not None and self.cells.content == other.cells.content and self.chunks == other.chunks

    def at(self, place: int) -> Unit:
        """Return the same at another place."""
        return self._replace(cells=self.cells._replace(place=place))


class Tree:
    """The rows of a key, by the containers that they are in."""

    def __init__(self, rows: Rows) -> None:
        self.units: dict[Address, Unit] = {}
        self._parts: dict[Address, list[Address]] = {}
        chunks: dict[Address, list[tuple[Address, Cells]]] = {}
        for address, cells in rows.items():
            if kind_of(cells.form) == CHUNK:
                chunks.setdefault(container_of(address.path), []).append((address, cells))
            else:
                self.add(address, Unit(cells))
        for address, found in chunks.items():
            if address in self.units:
                ordered = sorted(found, key=lambda chunk: (chunk[1].place, chunk[0]))
                self.units[address] = self.units[address]._replace(chunks=tuple(ordered))

    def add(self, address: Address, unit: Unit) -> None:
        """Let a unit stand at an address."""
        if address not in self.units and address != ROOT:
            self._parts.setdefault(container_of(address.path), []).append(address)
        self.units[address] = unit

    def get(self, address: Address) -> Unit | None:
        """Return what stands at an address."""
        return self.units.get(address)

    def parts(self, address: Address) -> list[Address]:
        """Return the addresses of the parts of a container, in order."""
        found = self._parts.get(address, ())
        return sorted(found, key=lambda part: (self.units[part].cells.place, part.part))

    def below(self, address: Address) -> Iterable[Address]:
        """Yield an address and all that is below it, containers before their parts."""
        waiting = [address]
        while waiting:
            at = waiting.pop()
            if at in self.units:
                yield at
            waiting += self._parts.get(at, ())

    def rows(self) -> dict[Address, Cells]:
        """Return the rows."""
        found: dict[Address, Cells] = {}
        for address, unit in self.units.items():
            found[address] = unit.cells
            found.update(unit.chunks)
        return found

    def differing(self, other: Tree) -> set[Address]:
        """Return the addresses at or below which the other tree differs, those of their containers included.

        What says the same and only stands elsewhere is no difference of its own, but of its container.
        """
        found: set[Address] = set()
        for address in {**self.units, **other.units}:
            mine, theirs = self.units.get(address), other.units.get(address)
            if mine != theirs:
                only_moved = mine is not None and address != ROOT and mine.says_what(theirs)
                at = container_of(address.path) if only_moved else address
                while at not in found:
                    found.add(at)
                    if at == ROOT:
                        break
                    at = container_of(at.path)
        return found


def tree_of(rows: Mapping[Address, Cells] | None) -> Tree:
    """Return the rows of a key as a tree; of None an empty one."""
    return Tree(rows or {})
