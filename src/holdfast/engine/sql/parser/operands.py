"""Operands: literals, names, what stands in parentheses, and the words that begin a form of their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from holdfast.core.intervals import parse_interval, unit_named
from holdfast.engine.sql import nodes
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.parser.operators import NESTED_MAX, OperatorParser
from holdfast.engine.sql.parser.stream import RESERVED
from holdfast.engine.sql.tokens import Token, TokenKind, joined
from holdfast.errors import SqlError, Unsupported

_CALLED = frozenset(("left", "right", "glob", "like", "replace", "values"))
"""Reserved words that are functions before a parenthesis."""

_NOW = {"current_timestamp": "now", "localtimestamp": "now", "current_date": "current_date"}
_TYPE_WORDS = ("varying", "precision", "with", "without", "time", "zone")
_TYPED = ("date", "timestamp", "timestamptz", "json", "jsonb", "uuid")
_SIZE_DIGITS_MAX = 9


class OperandParser(OperatorParser):
    """Reads operands. Calls of functions are read by its subclass."""

    @abstractmethod
    def call(self, name: str | None = None) -> Node:
        """Read the call of a function, from its name on, or from its parenthesis on if `name` is given."""

    def operand(self) -> Node:
        """Read what stands between operators."""
        token = self.peek()
        literal = _LITERALS.get(token.kind)
        if literal is not None:
            return literal(self)
        if token.is_symbol("("):
            return self._in_parentheses()
        if self.symbol("*"):
            return nodes.Star()
        if token.is_symbol("?"):
            raise Unsupported("'?' is not supported here: use %s for a parameter")
        if token.is_symbol("["):
            raise Unsupported("[...] is not supported here: put a name into double quotes; a list is ARRAY[...]")
        if not token.is_name:
            raise self.unexpected("a value is expected")
        return self._word(token) if token.kind is TokenKind.WORD else self._name()

    def string(self) -> nodes.Text:
        """Read a string, with those that follow it on lines of their own."""
        text = _unquoted(self.next())
        while self.peek().kind is TokenKind.STRING:
            if "\n" not in self.space_before():
                raise self.unexpected("an operator is expected")
            text += _unquoted(self.next())
        if self.peek().is_symbol("."):
            raise SqlError(f"{joined([self.peek(-1), *self.rest()])[:40]!r}: a name is put into double quotes")
        return nodes.Text(text)

    def _in_parentheses(self) -> Node:
        self.expect("(")
        if self.at_query_in_parentheses(-1):
            found: Node = nodes.Subquery(self.query())
        else:
            items = self.expressions()
            found = items[0] if len(items) == 1 else nodes.Row(tuple(items))
        self.expect(")")
        return found

    def at_query_in_parentheses(self, ahead: int = 0) -> bool:
        """Tell whether the next parenthesis holds a query: ((SELECT ...) UNION ...), and not ((SELECT ...) + 1)."""
        outer = inner = self.at + ahead
        while inner in self.closings and inner - outer <= NESTED_MAX:
            inner += 1
        if not self.at_query(inner - self.at):
            return False
        for at in range(inner - 1, outer, -1):
            following = self.peek(self.closings[at] + 1 - self.at)
            if following.is_word("union", "intersect", "except", "order", "limit", "offset", "fetch"):
                return True
            if not following.is_symbol(")"):
                return False
        return True

    def _word(self, token: Token) -> Node:
        word, following = token.value, self.peek(1)
        form = _FORMS.get(word)
        if form is not None and form[0](following):
            return form[1](self)
        if word == "u" and following.is_symbol("&"):
            raise Unsupported("strings with U&'...' are not supported: use E'\\u00e9', or a parameter")
        called = following.is_symbol("(")
        if following.kind is TokenKind.STRING and word not in RESERVED:
            raise Unsupported(
                f"the string after {token.text!r} stands where a name is expected: put names into double quotes"
            )
        if called and (word not in RESERVED or word in _CALLED):
            return self.call()
        if word in RESERVED:
            raise self.unexpected("a value is expected")
        return self._name()

    def _name(self) -> Node:
        name = self.next().name
        if not self.symbol("."):
            return self.call(name) if self.peek().is_symbol("(") else nodes.Name(name)
        if self.symbol("*"):
            return nodes.Star(name)
        column = self.any_name(f"a column of {name}").name
        if self.peek().is_symbol("("):
            raise Unsupported(f"{name}.{column}(): functions are called without a schema")
        if self.peek().is_symbol("."):
            raise Unsupported(f"{name}.{column}.…: tables are named without a schema")
        return nodes.Name(column, name)

    def type_name(self) -> nodes.TypeName:
        """Read the name of a type, with its sizes."""
        words = [self.any_name("a type").value.lower(), *self._type_words()]
        sizes: tuple[int, ...] = ()
        if self.peek().is_symbol("("):
            sizes = tuple(self.parenthesised(lambda: self.listed(self._size)))
            words += self._type_words()
        many = False
        while self.symbol("["):
            self.expect("]")
            many = True
        return nodes.TypeName(" ".join(words), sizes, many)

    def _type_words(self) -> list[str]:
        words: list[str] = []
        while self.peek().is_word(*_TYPE_WORDS):
            words.append(self.next().value)
        return words

    def _size(self) -> int:
        text = self.peek().text
        if self.peek().kind is not TokenKind.NUMBER or not text.isdigit() or len(text) > _SIZE_DIGITS_MAX:
            raise self.unexpected("the size of a type is expected")
        return int(self.next().text)


def _unquoted(string: Token) -> str:
    return string.text[1:-1].replace("''", "'")


def _number(parser: OperandParser) -> Node:
    return nodes.Number(parser.next().text)


def _parameter(parser: OperandParser) -> Node:
    return nodes.Parameter(int(parser.next().text.removeprefix("?")))


def _bytes(parser: OperandParser) -> Node:
    return nodes.Bytes(parser.next().text)


_LITERALS: dict[TokenKind, Callable[[OperandParser], Node]] = {
    TokenKind.NUMBER: _number,
    TokenKind.STRING: OperandParser.string,
    TokenKind.PARAMETER: _parameter,
    TokenKind.BLOB: _bytes,
}


# Words that begin a form of their own


def _null(parser: OperandParser) -> Node:
    parser.next()
    return nodes.Null()


def _truth(parser: OperandParser) -> Node:
    return nodes.Truth(parser.next().value == "true")


def _case(parser: OperandParser) -> Node:
    parser.next()
    operand = None if parser.peek().is_word("when") else parser.expression()
    whens: list[tuple[Node, Node]] = []
    while parser.take("when"):
        condition = parser.expression()
        parser.expect("then")
        whens.append((condition, parser.expression()))
    if not whens:
        raise parser.unexpected("WHEN is expected")
    otherwise = parser.expression() if parser.take("else") else None
    parser.expect("end")
    return nodes.Case(operand, tuple(whens), otherwise)


def _cast(parser: OperandParser) -> Node:
    parser.next()
    parser.expect("(")
    operand = parser.expression()
    parser.expect("as")
    type_ = parser.type_name()
    parser.expect(")")
    return nodes.Cast(operand, type_)


def _exists(parser: OperandParser) -> Node:
    parser.next()
    return nodes.Exists(parser.parenthesised(parser.query))


def _row(parser: OperandParser) -> Node:
    parser.next()
    return nodes.Row(tuple(parser.parenthesised(parser.expressions)))


def _interval(parser: OperandParser) -> Node:
    parser.next()
    if parser.peek().kind is TokenKind.PARAMETER:
        return nodes.Cast(parser.operand(), nodes.TypeName("interval"))
    text = _unquoted(parser.next())
    unit = unit_named(parser.peek().value) if parser.peek().kind is TokenKind.WORD else None
    if unit is not None and text.strip().lstrip("+-").isdigit():
        parser.next()
        text = f"{text} {unit}"
    return nodes.Interval(*parse_interval(text))


def _array(parser: OperandParser) -> Node:
    parser.next()
    parser.expect("[")
    items = [] if parser.peek().is_symbol("]") else parser.expressions()
    parser.expect("]")
    return nodes.Array(tuple(items))


def _now(parser: OperandParser) -> Node:
    word = parser.next().value
    return nodes.Call(_NOW[word], shown=word)


def _typed(parser: OperandParser) -> Node:
    type_ = nodes.TypeName(parser.next().value)
    return nodes.Typed(type_, parser.string().value)


def _anything(_following: Token) -> bool:
    return True


def _parenthesis(following: Token) -> bool:
    return following.is_symbol("(")


def _bracket(following: Token) -> bool:
    return following.is_symbol("[")


def _string(following: Token) -> bool:
    return following.kind is TokenKind.STRING


def _length(following: Token) -> bool:
    return following.kind in (TokenKind.STRING, TokenKind.PARAMETER)


def _nothing_of_a_name(following: Token) -> bool:
    return not following.is_symbol("(", ".")


_FORMS: dict[str, tuple[Callable[[Token], bool], Callable[[OperandParser], Node]]] = {
    "null": (_anything, _null),
    "true": (_anything, _truth),
    "false": (_anything, _truth),
    "case": (_anything, _case),
    "cast": (_parenthesis, _cast),
    "exists": (_parenthesis, _exists),
    "row": (_parenthesis, _row),
    "array": (_bracket, _array),
    "interval": (_length, _interval),
    **dict.fromkeys(_NOW, (_nothing_of_a_name, _now)),
    **dict.fromkeys(_TYPED, (_string, _typed)),
}
"""Words that are no name if what follows them is as told."""
