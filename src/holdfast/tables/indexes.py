"""CREATE INDEX and DROP INDEX."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.core.schema import Catalogue, Index, IndexKind, Table
from holdfast.core.types import Kind
from holdfast.engine.contract import SqlWriter
from holdfast.engine.sql.tokens import Reader, Token, TokenKind, joined, split_at
from holdfast.errors import AlreadyExists, InvalidValue, NotFound, SqlError, Unsupported
from holdfast.tables.constraints import check_referred

_ORDERED = {"", "btree", "hash"}
_VECTOR = {"hnsw", "ivfflat", "vchordrq", "diskann"}
_TEXT = {"bm25"}
_EITHER = {"gin", "gist", "deeplake_index"}
"""Methods whose kind of index depends on the column."""

_VECTOR_OPERATORS = {
    f"{type_}_{distance}_ops" for type_ in ("vector", "halfvec") for distance in ("l2", "cosine", "ip", "l1")
}
_LANGUAGES = {"english", "simple"}


@dataclass(frozen=True, slots=True)
class _Item:
    """A column of an index; `words` asks for the words of its text."""

    name: str
    words: bool
    operators: str = ""
    language: str | None = None


@dataclass(frozen=True, slots=True)
class CreateIndex:
    """A CREATE INDEX statement."""

    name: str | None
    table: str
    method: str
    items: tuple[_Item, ...]
    unique: bool
    if_not_exists: bool

    def apply(self, writer: SqlWriter, catalogue: Catalogue) -> Catalogue:
        """Return the catalogue with the index, or the same if it is there and IF NOT EXISTS was said.

        Raises:
            NotFound: no such table or column.
            AlreadyExists: the name is taken, or the index that has it is another.
            Unsupported, InvalidValue: there is no such index on these columns.
        """
        _ = writer
        table = catalogue.find(self.table)
        if table is None:
            raise NotFound(f"no table {self.table!r}; the tables are {[table.name for table in catalogue.tables]}")
        name = self.name or _free_name(catalogue, table, [item.name for item in self.items])
        columns = tuple(self._column(table, item) for item in self.items)
        if len(set(columns)) < len(columns):
            raise SqlError(f"CREATE INDEX {name} names a column twice")
        kind = self._kind(table, name)
        language = (self.items[0].language or "english") if kind is IndexKind.TEXT else None
        index = Index(0, name, columns, kind, self.unique, language)
        known = catalogue.find_index(name)
        if known is None:
            _refuse_second(table, index)
            return catalogue.changed(table.with_index(index))
        if not self.if_not_exists:
            raise AlreadyExists(f"index {name!r} exists already; say IF NOT EXISTS if that is fine")
        there, other = known
        if there.id != table.id or (other.columns, other.kind, other.unique) != (columns, index.kind, index.unique):
            raise AlreadyExists(f"index {name!r} exists already with another definition, on {there.name}")
        return catalogue

    def _column(self, table: Table, item: _Item) -> int:
        at = table.position(item.name)
        if at is None:
            names = [column.name for column in table.columns]
            raise NotFound(f"table {table.name!r} has no column {item.name!r}; it has {names}")
        return table.columns[at].id

    def _kind(self, table: Table, name: str) -> IndexKind:
        types = [table.columns[at].type.kind for at in table.positions(tuple(item.name for item in self.items))]
        where = f"CREATE INDEX {name} ON {table.name} USING {self.method or 'btree'}"
        kind = self._asked(types, where)
        if kind is not IndexKind.ORDERED:
            wanted = Kind.TEXT if kind is IndexKind.TEXT else Kind.VECTOR
            if types != [wanted]:
                raise InvalidValue(f"{where}: it is over one column of type {wanted}")
            if self.unique:
                raise SqlError(f"{where}: only an index over the values of columns can be UNIQUE")
        elif Kind.VECTOR in types:
            raise InvalidValue(f"{where}: vectors have no order; write USING hnsw")
        return kind

    def _asked(self, types: list[Kind], where: str) -> IndexKind:
        words, operators = any(item.words for item in self.items), {item.operators for item in self.items} - {""}
        if operators - _VECTOR_OPERATORS:
            raise Unsupported(f"{where}: {', '.join(sorted(operators))} is not supported")
        if self.method in _VECTOR or (self.method in _EITHER and types == [Kind.VECTOR]):
            return IndexKind.VECTOR
        if self.method in _TEXT or (self.method in _EITHER and (words or self.method == "deeplake_index")):
            return IndexKind.TEXT
        if self.method not in _ORDERED or words or operators:
            raise Unsupported(
                f"{where} is not supported: an index is over columns, over the words of a text (USING bm25), or over a"
                " vector (USING hnsw)"
            )
        return IndexKind.ORDERED


def _refuse_second(table: Table, index: Index) -> None:
    """A column has one text index: it is found by its column."""
    for known in table.indexes:
        if index.kind is IndexKind.TEXT and (known.kind, known.columns) == (index.kind, index.columns):
            raise AlreadyExists(f"index {known.name!r} has the words of this column already; drop it first")


@dataclass(frozen=True, slots=True)
class DropIndexes:
    """A DROP INDEX statement."""

    names: tuple[str, ...]
    if_exists: bool

    def apply(self, writer: SqlWriter, catalogue: Catalogue) -> Catalogue:
        """Return the catalogue without the indexes. Raises NotFound, and SqlError if a foreign key needs a UNIQUE."""
        _ = writer
        changed = catalogue
        for name in self.names:
            found = changed.find_index(name)
            if found is not None:
                table, index = found
                check_referred(table, table.without_index(index), changed)
                changed = changed.changed(table.without_index(index))
            elif not self.if_exists:
                raise NotFound(f"no index {name!r}")
        return changed


def parse_create_index(tokens: list[Token]) -> CreateIndex:
    """Return what a CREATE INDEX statement says.

    Raises:
        SqlError: it is not well formed.
        Unsupported: it asks for something that is not supported, by name.
    """
    reader = Reader(tokens)
    reader.take("create")
    unique = reader.take("unique")
    reader.take("index")
    reader.take("concurrently")
    if_not_exists = reader.take("if", "not", "exists")
    name = None if reader.take("on") else reader.name("an index's name")
    if name is not None and not reader.take("on"):
        raise SqlError(f"CREATE INDEX {name} is followed by ON and a table")
    reader.take("only")
    table = reader.name("a table name")
    method = reader.name("a method").lower() if reader.take("using") else ""
    items = tuple(_item(Reader(part)) for part in split_at(reader.parenthesised("columns")))
    if reader.take("with"):
        reader.parenthesised("settings")
        if method in _ORDERED:
            raise Unsupported(f"WITH of CREATE INDEX {name or ''} ON {table} is not supported")
    if reader.rest():
        raise Unsupported(f"{joined(reader.rest())[:40]!r} of CREATE INDEX {name or ''} ON {table} is not supported")
    return CreateIndex(name, table, method, items, unique, if_not_exists)


def _item(reader: Reader) -> _Item:
    """Return a column of an index: its name, and how it is looked at. An index is read in both directions."""
    shown = joined(reader.tokens)[:60]
    while (token := reader.peek()) is not None and token.is_symbol("(") and not Reader(reader.rest()).at:
        inner = Reader(reader.parenthesised("an expression"))
        if reader.rest():
            raise _no_column(shown)
        reader = inner
    if Reader(reader.rest()).take("to_tsvector"):
        reader.next()
        name, language = _words(Reader(reader.parenthesised("a text")), shown)
        return _Item(name, words=True, language=language)
    token = reader.next()
    if token is None or not token.is_name:
        raise _no_column(shown)
    following = reader.peek()
    operators = ""
    if following is not None and following.is_name and not following.is_word("asc", "desc"):
        operators = reader.name("operators").lower()
    if not reader.take("asc"):
        reader.take("desc")
    if reader.rest():
        raise _no_column(shown)
    return _Item(token.name, words=False, operators=operators)


def _words(reader: Reader, shown: str) -> tuple[str, str | None]:
    """Return the column and the language in `to_tsvector('english', column)`."""
    parts = split_at(reader.tokens)
    language = parts.pop(0) if len(parts) == 2 else []
    if language and (language[0].kind is not TokenKind.STRING or language[0].text.strip("'").lower() not in _LANGUAGES):
        raise Unsupported(f"{shown}: the language is 'english' or 'simple'")
    if len(parts) != 1 or len(parts[0]) != 1 or not parts[0][0].is_name:
        raise _no_column(shown)
    return parts[0][0].name, language[0].text.strip("'").lower() if language else None


def _no_column(shown: str) -> Unsupported:
    return Unsupported(f"an index over {shown!r} is not supported: name columns, or to_tsvector('english', column)")


def parse_drop_index(tokens: list[Token]) -> DropIndexes:
    """Return what a DROP INDEX statement says. Raises SqlError and Unsupported."""
    reader = Reader(tokens)
    reader.take("drop", "index")
    reader.take("concurrently")
    if_exists = reader.take("if", "exists")
    return DropIndexes(dropped_names(reader, "an index's name"), if_exists)


def dropped_names(reader: Reader, what: str) -> tuple[str, ...]:
    """Return the names, parted by commas, that come next; CASCADE and RESTRICT may follow (the caller looks)."""
    names = [reader.name(what)]
    while (token := reader.peek()) is not None and token.is_symbol(","):
        reader.next()
        names.append(reader.name(what))
    reader.take("restrict")
    if reader.rest() and not Reader(reader.rest()).take("cascade"):
        raise SqlError(f"{joined(reader.rest())[:40]!r} after {names[-1]} is not expected")
    return tuple(names)


def _free_name(catalogue: Catalogue, table: Table, columns: list[str]) -> str:
    """Return the name that PostgreSQL gives to an index without one."""
    name = "_".join([table.name, *columns, "idx"])
    return next(each for each in _numbered(name) if catalogue.find_index(each) is None)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        yield f"{name}{number}"
        number += 1


def unique_index(catalogue: Catalogue, table: Table, name: str, columns: tuple[str, ...]) -> Index:
    """Return the index that stands for a UNIQUE constraint with a name. Raises AlreadyExists."""
    if catalogue.find_index(name) is not None:
        raise AlreadyExists(f"index {name!r} exists already")
    return Index(0, name, table.ids(columns), unique=True)
