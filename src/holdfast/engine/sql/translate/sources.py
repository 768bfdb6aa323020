"""FROM: tables, queries, functions and their joins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.core.types import ColumnType
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import quoted
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.translate.scope import Field, Scope, Source, distinct_fields, table_source
from holdfast.engine.sql.translate.searches import SYNTAXES
from holdfast.engine.sql.translate.typed import (
    INTEGER,
    INTERVAL,
    JSON,
    MOMENTS,
    TEXT,
    TIMESTAMP,
    Place,
    Typed,
    adapt,
    sql_list,
)
from holdfast.errors import NotFound, SqlError, Unsupported

if TYPE_CHECKING:
    from holdfast.engine.sql.translate.queries import Queries

FUNCTION = "()"
"""The view of a source that is a function."""

_JSON_VALUE = (
    "iif({a}.type IN ('object', 'array'), {a}.value,"
    " iif({a}.type IN ('true', 'false', 'null'), {a}.type, json_quote({a}.value)))"
)
_TEXT_VALUE = "iif({a}.type = 'true', 'true', iif({a}.type = 'false', 'false', CAST({a}.value AS TEXT)))"
_EACH = {
    "jsonb_array_elements": (("value", _JSON_VALUE, JSON),),
    "json_array_elements": (("value", _JSON_VALUE, JSON),),
    "jsonb_array_elements_text": (("value", _TEXT_VALUE, TEXT),),
    "json_array_elements_text": (("value", _TEXT_VALUE, TEXT),),
    "jsonb_object_keys": (("key", "{a}.key", TEXT),),
    "json_object_keys": (("key", "{a}.key", TEXT),),
    "jsonb_each": (("key", "{a}.key", TEXT), ("value", _JSON_VALUE, JSON)),
    "json_each": (("key", "{a}.key", None), ("value", "{a}.value", None)),
    "jsonb_each_text": (("key", "{a}.key", TEXT), ("value", _TEXT_VALUE, TEXT)),
    "json_each_text": (("key", "{a}.key", TEXT), ("value", _TEXT_VALUE, TEXT)),
    "unnest": (("unnest", "{a}.value", None),),
}
"""Functions over the parts of a JSON value: what their columns are, over SQLite's json_each."""

_SERIES = '"hf:series"'
_SQLITE_COLUMNS = ("key", "value", "type", "atom", "id", "parent", "fullkey", "path")


class Sources:
    """Translates FROM, and puts what can be named into the scope."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def translate(self, node: Node, scope: Scope, *, versioned: bool = False) -> str:
        """Return a table or a join in SQLite's words.

        Args:
            versioned: whether its tables show the hidden column of their versions.

        Raises:
            NotFound: a table that is not there.
            Unsupported: a function that is none of a table's.
        """
        if isinstance(node, nodes.Join):
            return self._join(node, scope, versioned=versioned)
        if isinstance(node, nodes.TableName):
            return self._table(node, scope, versioned=versioned)
        if isinstance(node, nodes.TableQuery):
            return self._query(node, scope)
        assert isinstance(node, nodes.TableCall)
        return self._function(node, scope)

    def _table(self, node: nodes.TableName, scope: Scope, *, versioned: bool) -> str:
        common = scope.common_table(node.name)
        if common is not None:
            source = Source(node.alias or node.name, distinct_fields(common.fields, node.columns))
            scope.sources.append(source)
            if node.columns:
                raise Unsupported(f"{node.name} AS {node.alias} (…): name the columns in the WITH clause")
            return f"{quoted(common.name)}{f' AS {quoted(source.name)}' if source.name != common.name else ''}"
        shown = scope.context.show(node.name, versioned=versioned)
        if shown is None:
            raise NotFound(f"no table {node.name!r}")
        if node.columns:
            raise Unsupported(f"{node.name} AS {node.alias} (…): a table keeps the names of its columns")
        source = table_source(shown, node.alias or (node.name if versioned else None))
        if node.alias is None and shown.ref is not None:
            source.written = node.name
        scope.sources.append(source)
        renamed = source.name != shown.alias
        return f"{quoted(shown.alias)}{f' AS {quoted(source.name)}' if renamed else ''}"

    def _query(self, node: nodes.TableQuery, scope: Scope) -> str:
        outer = Scope(scope.context, scope.parent, tables=scope.tables)  # not beside its neighbours
        sql, fields = self._queries.query(node.query, outer)
        alias = node.alias or f"hf:{len(scope.sources)}"
        if len(node.columns) > len(fields):
            raise SqlError(f"{alias} names {len(node.columns)} columns, and its query has {len(fields)}")
        if node.columns:  # SQLite has no names for the columns of a query in FROM
            scope.sources.append(Source(alias, distinct_fields(fields, node.columns)))
            names = ", ".join(quoted(field.name) for field in scope.sources[-1].fields)
            name = quoted(f"hf:{alias}")
            return f"(WITH {name} ({names}) AS ({sql}) SELECT * FROM {name}) AS {quoted(alias)}"
        scope.sources.append(Source(alias, fields))
        return f"({sql}) AS {quoted(alias)}"

    def _join(self, node: nodes.Join, scope: Scope, *, versioned: bool) -> str:
        left = self.translate(node.left, scope, versioned=versioned)
        count = len(scope.sources)
        right = self.translate(node.right, scope, versioned=versioned)
        mine, others = scope.sources[:count], scope.sources[count:]
        names = {source.name.lower() for source in mine}
        for source in others:
            if source.name.lower() in names:
                raise SqlError(f"table name {source.name!r} is there twice in FROM; give one of them an alias")
        if isinstance(node.right, nodes.Join):
            right = f"({right})"
        shared = {name.lower() for name in node.using}
        if node.kind.startswith("natural"):
            seen = {field.name.lower() for source in mine for field in source.fields}
            shared = {field.name.lower() for source in others for field in source.fields} & seen
        for source in others:
            source.merged = source.merged | (shared & {field.name.lower() for field in source.fields})
        _let_be_null(node.kind, mine, others)
        condition = ""
        if node.on is not None:
            condition = f" ON {self._queries.expressions.condition(node.on, scope)}"
        elif node.using:
            condition = f" USING ({', '.join(map(quoted, node.using))})"
        word = ", " if node.kind == "," else f" {node.kind.upper()} "
        return f"{left}{word}{right}{condition}"

    # Functions

    def _function(self, node: nodes.TableCall, scope: Scope) -> str:
        name = node.call.name.lower()
        arguments = [] if name in SYNTAXES else self._queries.expressions.all(node.call.arguments, scope)
        alias = node.alias or name
        if name in SYNTAXES:  # what is searched for has a name, and is no table
            scope.sources.append(Source(alias, [], query=node.call))
            return f"(SELECT 1) AS {quoted(alias)}"
        if name == "generate_series":
            return self._series(node, arguments, alias, scope)
        if name in ("json_each", "json_tree"):
            fields = [Field(column) for column in _SQLITE_COLUMNS]
            scope.sources.append(Source(alias, fields))
            return f"{name}({sql_list(arguments)}) AS {quoted(alias)}"
        if name not in _EACH:
            raise Unsupported(f"{name}() in FROM is not supported; jsonb_array_elements() and generate_series() are")
        if name == "unnest" and len(arguments) > 1:
            return self._side_by_side(node, arguments, alias, scope)
        if len(arguments) != 1:
            raise SqlError(f"{name}() in FROM takes one value")
        (value,) = arguments
        if name == "unnest":
            value = _list_of(value, scope.context.places)
        columns = _EACH[name]
        names = [node.columns[at] if at < len(node.columns) else column for at, (column, _, _) in enumerate(columns)]
        if len(columns) == 1 and not node.columns and node.alias is not None:
            names = [node.alias]
        quoted_alias = quoted(alias)
        fields = [
            Field(shown, type_, sql=sql.format(a=quoted_alias))
            for shown, (_, sql, type_) in zip(names, columns, strict=True)
        ]
        if node.ordinality:
            place = node.columns[len(columns)] if len(node.columns) > len(columns) else "ordinality"
            fields.append(Field(place, INTEGER, not_null=True, sql=f"({quoted_alias}.key + 1)"))
        scope.sources.append(Source(alias, fields, view=FUNCTION))
        return f"json_each({value.sql}) AS {quoted_alias}"

    def _side_by_side(self, node: nodes.TableCall, arguments: list[Typed], alias: str, scope: Scope) -> str:
        """unnest(a, b) AS t(x, y): the items of several lists, each with its neighbour."""
        lists = [_list_of(value, scope.context.places) for value in arguments]
        names = [node.columns[at] if at < len(node.columns) else f"unnest{at or ''}" for at in range(len(lists))]
        scope.sources.append(Source(alias, [Field(name) for name in names]))
        columns = ", ".join(f"l{at}.value AS {quoted(name)}" for at, name in enumerate(names))
        first, *others = [f"json_each({value.sql}) AS l{at}" for at, value in enumerate(lists)]
        joined = "".join(f" FULL JOIN {other} ON l{at}.key = l0.key" for at, other in enumerate(others, start=1))
        return f"(SELECT {columns} FROM {first}{joined}) AS {quoted(alias)}"

    def _series(self, node: nodes.TableCall, arguments: list[Typed], alias: str, scope: Scope) -> str:
        """generate_series(first, last[, step]) as a recursive query: it cannot use its neighbours' columns."""
        if not 2 <= len(arguments) <= 3:
            raise SqlError("generate_series() takes a first and a last value, and perhaps a step")
        first, last = arguments[:2]
        step = arguments[2] if len(arguments) > 2 else Typed("1", INTEGER)
        type_: ColumnType | None = first.type if first.type is not None else INTEGER
        following = f"value + {step.sql}"
        if first.kind in MOMENTS or step.kind is INTERVAL.kind:
            places = scope.context.places
            first, last = (
                adapt(first, TIMESTAMP, places, "generate_series"),
                adapt(last, TIMESTAMP, places, "generate_series"),
            )
            following, type_ = f"hf_shift(value, {step_months(step)}, {step.sql})", TIMESTAMP
        column = node.columns[0] if node.columns else node.alias or "generate_series"
        # Which way it goes may only be known when it runs.
        counted = f"hf_step({step.sql}, {step_months(step)})"
        scope.sources.append(Source(alias, [Field(column, type_, not_null=True)]))
        return (
            f"(WITH RECURSIVE {_SERIES}(value) AS (SELECT {first.sql}"
            f" WHERE {_not_beyond(first.sql, last.sql, counted)} UNION ALL SELECT {following} FROM {_SERIES}"
            f" WHERE {_not_beyond(following, last.sql, counted)})"
            f" SELECT value AS {quoted(column)} FROM {_SERIES}) AS {quoted(alias)}"
        )


def step_months(step: Typed) -> int:
    """Return the months in the step of a series."""
    return step.node.months if isinstance(step.node, nodes.Interval) else 0


def _not_beyond(value: str, last: str, step: str) -> str:
    return f"iif({step} > 0, {value} <= {last}, {value} >= {last})"


def _list_of(value: Typed, places: list[Place]) -> Typed:
    """Return what UNNEST goes over: a list as a parameter, or an array, as JSON."""
    if isinstance(value.node, nodes.Parameter):
        places[value.node.number - 1] = Place(value.type, "UNNEST", many=True)
        return value
    if value.type is not JSON and value.kind is not JSON.kind:
        raise Unsupported("UNNEST is only supported of a parameter that is a list, and of ARRAY[...]")
    return value


def _let_be_null(kind: str, left: list[Source], right: list[Source]) -> None:
    """An outer join shows NULL where it found no row."""
    nullable = (right if "left" in kind or "full" in kind else []) + (left if "right" in kind or "full" in kind else [])
    for source in nullable:
        source.fields = [Field(field.name, field.type, not_null=False, sql=field.sql) for field in source.fields]
