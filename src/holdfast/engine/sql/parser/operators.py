"""Expressions: operators between operands, with PostgreSQL's precedence (its manual, section 4.1.6)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from holdfast.engine.sql import nodes
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.parser.stream import TokenStream
from holdfast.engine.sql.tokens import Token, TokenKind
from holdfast.errors import SqlError, Unsupported

NESTED_MAX = 100
"""How deep expressions may stand in each other: an operand of an operator counts, and so does a parenthesis."""

CHAINED_MAX = 800
"""How many operators may follow each other: SQLite goes as deep as an expression is long, and no deeper than 1000."""

_OR, _AND, _NOT, _IS, _COMPARISON, LIKE, _OTHER, _SUM, _PRODUCT, _POWER, _ZONE, _SIGN = range(1, 13)
"""How strongly operators bind, from the weakest to the strongest."""

_SYMBOLS = {
    **dict.fromkeys(("=", "==", "<>", "!=", "<", ">", "<=", ">="), _COMPARISON),
    **dict.fromkeys(("||", "->", "->>", "#>", "#>>", "@>", "<@", "@@", "?"), _OTHER),
    **dict.fromkeys(("<->", "<=>", "<#>", "&", "|", "#", "<<", ">>"), _OTHER),
    **dict.fromkeys(("~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*"), _OTHER),
    **dict.fromkeys(("+", "-"), _SUM),
    **dict.fromkeys(("*", "/", "%"), _PRODUCT),
    "^": _POWER,
}
_SAME = {"==": "=", "!=": "<>"}
_LIKE_SYMBOLS = {"~~": "like", "~~*": "ilike", "!~~": "like", "!~~*": "ilike"}
_LIKE_WORDS = ("like", "ilike", "glob")


class OperatorParser(TokenStream, ABC):
    """Reads expressions. Their operands are read by its subclasses."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        super().__init__(tokens)
        self._depth = 0

    @abstractmethod
    def operand(self) -> Node:
        """Read what stands between operators."""

    @abstractmethod
    def type_name(self) -> nodes.TypeName:
        """Read the name of a type, with its sizes."""

    @abstractmethod
    def query(self) -> nodes.Query:
        """Read a query."""

    def at_query(self, ahead: int = 0) -> bool:
        """Tell whether a query comes next, or after some tokens."""
        return self.peek(ahead).is_word("select", "with", "values")

    def expression(self, binding: int = 0) -> Node:
        """Read an expression whose operators bind more strongly than `binding`."""
        self._depth += 1
        if self._depth > NESTED_MAX:
            raise SqlError(f"expressions stand in each other more than {NESTED_MAX} deep")
        try:
            found = self._prefix(binding)
            count = 0
            while (after := self._infix(found, binding)) is not None:
                found = after
                count += 1
                if count > CHAINED_MAX:
                    raise SqlError(
                        f"more than {CHAINED_MAX} operators follow each other; use IN (...), parameters, or several"
                        " statements"
                    )
            return found
        finally:
            self._depth -= 1

    def expressions(self) -> list[Node]:
        """Read expressions between commas."""
        return self.listed(self.expression)

    def _prefix(self, binding: int) -> Node:
        if binding <= _NOT and self.take("not"):
            return nodes.Unary("not", self.expression(_NOT))
        if self.symbol("-"):
            operand = self.expression(_SIGN)
            if isinstance(operand, nodes.Number) and not operand.text.startswith("-"):
                return nodes.Number(f"-{operand.text}")
            return nodes.Unary("-", operand)
        if self.symbol("+"):
            return self.expression(_SIGN)
        if self.symbol("~"):
            return nodes.Unary("~", self.expression(_OTHER))
        return self._postfix(self.operand())

    def _postfix(self, operand: Node) -> Node:
        while self.symbol("::"):
            operand = nodes.Cast(operand, self.type_name())
        if self.peek().is_symbol("["):
            raise Unsupported("the elements of arrays are not supported: use JSONB, and -> with a number")
        return operand

    def _infix(self, left: Node, binding: int) -> Node | None:
        """Read an operator that binds more strongly than `binding`, and its right side; None if none comes."""
        token = self.peek()
        if token.kind is TokenKind.SYMBOL:
            strength = _SYMBOLS.get(token.text, 0)
            return self._symbol_operator(left, strength) if strength > binding else None
        return self._word_operator(left, token.value, binding) if token.kind is TokenKind.WORD else None

    def _word_operator(self, left: Node, word: str, binding: int) -> Node | None:
        for operator, strength in (("and", _AND), ("or", _OR)):
            if word == operator and binding < strength:
                self.next()
                return nodes.Binary(operator, left, self.expression(strength))
        if word in ("is", "isnull", "notnull") and binding < _IS:
            return self._is(left)
        if binding < LIKE and (found := self._range_or_like(left)) is not None:
            return found
        return self._zone_or_collation(left) if binding < _ZONE else None

    def _symbol_operator(self, left: Node, strength: int) -> Node:
        symbol = self.next().text
        operator = _SAME.get(symbol, symbol)
        if symbol in _LIKE_SYMBOLS:
            negated = symbol.startswith("!")
            return nodes.Like(_LIKE_SYMBOLS[symbol], left, self.expression(strength), None, negated)
        if strength == _COMPARISON and self.peek().is_word("any", "all", "some"):
            every = self.next().value == "all"
            return nodes.Quantified(operator, left, every, self.parenthesised(self._query_or_expression))
        return nodes.Binary(operator, left, self.expression(strength))

    def _query_or_expression(self) -> Node:
        return nodes.Subquery(self.query()) if self.at_query() else self.expression()

    def _is(self, left: Node) -> Node:
        word = self.next().value
        if word != "is":
            return nodes.Is(left, "null", negated=word == "notnull")
        negated = self.take("not")
        if self.take("distinct", "from"):
            right = self.expression(_IS)
            return nodes.Binary("is not distinct from" if negated else "is distinct from", left, right)
        if self.peek().is_word("null", "true", "false", "unknown"):
            return nodes.Is(left, self.next().value, negated)
        if self.peek().is_word("document", "normalized", "json"):
            raise Unsupported(f"IS {self.peek().text.upper()} is not supported")
        # SQLite's own: IS with any operand
        return nodes.Binary("is distinct from" if negated else "is not distinct from", left, self.expression(_IS))

    def _range_or_like(self, left: Node) -> Node | None:
        negated = self.peek().is_word("not") and self.peek(1).is_word("in", "between", "similar", *_LIKE_WORDS)
        self.at += negated
        word = self.peek()
        if self.take("in"):
            return self._in(left, negated=negated)
        if self.take("between"):
            return self._between(left, negated=negated)
        if word.is_word(*_LIKE_WORDS):
            self.next()
            return self._like(word.value, left, negated=negated)
        if word.is_word("overlaps"):
            raise Unsupported("OVERLAPS is not supported: compare the ends, a.start < b.end AND b.start < a.end")
        if word.is_word("similar"):
            raise Unsupported("SIMILAR TO is not supported: use LIKE, or ~ with a regular expression")
        return None

    def _in(self, left: Node, *, negated: bool) -> Node:
        if self.peek().kind is TokenKind.PARAMETER:
            return nodes.In(left, (self.operand(),), negated, many=True)
        return nodes.In(left, self.parenthesised(self._items), negated)

    def _items(self) -> tuple[Node, ...]:
        if self.at_query():
            return (nodes.Subquery(self.query()),)
        return () if self.peek().is_symbol(")") else tuple(self.expressions())

    def _between(self, left: Node, *, negated: bool) -> Node:
        symmetric = self.take("symmetric")
        if not symmetric:
            self.take("asymmetric")
        low = self.expression(LIKE)
        self.expect("and")
        return nodes.Between(left, low, self.expression(LIKE), negated, symmetric)

    def _like(self, word: str, left: Node, *, negated: bool) -> Node:
        if self.peek().is_word("any", "all") and self.peek(1).is_symbol("("):
            raise Unsupported(f"LIKE {self.peek().text.upper()} (...) is not supported: write the patterns with OR")
        pattern = self.expression(LIKE)
        escape = self.expression(LIKE) if self.take("escape") else None
        return nodes.Like(word, left, pattern, escape, negated)

    def _zone_or_collation(self, left: Node) -> Node | None:
        if self.take("at", "time", "zone"):
            return nodes.AtTimeZone(left, self.expression(_ZONE))
        if self.take("collate"):
            return nodes.Collate(left, self.name("a collation"))
        return None
