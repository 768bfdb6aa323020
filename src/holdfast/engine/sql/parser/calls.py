"""Calls of functions: their arguments, FILTER and OVER, and those that have a grammar of their own."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from holdfast.engine.sql import nodes
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.parser.operands import OperandParser
from holdfast.engine.sql.parser.operators import LIKE
from holdfast.engine.sql.tokens import TokenKind
from holdfast.errors import Unsupported

_PERCENTILES = ("percentile_cont", "percentile_disc")


class CallParser(OperandParser):
    """Reads calls, ORDER BY and windows."""

    def call(self, name: str | None = None) -> Node:
        """Read the call of a function, from its name on, or from its parenthesis on if `name` is given."""
        name = self.next().name.lower() if name is None else name
        special = _SPECIAL.get(name)
        if special is not None:
            return self.parenthesised(lambda: special(self))
        call = self.parenthesised(lambda: self._arguments(name))
        if self.take("within", "group"):
            call = self._within_group(call)
        if self.peek().is_word("filter") and self.peek(1).is_symbol("("):
            self.next()
            call = msgspec.structs.replace(call, where=self.parenthesised(self._filter))
        return msgspec.structs.replace(call, over=self._over()) if self.take("over") else call

    def _arguments(self, name: str) -> nodes.Call:
        if self.peek().is_symbol(")"):
            return nodes.Call(name)
        if self.peek().is_symbol("*") and self.peek(1).is_symbol(")"):
            self.next()
            return nodes.Call(name, star=True)
        distinct = self.take("distinct")
        if not distinct:
            self.take("all")
        if self.at_query():
            return nodes.Call(name, (nodes.Subquery(self.query()),))
        given = self.listed(self._argument)
        arguments = tuple(value for key, value in given if key is None)
        named = tuple((key, value) for key, value in given if key is not None)
        return nodes.Call(name, arguments, distinct=distinct, order=self.order_clause(), named=named)

    def _argument(self) -> tuple[str | None, Node]:
        if self.peek().is_name and self.peek(1).is_symbol("=>"):
            key = self.next().name.lower()
            self.next()
            return key, self.expression()
        return None, self.expression()

    def _within_group(self, call: nodes.Call) -> nodes.Call:
        item, *others = self.parenthesised(self._order_of_group)
        if call.name.lower() not in _PERCENTILES or others:
            raise Unsupported(f"{call.name.upper()} ... WITHIN GROUP is not supported; percentile_cont(0.95) is")
        if item.descending or item.nulls_first is not None:
            raise Unsupported(
                f"{call.name.upper()} ... WITHIN GROUP (ORDER BY ... DESC) is not supported: count from 1"
            )
        return nodes.Call(call.name, (*call.arguments, item.expression))

    def _order_of_group(self) -> tuple[nodes.OrderItem, ...]:
        order = self.order_clause()
        if not order:
            raise self.unexpected("ORDER BY is expected")
        return order

    def _filter(self) -> Node:
        self.expect("where")
        return self.expression()

    def order_clause(self) -> tuple[nodes.OrderItem, ...]:
        """Read ORDER BY with its items, if it comes next."""
        return tuple(self.listed(self._order_item)) if self.take("order", "by") else ()

    def _order_item(self) -> nodes.OrderItem:
        expression = self.expression()
        descending = self.take("desc")
        if not descending:
            self.take("asc")
        if self.take("using"):
            raise Unsupported("ORDER BY ... USING is not supported: write ASC or DESC")
        nulls_first = None
        if self.take("nulls"):
            nulls_first = self.take("first")
            if not nulls_first:
                self.expect("last")
        return nodes.OrderItem(expression, descending, nulls_first)

    def _over(self) -> nodes.Window:
        if not self.peek().is_symbol("("):
            return nodes.Window(self.name("the name of a window"))
        return self.parenthesised(self.window)

    def window(self) -> nodes.Window:
        """Read the definition of a window, without its parentheses."""
        words = ("partition", "order", "rows", "range", "groups")
        name = self.name("a window") if self.peek().is_name and not self.peek().is_word(*words) else None
        partition = tuple(self.expressions()) if self.take("partition", "by") else ()
        order = self.order_clause()
        start = self.at
        while self.at < len(self.tokens) and not self.peek().is_symbol(")"):
            if self.peek().kind not in (TokenKind.WORD, TokenKind.NUMBER):
                raise Unsupported(f"the frame of a window takes words and numbers, not {self.peek().text!r}")
            self.next()
        frame = self.text_since(start) if self.at > start else ""
        return nodes.Window(name, partition, order, frame)


# Functions with a grammar of their own


def _extract(parser: CallParser) -> Node:
    field = parser.next()
    name = field.text[1:-1] if field.kind is TokenKind.STRING else field.name
    parser.expect("from")
    return nodes.Call("extract", (nodes.Text(name.lower()), parser.expression()))


def _position(parser: CallParser) -> Node:
    part = parser.expression(LIKE)  # IN is no operator here
    if parser.symbol(","):
        return nodes.Call("strpos", (part, parser.expression()), shown="position")
    parser.expect("in")
    return nodes.Call("strpos", (parser.expression(), part), shown="position")


def _substring(parser: CallParser) -> Node:
    text = parser.expression()
    if parser.symbol(","):
        return nodes.Call("substr", (text, *parser.expressions()), shown="substring")
    start = parser.expression() if parser.take("from") else nodes.Number("1")
    if isinstance(start, nodes.Text):
        return nodes.Call("regexp_substr", (text, start), shown="substring")
    length = (parser.expression(),) if parser.take("for") else ()
    return nodes.Call("substr", (text, start, *length), shown="substring")


def _trim(parser: CallParser) -> Node:
    side = parser.next().value if parser.peek().is_word("both", "leading", "trailing") else "both"
    name = {"both": "btrim", "leading": "ltrim", "trailing": "rtrim"}[side]
    if parser.take("from"):
        return nodes.Call(name, (parser.expression(),))
    first = parser.expression()
    if parser.take("from"):
        return nodes.Call(name, (parser.expression(), first))
    return nodes.Call(name, (first, *(parser.expressions() if parser.symbol(",") else ())))


def _overlay(_parser: CallParser) -> Node:
    raise Unsupported("OVERLAY is not supported: put the text together with substr() and ||")


def _grouping(_parser: CallParser) -> Node:
    raise Unsupported("GROUPING is not supported: there are no grouping sets")


_SPECIAL: dict[str, Callable[[CallParser], Node]] = {
    "extract": _extract,
    "position": _position,
    "substring": _substring,
    "trim": _trim,
    "overlay": _overlay,
    "grouping": _grouping,
}
