"""Expressions in SQLite's words, by the kind of their node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from holdfast.core.types import ColumnType, Kind
from holdfast.engine.sql import nodes
from holdfast.engine.sql.layout import literal, quoted
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.translate.calls import translate_call
from holdfast.engine.sql.translate.casts import cast, column_type
from holdfast.engine.sql.translate.operators import binary, compare
from holdfast.engine.sql.translate.scope import Scope
from holdfast.engine.sql.translate.searches import search_condition
from holdfast.engine.sql.translate.typed import (
    BLOB,
    BOOLEAN,
    INTEGER,
    INTERVAL,
    JSON,
    NUMBERS,
    REAL,
    TEXT,
    TIMESTAMP,
    Place,
    Typed,
    adapt,
    common_type,
    compared,
    plain,
    refuse_order_of_json,
    sql_list,
    united,
    written,
)
from holdfast.errors import SqlError, Unsupported

TRANSLATED_LENGTH_MAX = 10_000_000
"""Some operators are said by naming an operand twice: nested in each other they would grow without end."""

QueryTranslator = Callable[[nodes.Query, Scope], tuple[str, list[ColumnType | None]]]


class Expressions:
    """Translates expressions. Queries in them are handed to `translate_query`."""

    def __init__(self, translate_query: QueryTranslator) -> None:
        self._translate_query = translate_query

    def translate(self, node: Node, scope: Scope) -> Typed:
        """Return an expression in SQLite's words, with its type.

        Raises:
            Unsupported: it cannot be said faithfully; the message names the part.
            InvalidValue: a literal is no value of the type beside it.
            SqlError: it makes no sense.
        """
        found: Typed = getattr(self, f"_{type(node).__name__.lower()}")(node, scope)
        if len(found.sql) > TRANSLATED_LENGTH_MAX:
            raise SqlError(
                f"the statement becomes longer than {TRANSLATED_LENGTH_MAX} characters in SQLite's words; compute its"
                " parts in common tables"
            )
        return found

    def all(self, parts: Sequence[Node], scope: Scope) -> list[Typed]:
        """Return several expressions."""
        return [self.translate(part, scope) for part in parts]

    def condition(self, node: Node, scope: Scope) -> str:
        """Return a condition."""
        return adapt(self.translate(node, scope), BOOLEAN, scope.context.places, "a condition").sql

    # Values

    def _null(self, node: nodes.Null, _scope: Scope) -> Typed:
        return Typed("NULL", None, node)

    def _truth(self, node: nodes.Truth, _scope: Scope) -> Typed:
        return Typed("1" if node.value else "0", BOOLEAN, node, not_null=True)

    def _number(self, node: nodes.Number, _scope: Scope) -> Typed:
        whole = node.text.lstrip("-")
        is_whole = whole.isdigit() or whole[:2].lower() == "0x"
        text = f"({node.text})" if node.text.startswith("-") else node.text
        return Typed(text, INTEGER if is_whole else REAL, node, not_null=True)

    def _text(self, node: nodes.Text, _scope: Scope) -> Typed:
        return Typed(literal(node.value), TEXT, node, not_null=True)

    def _bytes(self, node: nodes.Bytes, _scope: Scope) -> Typed:
        return Typed(node.text, BLOB, node, not_null=True)

    def _typed(self, node: nodes.Typed, scope: Scope) -> Typed:
        return cast(Typed(literal(node.value), TEXT, nodes.Text(node.value)), node.type, scope.context.places)

    def _interval(self, node: nodes.Interval, _scope: Scope) -> Typed:
        return Typed(str(node.us), INTERVAL, node, not_null=True)

    def _parameter(self, node: nodes.Parameter, scope: Scope) -> Typed:
        return Typed(scope.context.parameter(node.number), None, node)

    def _name(self, node: nodes.Name, scope: Scope) -> Typed:
        source = scope.whole_source(node.name) if node.table is None else None
        if source is not None and len(source.fields):
            return scope.column(nodes.Name(source.fields[0].name, source.name))
        if node.table == "":
            raise SqlError("DEFAULT stands where it has no meaning")
        return scope.column(node)

    def _star(self, _node: nodes.Star, _scope: Scope) -> Typed:
        raise SqlError("'*' stands where a value is expected")

    def _row(self, node: nodes.Row, scope: Scope) -> Typed:
        return Typed(f"({sql_list(self.all(node.items, scope))})", None, node)

    def _array(self, node: nodes.Array, scope: Scope) -> Typed:
        parts = self.all(node.items, scope)
        return Typed(f"json_array({sql_list(parts)})", JSON, node, not_null=True)

    # Operators

    def _unary(self, node: nodes.Unary, scope: Scope) -> Typed:
        if node.operator == "not":
            return Typed(f"(NOT {self.condition(node.operand, scope)})", BOOLEAN, node)
        operand = self.translate(node.operand, scope)
        if node.operator == "-":
            return binary("-", Typed("0", INTEGER, nodes.Number("0")), operand, scope.context.places)
        return Typed(f"(~{operand.sql})", operand.type, node)

    def _binary(self, node: nodes.Binary, scope: Scope) -> Typed:
        """Translate a chain such as a + b + c + ... from its left end, without going as deep as it is long."""
        chain: list[nodes.Binary] = []
        at: Node = node
        if node.operator == "@@":
            return search_condition(node, scope)
        while isinstance(at, nodes.Binary) and at.operator != "@@":
            chain.append(at)
            at = at.left
        left = self.translate(at, scope)
        for part in reversed(chain):
            left = self._joined(part, left, scope)
        return left

    def _joined(self, node: nodes.Binary, left: Typed, scope: Scope) -> Typed:
        places = scope.context.places
        if node.operator in ("and", "or"):
            mine = adapt(left, BOOLEAN, places, "a condition").sql
            other = self.condition(node.right, scope)
            return Typed(f"({mine} {node.operator.upper()} {other})", BOOLEAN, node)
        if isinstance(node.right, nodes.Interval):
            right = Typed(str(node.right.us), INTERVAL, node.right)
        else:
            right = self.translate(node.right, scope)
        if isinstance(node.left, nodes.Row):
            return self._row_comparison(node, scope)
        found = binary(node.operator, left, right, places)
        return Typed(found.sql, found.type, node, found.not_null)

    def _row_comparison(self, node: nodes.Binary, scope: Scope) -> Typed:
        """(a, b) < (c, d): each value is brought into the form of the one it is compared with."""
        if not isinstance(node.left, nodes.Row) or not isinstance(node.right, (nodes.Row, nodes.Subquery)):
            raise SqlError(f"a row is compared with a row, not with {written(node.right)}")
        left = self.all(node.left.items, scope)
        if isinstance(node.right, nodes.Subquery):
            right = self.translate(node.right, scope)
            return Typed(f"(({sql_list(left)}) {_IS_WORDS.get(node.operator, node.operator)} {right.sql})", BOOLEAN)
        pairs = self._paired(left, self.all(node.right.items, scope), scope)
        mine, others = ", ".join(compared(a) for a, _ in pairs), ", ".join(b.sql for _, b in pairs)
        return Typed(f"(({mine}) {_IS_WORDS.get(node.operator, node.operator)} ({others}))", BOOLEAN, node)

    def _paired(self, left: list[Typed], right: list[Typed], scope: Scope) -> list[tuple[Typed, Typed]]:
        if len(left) != len(right):
            raise SqlError(f"a row of {len(left)} values is compared with one of {len(right)}")
        places = scope.context.places
        pairs: list[tuple[Typed, Typed]] = []
        for a, b in zip(left, right, strict=True):
            to = common_type((a, b))
            pairs.append((adapt(a, to, places, written(b.node)), adapt(b, to, places, written(a.node))))
        return pairs

    def _is(self, node: nodes.Is, scope: Scope) -> Typed:
        word = {"unknown": "NULL"}.get(node.what, node.what.upper())
        operand = self.translate(node.operand, scope)
        if word != "NULL":
            operand = adapt(operand, BOOLEAN, scope.context.places, "a condition")
        if isinstance(node.operand, nodes.Row):
            raise Unsupported("IS NULL of a row is not supported: ask for its values")
        return Typed(f"({operand.sql} IS {'NOT ' * node.negated}{word})", BOOLEAN, node, not_null=True)

    def _between(self, node: nodes.Between, scope: Scope) -> Typed:
        parts = self.all((node.operand, node.low, node.high), scope)
        for part in parts:
            refuse_order_of_json(part)
        operand, low_value, high_value = self._alike(parts, scope, written(node.operand))
        word = "NOT BETWEEN" if node.negated else "BETWEEN"
        found = f"{compared(operand)} {word} {low_value.sql} AND {high_value.sql}"
        if node.symmetric:
            either = "AND" if node.negated else "OR"
            found = f"{found} {either} {compared(operand)} {word} {high_value.sql} AND {low_value.sql}"
        return Typed(f"({found})", BOOLEAN, node)

    def _alike(self, parts: Sequence[Typed], scope: Scope, where: str) -> list[Typed]:
        """Return parts in the form of the type that they have in common."""
        to = common_type(parts)
        places = scope.context.places
        if to is None:
            return list(parts)
        computed_text = to.kind is Kind.TEXT and not parts[0].is_column
        return [
            self._no_number(part, where, places) if computed_text else adapt(part, to, places, where) for part in parts
        ]

    @staticmethod
    def _no_number(part: Typed, where: str, places: list[Place]) -> Typed:
        if isinstance(part.node, nodes.Parameter):
            places[part.node.number - 1] = Place(None, where, no_number=True)
        return part

    def _in(self, node: nodes.In, scope: Scope) -> Typed:
        word = "NOT IN" if node.negated else "IN"
        if isinstance(node.operand, nodes.Row):
            return self._row_in(node, word, scope)
        operand = self.translate(node.operand, scope)
        if node.many:
            return self._in_list(operand, node.items[0], word, scope)
        if len(node.items) == 1 and isinstance(node.items[0], nodes.Subquery):
            inner = self.translate(node.items[0], scope)
            operand = adapt(operand, inner.type, scope.context.places, "the query of IN")
            return Typed(f"({compared(operand)} {word} {inner.sql})", BOOLEAN, node)
        items = self.all(node.items, scope)
        _refuse_text_as_number(operand, items)
        mine, *others = self._alike([operand, *items], scope, written(node.operand))
        return Typed(f"({compared(mine)} {word} ({sql_list(others)}))", BOOLEAN, node)

    def _row_in(self, node: nodes.In, word: str, scope: Scope) -> Typed:
        assert isinstance(node.operand, nodes.Row)
        left = self.all(node.operand.items, scope)
        if len(node.items) == 1 and isinstance(node.items[0], nodes.Subquery):
            return Typed(f"(({sql_list(left)}) {word} {self.translate(node.items[0], scope).sql})", BOOLEAN, node)
        rows: list[str] = []
        for item in node.items:
            if not isinstance(item, nodes.Row):
                raise SqlError("the items of (a, b) IN (...) are rows: ((1, 2), (3, 4))")
            pairs = self._paired(left, self.all(item.items, scope), scope)
            rows.append(f"({sql_list([other for _, other in pairs])})")
        return Typed(f"(({sql_list(left)}) {word} (VALUES {', '.join(rows)}))", BOOLEAN, node)

    def _in_list(self, operand: Typed, of: Node, word: str, scope: Scope) -> Typed:
        """IN %s and = ANY(%s): the parameter is a list, handed over as JSON."""
        if not isinstance(of, nodes.Parameter):
            raise Unsupported(f"{word} {written(of)} is not supported: write IN (...)")
        type_ = plain(operand.type)
        scope.context.places[of.number - 1] = Place(type_, written(operand.node), many=True)
        values = f"(SELECT value FROM json_each({scope.context.parameter(of.number)}))"
        return Typed(f"({compared(operand)} {word} {values})", BOOLEAN)

    def _quantified(self, node: nodes.Quantified, scope: Scope) -> Typed:
        if (node.operator, node.every) not in (("=", False), ("<>", True)):
            raise Unsupported(
                f"{node.operator} {'ALL' if node.every else 'ANY'} (...) is not supported: compare with the min() or"
                " max() of the query"
            )
        of = node.of.operand if isinstance(node.of, nodes.Cast) else node.of
        if isinstance(of, nodes.Parameter):
            return self._in_list(self.translate(node.operand, scope), of, "NOT IN" if node.every else "IN", scope)
        if isinstance(of, nodes.Text):
            items: tuple[Node, ...] = tuple(map(nodes.Text, _array_items(of.value)))
        elif isinstance(of, nodes.Array):
            items = of.items
        elif isinstance(of, nodes.Subquery):
            items = (of,)
        else:
            raise Unsupported(f"ANY ({written(of)}) is not supported: arrays are JSONB here; use a list as a parameter")
        return self._in(nodes.In(node.operand, items, node.every), scope)

    def _like(self, node: nodes.Like, scope: Scope) -> Typed:
        operand, pattern = self.translate(node.operand, scope), self.translate(node.pattern, scope)
        word = "NOT " * node.negated
        if node.operator == "glob":
            return Typed(f"({operand.sql} {word}GLOB {pattern.sql})", BOOLEAN, node)
        left, right = operand.sql, pattern.sql
        if node.operator == "ilike":
            left, right = f"lower({left})", f"lower({right})"
        if node.escape is not None:
            escape = f" ESCAPE {self.translate(node.escape, scope).sql}"
        else:  # PostgreSQL's own escape; leaving it out lets an index be used
            needless = isinstance(node.pattern, nodes.Text) and "\\" not in node.pattern.value
            escape = "" if needless else " ESCAPE '\\'"
        return Typed(f"({left} {word}LIKE {right}{escape})", BOOLEAN, node)

    # CASE, casts and calls

    def _case(self, node: nodes.Case, scope: Scope) -> Typed:
        results = self.all([result for _, result in node.whens], scope)
        results += [self.translate(node.otherwise, scope)] if node.otherwise is not None else []
        to = common_type(results)
        adapted = [united(result, to, scope.context.places, "a result of CASE") for result in results]
        parts = ["CASE"]
        if node.operand is None:
            conditions = [self.condition(condition, scope) for condition, _ in node.whens]
        else:
            operand = self.translate(node.operand, scope)
            conditions = [
                compare("=", operand, self.translate(value, scope), scope.context.places).sql for value, _ in node.whens
            ]
        for condition, result in zip(conditions, adapted, strict=False):
            parts.append(f"WHEN {condition} THEN {result.sql}")
        if node.otherwise is not None:
            parts.append(f"ELSE {adapted[-1].sql}")
        return Typed(f"{' '.join(parts)} END", to, node)

    def _cast(self, node: nodes.Cast, scope: Scope) -> Typed:
        if isinstance(node.operand, nodes.Interval) and node.type.name == "interval":
            return self.translate(node.operand, scope)
        found = cast(self.translate(node.operand, scope), node.type, scope.context.places)
        kept = found.node if isinstance(found.node, nodes.Parameter) else node
        return Typed(found.sql, found.type, kept, found.not_null)

    def _attimezone(self, node: nodes.AtTimeZone, scope: Scope) -> Typed:
        zone = node.zone.value if isinstance(node.zone, nodes.Text) else None
        if zone is None or zone.upper() not in ("UTC", "GMT", "Z"):
            raise Unsupported("AT TIME ZONE is only supported for 'UTC': all moments are kept in UTC")
        operand = self.translate(node.operand, scope)
        return adapt(operand, TIMESTAMP, scope.context.places, "AT TIME ZONE")

    def _collate(self, node: nodes.Collate, scope: Scope) -> Typed:
        if node.name.lower() not in ("c", "posix", "binary", "nocase", "ucs_basic"):
            raise Unsupported(f'COLLATE "{node.name}" is not supported: text is ordered by its code points ("C")')
        name = "NOCASE" if node.name.lower() == "nocase" else "BINARY"
        operand = self.translate(node.operand, scope)
        return Typed(f"({operand.sql} COLLATE {name})", operand.type, node)

    def _call(self, node: nodes.Call, scope: Scope) -> Typed:
        return translate_call(self, node, scope)

    def over(self, window: nodes.Window, scope: Scope) -> str:
        """Return what follows OVER."""
        bare = not window.partition and not window.order and not window.frame
        return quoted(window.name) if window.name is not None and bare else f"({self.window(window, scope)})"

    def window(self, window: nodes.Window, scope: Scope) -> str:
        """Return the definition of a window."""
        parts = [quoted(window.name)] if window.name is not None else []
        if window.partition:
            parts.append(f"PARTITION BY {sql_list(self.all(window.partition, scope))}")
        if window.order:
            parts.append(f"ORDER BY {self.order(window.order, scope)}")
            self._refuse_distances(window, scope)
        return " ".join([*parts, window.frame]).strip()

    def _refuse_distances(self, window: nodes.Window, scope: Scope) -> None:
        """RANGE BETWEEN 5 PRECEDING counts from values, which have to be numbers for SQLite."""
        words = window.frame.lower().split()
        if words[:1] == ["range"] and any(word[0].isdigit() for word in words):
            ordered = self.translate(window.order[0].expression, scope)
            if ordered.kind not in (Kind.INTEGER, Kind.REAL, None):
                raise Unsupported(
                    f"a RANGE frame that counts from {written(ordered.node)}, a {ordered.kind}, is not supported: use"
                    " ROWS, or order by a float"
                )

    def order(self, items: Sequence[nodes.OrderItem], scope: Scope, outputs: Sequence[Typed] = ()) -> str:
        """Return the items of ORDER BY; `outputs` are the columns that a number names."""
        return ", ".join(self._order_item(item, scope, outputs) for item in items)

    def _order_item(self, item: nodes.OrderItem, scope: Scope, outputs: Sequence[Typed]) -> str:
        found = self.ordered(item.expression, scope, outputs)
        refuse_order_of_json(found)
        direction = " DESC" if item.descending else ""
        nulls_first = item.descending if item.nulls_first is None else item.nulls_first
        # SQLite's own order needs no word, and none is needed where there is no NULL: an index is used either way
        usual = found.not_null or nulls_first is not item.descending
        return f"{compared(found)}{direction}{'' if usual else ' NULLS FIRST' if nulls_first else ' NULLS LAST'}"

    def ordered(self, node: Node, scope: Scope, outputs: Sequence[Typed]) -> Typed:
        """Return what an item of ORDER BY orders by: a column of the result by its number or name, or an expression."""
        if isinstance(node, nodes.Number) and node.is_whole and outputs:
            at = int(node.text, 0)
            if not 1 <= at <= len(outputs):
                raise SqlError(f"ORDER BY {at}: the result has {len(outputs)} columns")
            return Typed(node.text, outputs[at - 1].type, node, not_null=outputs[at - 1].not_null)
        if outputs and isinstance(node, nodes.Name) and node.table is None and node.name.lower() in scope.outputs:
            output = scope.outputs[node.name.lower()]
            return Typed(quoted(node.name), output.type, node, not_null=output.not_null)
        return self.translate(node, scope)

    # Queries

    def _subquery(self, node: nodes.Subquery, scope: Scope) -> Typed:
        sql, types = self._translate_query(node.query, scope)
        return Typed(f"({sql})", types[0] if len(types) == 1 else None, node)

    def _exists(self, node: nodes.Exists, scope: Scope) -> Typed:
        sql, _ = self._translate_query(node.query, scope)
        return Typed(f"EXISTS ({sql})", BOOLEAN, node, not_null=True)

    def type_named(self, name: nodes.TypeName) -> ColumnType:
        """Return the type of a cast."""
        return column_type(name)


_IS_WORDS = {"is distinct from": "IS NOT", "is not distinct from": "IS"}


def _refuse_text_as_number(operand: Typed, items: Sequence[Typed]) -> None:
    if operand.kind is not Kind.TEXT or operand.is_column or operand.is_open:
        return
    for item in items:
        if item.kind in NUMBERS:
            compare("=", operand, item, [])


def _array_items(text: str) -> list[str]:
    """Return the items of '{a,b}'."""
    if not (text.startswith("{") and text.endswith("}")):
        raise SqlError(f"{text!r} is no array; write it as {{a,b}}, or pass a list")
    inner: Any = text[1:-1]
    return [item.strip().strip('"') for item in inner.split(",")] if inner else []
