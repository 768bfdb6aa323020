"""From a statement to what the engine runs: writes become INSERTs into the command views of their table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from holdfast.core.schema import Catalogue, Column, Table
from holdfast.engine.sql.expressions import converted, rewritten, translated
from holdfast.engine.sql.layout import quoted
from holdfast.engine.sql.tokens import (
    Reader,
    Token,
    TokenKind,
    clauses,
    joined,
    split_at,
    stripped,
    top_level,
)
from holdfast.engine.sql.views import VID, delete_view, insert_view, rows_view, update_view
from holdfast.errors import NotFound, SqlError, Unsupported
from holdfast.tables.comparisons import Columns, Place, with_types
from holdfast.tables.cursor import Shape
from holdfast.tables.statement import Statement, Verb


@dataclass(frozen=True, slots=True)
class Shown:
    """A name that the statement reads: a table, at the ref after its `@` or (None) on the branch itself."""

    alias: str
    table: str
    ref: str | None


@dataclass(slots=True)
class Rewritten:
    """A statement ready to run: its SQL, where its parameters go, what it reads and the table it writes."""

    sql: str
    places: list[Place]
    shown: list[Shown]
    target: Table | None = None
    shape: Shape | None = None
    """The columns of the result, once they are known: they only change with the schema."""


def rewrite(statement: Statement, catalogue: Catalogue) -> Rewritten:
    """Return what the engine runs for a statement that reads or writes rows.

    Raises:
        NotFound: it writes a table, or a column, that is not there.
        Unsupported: it cannot be translated faithfully; the message names the part.
        SqlError: it is not well formed.
    """
    shown, tokens = shown_names(statement, catalogue)
    places = [Place() for _ in statement.names]
    columns = Columns(catalogue, [name.table for name in shown])
    statement = replace(statement, tokens=tuple(with_types(tokens, columns, places)))
    if statement.verb is Verb.SELECT:
        return Rewritten(rewritten(list(statement.tokens)), places, shown)
    writer = {Verb.INSERT: _Insert, Verb.UPDATE: _Update, Verb.DELETE: _Delete}[statement.verb]
    write = writer(statement, catalogue, places)
    with_clause = rewritten(statement.with_clause)
    return Rewritten(f"{with_clause}{write.sql()}", places, shown, write.table)


def shown_names(statement: Statement, catalogue: Catalogue) -> tuple[list[Shown], list[Token]]:
    """Return the tables that a statement may read: every name that is one, and every "table@ref".

    Also returns its tokens, with a name for each "table@ref" that no other has.
    """
    found: dict[str, Shown] = {}
    tokens: list[Token] = []
    aliases: set[str] = set()
    before: Token | None = None
    for token in statement.tokens:
        shown = _shown(token, catalogue)
        if shown is not None and shown.ref is not None:
            if before is not None and before.is_word("as"):
                aliases.add(shown.alias)  # SELECT name AS "ann@example.com"
            if shown.alias in aliases and catalogue.find(shown.table) is None:
                shown = None
        if shown is not None:
            found.setdefault(shown.alias, shown)
        quote = shown is not None and shown.ref is not None
        tokens.append(Token(token.kind, quoted(shown.alias), shown.alias) if shown is not None and quote else token)
        before = token if token.kind is not TokenKind.SPACE else before
    return list(found.values()), tokens


def _shown(token: Token, catalogue: Catalogue) -> Shown | None:
    """Return the table that a name may be.

    SQLite ignores the case of names, refs do not: "t@Try" and "t@try" are two, so capitals are marked by their places.
    """
    if not token.is_name:
        return None
    name, at, ref = token.name.partition("@")
    if at and token.kind is TokenKind.QUOTED:
        capitals = [str(place) for place, letter in enumerate(ref) if letter.isupper()]
        return Shown("~".join([token.name.lower(), *capitals]), name, ref)
    table = catalogue.find(token.name)
    return None if table is None else Shown(table.name, table.name, None)


@dataclass(slots=True)
class _Write:
    """What the three kinds of writes have in common."""

    statement: Statement
    catalogue: Catalogue
    places: list[Place]  # filled in as the parameters are met
    reader: Reader = field(init=False)
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        self.reader = Reader(self.statement.body)

    def sql(self) -> str:
        """Return the INSERT into a command view."""
        raise NotImplementedError

    def _target(self) -> None:
        name = self.reader.name("a table name")
        token = self.reader.peek()
        if token is not None and token.is_symbol("."):
            raise Unsupported(f"{name}.…: a table to write is named without a schema")
        found = self.catalogue.find(name)
        if found is None:
            if "@" in name:
                raise Unsupported(f"{name!r} is read-only; check that ref out and write there")
            raise NotFound(f"no table {name!r}; the tables are {[table.name for table in self.catalogue.tables]}")
        self.table = found

    def _alias(self, *following: str) -> str:
        """Return the name that the statement has for its table."""
        if self.reader.take("as"):
            return self.reader.name("an alias")
        token = self.reader.peek()
        if token is not None and token.is_name and not token.is_word(*following):
            return self.reader.name("an alias")
        return self.table.name

    def _column(self, token: Token) -> Column:
        at = self.table.position(token.name) if token.is_name else None
        if at is None:
            raise NotFound(
                f"table {self.table.name!r} has no column {token.name!r}; it has {[c.name for c in self.table.columns]}"
            )
        return self.table.columns[at]

    def _value(self, item: list[Token], column: Column) -> str:
        """Return the SQL of a value for a column: a parameter is converted when it is bound, the rest when it runs."""
        item = stripped(item)
        where = f"{self.table.name}.{column.name}"
        if len(item) == 1 and item[0].kind is TokenKind.PARAMETER:
            self.places[int(item[0].text[1:]) - 1] = Place(column.type, where)
            return item[0].text
        if len(item) == 1 and item[0].is_word("default"):
            return self._default(column)
        if not item:
            raise SqlError(f"a value for {where} is missing")
        return converted(rewritten(item), column.type, where)

    def _default(self, column: Column) -> str:
        if column.default is None:
            return "NULL"
        return converted(translated(column.default), column.type, f"{self.table.name}.{column.name}")

    def _clauses(self, *words: str) -> dict[str, list[Token]]:
        """Split what is left into clauses by their keyword; what stands before the first is under ""."""
        tokens = self.reader.rest()
        starts = [(0, "")] + [(at, tokens[at].value) for at in clauses(tokens, *words, *_REFUSED_CLAUSES)]
        ends = [at for at, _ in starts[1:]] + [len(tokens)]
        found: dict[str, list[Token]] = {}
        for (start, word), end in zip(starts, ends, strict=True):
            if word in _REFUSED_CLAUSES and word not in words:
                raise Unsupported(f"{word.upper()} in {self.statement.verb.value.upper()} is not supported yet")
            if word in found:
                raise SqlError(f"{word.upper()} is there twice")
            found[word] = stripped(tokens[start + (word != "") : end])
        return found


_REFUSED_CLAUSES = (
    "returning", "from", "using", "order", "limit", "where", "group", "having", "window",
    "union", "except", "intersect",
)  # fmt: skip


class _Insert(_Write):
    def sql(self) -> str:
        reader = self.reader
        reader.take("insert")
        if reader.take("or"):
            raise Unsupported("INSERT OR ... is not supported: REPLACE would erase history")
        if not reader.take("into"):
            raise SqlError("INSERT is followed by INTO")
        self._target()
        if reader.take("as"):
            raise Unsupported("an alias in INSERT is not supported yet")
        columns = self._columns()
        _refuse_tail(reader.rest())
        if reader.take("default", "values"):
            self._refuse_more(reader.rest(), "DEFAULT VALUES")
            return self._default_values()
        if reader.take("values"):
            return self._values(columns, reader.rest())
        return self._select(columns, reader.rest())

    def _refuse_more(self, tokens: list[Token], after: str) -> None:
        if tokens:
            raise SqlError(f"INSERT INTO {self.table.name}: {joined(tokens)[:40]!r} after {after}")

    def _columns(self) -> list[Column]:
        token = self.reader.peek()
        if token is None or not token.is_symbol("("):
            return list(self.table.columns)
        columns = [self._column(_only(part)) for part in split_at(self.reader.parenthesised("columns"))]
        if len({column.id for column in columns}) < len(columns):
            raise SqlError(f"INSERT INTO {self.table.name} names a column twice")
        return columns

    def _omitted(self, columns: Sequence[Column]) -> list[Column]:
        """Return the columns that get their default: a trigger could not tell NULL from not given."""
        given = {column.id for column in columns}
        return [column for column in self.table.columns if column.id not in given and column.default is not None]

    def _into(self, columns: Sequence[Column]) -> str:
        return f"INSERT INTO {insert_view(self.table)} ({', '.join(quoted(column.name) for column in columns)})"

    def _default_values(self) -> str:
        values = ", ".join(self._default(column) for column in self.table.columns)
        return f"{self._into(self.table.columns)} VALUES ({values})"

    def _values(self, columns: list[Column], tokens: list[Token]) -> str:
        omitted = self._omitted(columns)
        defaults = [self._default(column) for column in omitted]
        rows: list[str] = []
        for part in split_at(tokens):
            row = Reader(part)
            items = split_at(row.parenthesised("a row"))
            self._refuse_more(row.rest(), "a row of VALUES")
            if len(items) != len(columns):
                raise SqlError(f"INSERT INTO {self.table.name}: {len(items)} values for {len(columns)} columns")
            values = [self._value(item, column) for item, column in zip(items, columns, strict=True)]
            rows.append(f"({', '.join([*values, *defaults])})")
        return f"{self._into([*columns, *omitted])} VALUES {', '.join(rows)}"

    def _select(self, columns: list[Column], tokens: list[Token]) -> str:
        names = [f"c{number}" for number in range(len(columns))]
        values = [
            converted(name, column.type, f"{self.table.name}.{column.name}")
            for name, column in zip(names, columns, strict=True)
        ]
        omitted = self._omitted(columns)
        values += [self._default(column) for column in omitted]
        source = f'WITH "hf:source" ({", ".join(names)}) AS ({rewritten(tokens)})'
        return f'{self._into([*columns, *omitted])} {source} SELECT {", ".join(values)} FROM "hf:source"'


class _Update(_Write):
    def sql(self) -> str:
        reader = self.reader
        reader.take("update")
        if reader.take("or"):
            raise Unsupported("UPDATE OR ... is not supported")
        self._target()
        alias = quoted(self._alias("set"))
        if not reader.take("set"):
            raise SqlError(f"UPDATE {self.table.name} is followed by SET")
        parts = self._clauses("where")
        new = dict[int, str]()
        for part in split_at(parts[""]):
            column, value = self._assignment(part)
            if column.id in new:
                raise SqlError(f"UPDATE {self.table.name} assigns {column.name} twice")
            new[column.id] = value
        values = [new.get(column.id, f"{alias}.{quoted(column.name)}") for column in self.table.columns]
        conditions = _never_aggregates(list(new.values()))
        if "where" in parts:
            conditions.append(f"({rewritten(parts['where'])})")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return (
            f"INSERT INTO {update_view(self.table)} SELECT {', '.join([f'{alias}.{quoted(VID)}', *values])}"
            f" FROM {rows_view(self.table)} AS {alias}{where}"
        )

    def _assignment(self, tokens: list[Token]) -> tuple[Column, str]:
        reader = Reader(tokens)
        token = reader.next()
        if token is not None and token.is_symbol("("):
            raise Unsupported("SET (a, b) = ... is not supported; assign the columns one by one")
        if token is None:
            raise SqlError(f"UPDATE {self.table.name}: an assignment is missing")
        column = self._column(token)
        equals = reader.next()
        if equals is None or not equals.is_symbol("="):
            raise SqlError(f"UPDATE {self.table.name}: {joined(tokens)[:40]!r} is no assignment of a column")
        return column, f"({self._value(reader.rest(), column)})"


class _Delete(_Write):
    def sql(self) -> str:
        reader = self.reader
        reader.take("delete")
        if not reader.take("from"):
            raise SqlError("DELETE is followed by FROM")
        self._target()
        alias = quoted(self._alias("where", *_REFUSED_CLAUSES))
        parts = self._clauses("where")
        if parts[""]:
            raise SqlError(f"DELETE FROM {self.table.name} is not followed by {joined(parts[''])[:40]!r}")
        where = f" WHERE {rewritten(parts['where'])}" if "where" in parts else ""
        return (
            f"INSERT INTO {delete_view(self.table)} SELECT {alias}.{quoted(VID)}"
            f" FROM {rows_view(self.table)} AS {alias}{where}"
        )


_ARGUMENTS_MAX = 100  # SQLite's own bound was 127 for long


def _never_aggregates(values: list[str]) -> list[str]:
    """Return conditions that always hold, and are an error if a value aggregates, as it is in UPDATE.

    In the list of a SELECT, where the values stand, max(a) would make one row of all. In a WHERE it cannot be, and what
    follows the first argument of coalesce that is not NULL is never computed.
    """
    calls = [value for value in values if "(" in value[1:]]
    parts = [calls[at : at + _ARGUMENTS_MAX] for at in range(0, len(calls), _ARGUMENTS_MAX)]
    return [f"coalesce(1, {', '.join(part)})" for part in parts]


def _only(part: list[Token]) -> Token:
    if len(part) != 1:
        raise SqlError(f"{joined(part)[:40]!r} is no column")
    return part[0]


def _refuse_tail(tokens: list[Token]) -> None:
    for at in top_level(tokens):
        if tokens[at].is_word("returning"):
            raise Unsupported("RETURNING is not supported yet")
        following = Reader(tokens[at + 1 :]).peek()
        if tokens[at].is_word("on") and following is not None and following.is_word("conflict"):
            raise Unsupported("ON CONFLICT is not supported yet")
