"""From tokens to the tree of an expression, with PostgreSQL's precedence (its manual, section 4.1.6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from holdfast.core.intervals import parse_interval, unit_named
from holdfast.engine.sql import nodes
from holdfast.engine.sql.nodes import Node
from holdfast.engine.sql.tokens import Token, TokenKind, joined
from holdfast.errors import SqlError, Unsupported

NESTED_MAX = 50
"""How deep parentheses, calls and subqueries may stand in each other."""

CHAINED_MAX = 800
"""How many operators may follow each other: SQLite goes as deep as an expression is long, and no deeper than 1000."""

_OR, _AND, _NOT, _IS, _COMPARISON, _LIKE, _OTHER, _SUM, _PRODUCT, _POWER, _ZONE, _SIGN = range(1, 13)

_SYMBOLS = {
    **dict.fromkeys(("=", "==", "<>", "!=", "<", ">", "<=", ">="), _COMPARISON),
    **dict.fromkeys(
        ("||", "->", "->>", "#>", "#>>", "@>", "<@", "@@", "<->", "<=>", "<#>", "&", "|", "#", "<<", ">>", "?"), _OTHER
    ),
    **dict.fromkeys(("~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*"), _OTHER),
    **dict.fromkeys(("+", "-"), _SUM),
    **dict.fromkeys(("*", "/", "%"), _PRODUCT),
    "^": _POWER,
}
_SAME = {"==": "=", "!=": "<>"}
_LIKE_SYMBOLS = {"~~": "like", "~~*": "ilike", "!~~": "like", "!~~*": "ilike"}
_LIKE_WORDS = ("like", "ilike", "glob")

RESERVED = frozenset(
    "select from where group having order limit offset fetch union intersect except on using join inner left right full"
    " cross natural window returning set values as and or not in is isnull notnull like ilike glob between case"
    " when then else end null for with distinct all into collate default do conflict lateral escape true false some any"
    " tablesample filter over"
    .split()
)
"""Words that cannot name a column or be an alias without quotes."""

_CLAUSES = ("from", "where", "group", "having", "window", "order", "limit", "offset", "returning", "set", "values")

_CALLED = frozenset(("left", "right", "glob", "like", "replace", "values"))
"""Reserved words that are functions before a parenthesis."""

_NOW = {"current_timestamp": "now", "localtimestamp": "now", "current_date": "current_date"}
_TYPE_WORDS = ("varying", "precision", "with", "without", "time", "zone")
_TYPED = ("date", "timestamp", "timestamptz", "json", "jsonb", "uuid")
_NOTHING = Token(TokenKind.SPACE, "", "")

T = TypeVar("T")


class ExpressionParser:
    """Reads the tokens of a statement from left to right. What begins with SELECT is read by its subclass."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.written = list(tokens)
        self._places = [at for at, token in enumerate(tokens) if token.kind is not TokenKind.SPACE]
        self.tokens = [tokens[at] for at in self._places]
        self.at = 0
        self._depth = 0
        self._closings = self._parentheses()

    def _parentheses(self) -> dict[int, int]:
        """Return where each parenthesis closes, by where it opens. Raises SqlError for one without the other."""
        found: dict[int, int] = {}
        opened: list[int] = []
        for at, token in enumerate(self.tokens):
            if token.is_symbol("("):
                opened.append(at)
            elif token.is_symbol(")"):
                if not opened:
                    self.at = at
                    raise SqlError(f"a parenthesis is closed that was not opened: {joined(self.rest())[:40]}")
                found[opened.pop()] = at
        if opened:
            self.at = opened[-1]
            raise SqlError(f"a parenthesis is not closed: {joined(self.rest())[:40]}")
        return found

    # Reading tokens

    def peek(self, ahead: int = 0) -> Token:
        """Return the next token, or one further on; space at the end."""
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else _NOTHING

    def next(self) -> Token:
        """Return the next token and pass it."""
        token = self.peek()
        self.at += 1
        return token

    def take(self, *words: str) -> bool:
        """Pass these keywords if they come next, all of them; tell whether they did."""
        if all(self.peek(ahead).is_word(word) for ahead, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def symbol(self, text: str) -> bool:
        """Pass this symbol if it comes next; tell whether it did."""
        found = self.peek().is_symbol(text)
        self.at += found
        return found

    def expect(self, text: str) -> None:
        """Pass a symbol or a keyword. Raises SqlError if something else comes next."""
        if not (self.symbol(text) or self.take(text)):
            raise self.unexpected(f"{text.upper()!r} is expected")

    def unexpected(self, what: str) -> SqlError:
        """Return the error for what comes next."""
        token = self.peek()
        passed = self.text_since(max(self.at - 4, 0))[-30:] if 0 < self.at <= len(self.tokens) else ""
        after = f", after {passed!r}" if passed else ""
        if token is _NOTHING:
            return SqlError(f"the statement is incomplete: {what} at the end{after}")
        hint = "; a name is put into double quotes" if token.kind is TokenKind.STRING else ""
        return SqlError(f"{what} before {joined(self.rest())[:40]!r}{after}{hint}")

    def rest(self) -> list[Token]:
        """Return what was not passed yet, with its spaces."""
        return self.written[self._places[self.at] :] if self.at < len(self.tokens) else []

    def text_since(self, start: int) -> str:
        """Return what was passed since `start`, as written; a parameter as `%s`."""
        passed = self.written[self._places[start] : self._places[self.at - 1] + 1]
        return "".join("%s" if token.kind is TokenKind.PARAMETER else token.text for token in passed)

    def finish(self) -> None:
        """Raise SqlError unless all was read."""
        if self.peek().is_word(*_CLAUSES):
            clause, rest = self.peek().text.upper(), joined(self.rest())[:40]
            raise SqlError(f"{clause} is there twice, or at the wrong place: {rest!r}")
        if self.at < len(self.tokens):
            raise self.unexpected("nothing more is expected")

    def name(self, what: str) -> str:
        """Pass a name and return it. Raises SqlError if something else comes next."""
        token = self.peek()
        if not token.is_name or token.is_word(*RESERVED):
            raise self.unexpected(f"{what} is expected")
        self.at += 1
        return token.name

    def names(self, what: str) -> tuple[str, ...]:
        """Pass names in parentheses and return them."""
        return self.parenthesised(lambda: tuple(self.listed(lambda: self.name(what))))

    def listed(self, read: Callable[[], T]) -> list[T]:
        """Read what stands between commas."""
        found = [read()]
        while self.symbol(","):
            found.append(read())
        return found

    def parenthesised(self, read: Callable[[], T]) -> T:
        """Read what stands in parentheses."""
        self.expect("(")
        found = read()
        self.expect(")")
        return found

    # Expressions

    def query(self) -> nodes.Query:
        """Read a query."""
        raise self.unexpected("a subquery is not possible here:")

    def at_query(self) -> bool:
        """Tell whether a query comes next."""
        return self.peek().is_word("select", "with", "values")

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

    def _prefix(self, binding: int) -> Node:
        if binding <= _NOT and self.peek().is_word("not"):
            self.next()
            return nodes.Unary("not", self.expression(_NOT))
        if self.peek().is_symbol("-", "+"):
            sign = self.next().text
            operand = self.expression(_SIGN)
            if sign == "-" and isinstance(operand, nodes.Number) and not operand.text.startswith("-"):
                return nodes.Number(f"-{operand.text}")
            return operand if sign == "+" else nodes.Unary("-", operand)
        if self.peek().is_symbol("~"):
            self.next()
            return nodes.Unary("~", self.expression(_OTHER))
        return self._postfix(self._primary())

    def _postfix(self, operand: Node) -> Node:
        while True:
            if self.symbol("::"):
                operand = nodes.Cast(operand, self.type_name())
            elif self.peek().is_symbol("["):
                raise Unsupported("the elements of arrays are not supported: use JSONB, and -> with a number")
            else:
                return operand

    def _infix(self, left: Node, binding: int) -> Node | None:
        """Read an operator that binds more strongly than `binding`, and its right side; None if none comes."""
        token = self.peek()
        if token.kind is TokenKind.SYMBOL:
            strength = _SYMBOLS.get(token.text, 0)
            return self._symbol_operator(left, strength) if strength > binding else None
        if token.kind is not TokenKind.WORD:
            return None
        if token.value == "and" and binding < _AND:
            return self._binary(left, "and", _AND)
        if token.value == "or" and binding < _OR:
            return self._binary(left, "or", _OR)
        if token.value in ("is", "isnull", "notnull") and binding < _IS:
            return self._is(left)
        if binding < _LIKE and (found := self._range_or_like(left)) is not None:
            return found
        return self._zone_or_collation(left) if binding < _ZONE else None

    def _binary(self, left: Node, operator: str, strength: int) -> Node:
        self.next()
        return nodes.Binary(operator, left, self.expression(strength))

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
        if word.is_word("in"):
            return self._in(left, negated)
        if word.is_word("between"):
            self.next()
            symmetric = self.take("symmetric") or (self.take("asymmetric") and False)
            low = self.expression(_LIKE)
            self.expect("and")
            return nodes.Between(left, low, self.expression(_LIKE), negated, symmetric)
        if word.is_word(*_LIKE_WORDS):
            self.next()
            if self.peek().is_word("any", "all") and self.peek(1).is_symbol("("):
                raise Unsupported(f"LIKE {self.peek().text.upper()} (...) is not supported: write the patterns with OR")
            pattern = self.expression(_LIKE)
            escape = self.expression(_LIKE) if self.take("escape") else None
            return nodes.Like(word.value, left, pattern, escape, negated)
        if word.is_word("overlaps"):
            raise Unsupported("OVERLAPS is not supported: compare the ends, a.start < b.end AND b.start < a.end")
        if word.is_word("similar"):
            raise Unsupported("SIMILAR TO is not supported: use LIKE, or ~ with a regular expression")
        return None

    def _in(self, left: Node, negated: bool) -> Node:  # noqa: FBT001
        self.next()
        if self.peek().kind is TokenKind.PARAMETER:
            return nodes.In(left, (self._primary(),), negated, many=True)
        self.expect("(")
        if self.at_query():
            items: tuple[Node, ...] = (nodes.Subquery(self.query()),)
        else:
            items = () if self.peek().is_symbol(")") else tuple(self.listed(self.expression))
        self.expect(")")
        return nodes.In(left, items, negated)

    def _zone_or_collation(self, left: Node) -> Node | None:
        if self.take("at", "time", "zone"):
            return nodes.AtTimeZone(left, self.expression(_ZONE))
        if self.take("collate"):
            return nodes.Collate(left, self.name("a collation"))
        return None

    # Operands

    def _primary(self) -> Node:
        token = self.peek()
        if token.kind is TokenKind.NUMBER:
            self.next()
            return nodes.Number(token.text)
        if token.kind is TokenKind.STRING:
            return self._string()
        if token.kind is TokenKind.PARAMETER:
            self.next()
            return nodes.Parameter(int(token.text[1:]))
        if token.kind is TokenKind.BLOB:
            self.next()
            return nodes.Bytes(token.text)
        if token.is_symbol("("):
            return self._in_parentheses()
        if token.is_symbol("*"):
            self.next()
            return nodes.Star()
        if token.is_symbol("?"):
            raise Unsupported("'?' is not supported here: use %s for a parameter")
        if token.is_symbol("["):
            raise Unsupported("[...] is not supported here: put a name into double quotes; a list is ARRAY[...]")
        if not token.is_name:
            raise self.unexpected("a value is expected")
        return self._word(token) if token.kind is TokenKind.WORD else self._name()

    def _string(self) -> Node:
        text = self.next().text[1:-1].replace("''", "'")
        while self.peek().kind is TokenKind.STRING:
            between = self.written[self._places[self.at - 1] + 1 : self._places[self.at]]
            if "\n" not in joined(between):
                raise self.unexpected("an operator is expected")
            text += self.next().text[1:-1].replace("''", "'")
        if self.peek().is_symbol("."):
            raise SqlError(f"{joined([self.peek(-1), *self.rest()])[:40]!r}: a name is put into double quotes")
        return nodes.Text(text)

    def _in_parentheses(self) -> Node:
        self.expect("(")
        if self.is_query_in_parentheses(-1):
            found: Node = nodes.Subquery(self.query())
        else:
            items = self.listed(self.expression)
            found = items[0] if len(items) == 1 else nodes.Row(tuple(items))
        self.expect(")")
        return found

    def is_query_in_parentheses(self, ahead: int = 0) -> bool:
        """Tell whether the next parenthesis holds a query: ((SELECT ...) UNION ...), and not ((SELECT ...) + 1)."""
        outer = inner = self.at + ahead
        while inner in self._closings and inner - outer <= NESTED_MAX:
            inner += 1
        if not self.peek(inner - self.at).is_word("select", "with", "values"):
            return False
        for at in range(inner - 1, outer, -1):
            following = self.peek(self._closings[at] + 1 - self.at)
            if following.is_word("union", "intersect", "except", "order", "limit", "offset", "fetch"):
                return True
            if not following.is_symbol(")"):
                return False
        return True

    def _word(self, token: Token) -> Node:  # noqa: C901, PLR0911, PLR0912 - one line for each word that is no name
        word, called = token.value, self.peek(1).is_symbol("(")
        following = self.peek(1)
        if word == "null":
            self.next()
            return nodes.Null()
        if word in ("true", "false"):
            self.next()
            return nodes.Truth(word == "true")
        if word == "case":
            return self._case()
        if word == "cast" and called:
            return self._cast()
        if word == "exists" and called:
            self.next()
            return nodes.Exists(self.parenthesised(self.query))
        if word == "interval" and following.kind is TokenKind.STRING:
            return self._interval()
        if word == "interval" and following.kind is TokenKind.PARAMETER:
            self.next()
            return nodes.Cast(self._primary(), nodes.TypeName("interval"))
        if word == "array" and following.is_symbol("["):
            return self._array()
        if word == "row" and called:
            self.next()
            return nodes.Row(tuple(self.parenthesised(lambda: self.listed(self.expression))))
        if word in _NOW and not called and not following.is_symbol("."):
            self.next()
            return nodes.Call(_NOW[word], shown=word)
        if word in _TYPED and following.kind is TokenKind.STRING:
            self.next()
            value = self._string()
            assert isinstance(value, nodes.Text)
            return nodes.Typed(nodes.TypeName(word), value.value)
        if word == "u" and following.is_symbol("&"):
            raise Unsupported("strings with U&'...' are not supported: use E'\\u00e9', or a parameter")
        if following.kind is TokenKind.STRING and (called or word not in RESERVED):
            raise Unsupported(
                f"the string after {token.text!r} stands where a name is expected: put names into double quotes"
            )
        if called and (word not in RESERVED or word in _CALLED):
            return self._call()
        if word in RESERVED:
            raise self.unexpected("a value is expected")
        return self._name()

    def _name(self) -> Node:
        name = self.next().name
        if not self.symbol("."):
            return self._call(name) if self.peek().is_symbol("(") else nodes.Name(name)
        if self.symbol("*"):
            return nodes.Star(name)
        column = self.next()
        if not column.is_name:
            self.at -= 1
            raise self.unexpected(f"a column of {name} is expected")
        if self.peek().is_symbol("("):
            raise Unsupported(f"{name}.{column.name}(): functions are called without a schema")
        if self.peek().is_symbol("."):
            raise Unsupported(f"{name}.{column.name}.…: tables are named without a schema")
        return nodes.Name(column.name, name)

    def _case(self) -> Node:
        self.next()
        operand = None if self.peek().is_word("when") else self.expression()
        whens: list[tuple[Node, Node]] = []
        while self.take("when"):
            condition = self.expression()
            self.expect("then")
            whens.append((condition, self.expression()))
        if not whens:
            raise self.unexpected("WHEN is expected")
        otherwise = self.expression() if self.take("else") else None
        self.expect("end")
        return nodes.Case(operand, tuple(whens), otherwise)

    def _cast(self) -> Node:
        self.next()
        self.expect("(")
        operand = self.expression()
        self.expect("as")
        type_ = self.type_name()
        self.expect(")")
        return nodes.Cast(operand, type_)

    def type_name(self) -> nodes.TypeName:
        """Read the name of a type, with its sizes."""
        token = self.next()
        if not token.is_name:
            self.at -= 1
            raise self.unexpected("a type is expected")
        words, sizes = [token.value.lower()], ()
        while self.peek().is_word(*_TYPE_WORDS):
            words.append(self.next().value)
        if self.peek().is_symbol("("):
            sizes = tuple(self.parenthesised(lambda: self.listed(self._size)))
        while self.peek().is_word(*_TYPE_WORDS):
            words.append(self.next().value)
        many = False
        while self.symbol("["):
            self.expect("]")
            many = True
        return nodes.TypeName(" ".join(words), sizes, many)

    def _size(self) -> int:
        token = self.next()
        if token.kind is not TokenKind.NUMBER or not token.text.isdigit() or len(token.text) > 9:
            self.at -= 1
            raise self.unexpected("the size of a type is expected")
        return int(token.text)

    def _interval(self) -> Node:
        self.next()
        text = self.next().text[1:-1].replace("''", "'")
        unit = unit_named(self.peek().value) if self.peek().kind is TokenKind.WORD else None
        if unit is not None and text.strip().lstrip("+-").isdigit():
            self.next()
            text = f"{text} {unit}"
        return nodes.Interval(*parse_interval(text))

    def _array(self) -> Node:
        self.next()
        self.expect("[")
        items = [] if self.peek().is_symbol("]") else self.listed(self.expression)
        self.expect("]")
        return nodes.Array(tuple(items))

    # Calls

    def _call(self, name: str | None = None) -> Node:
        name = self.next().name.lower() if name is None else name
        special = getattr(self, f"_call_{name}", None)
        if special is not None:
            return self.parenthesised(special)
        self.expect("(")
        call = self._arguments(name)
        self.expect(")")
        if self.take("within", "group"):
            call = self._within_group(call)
        where = None
        if self.peek().is_word("filter") and self.peek(1).is_symbol("("):
            self.next()
            self.expect("(")
            self.expect("where")
            where = self.expression()
            self.expect(")")
        over = self._over() if self.take("over") else None
        if where is None and over is None:
            return call
        return nodes.Call(name, call.arguments, call.star, call.distinct, call.order, where, over, call.named)

    def _within_group(self, call: nodes.Call) -> nodes.Call:
        self.expect("(")
        if not self.take("order", "by"):
            raise self.unexpected("ORDER BY is expected")
        order = self.order_by()
        self.expect(")")
        if call.name.lower() not in ("percentile_cont", "percentile_disc") or len(order) > 1:
            raise Unsupported(f"{call.name.upper()} ... WITHIN GROUP is not supported; percentile_cont(0.95) is")
        return nodes.Call(call.name, (*call.arguments, order[0].expression))

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
        arguments: list[Node] = []
        named: list[tuple[str, Node]] = []
        for key, value in self.listed(self._argument):
            if key is None:
                arguments.append(value)
            else:
                named.append((key, value))
        order = self.order_by() if self.take("order", "by") else ()
        return nodes.Call(name, tuple(arguments), distinct=distinct, order=order, named=tuple(named))

    def _argument(self) -> tuple[str | None, Node]:
        if self.peek().is_name and self.peek(1).is_symbol("=>"):
            key = self.next().name.lower()
            self.next()
            return key, self.expression()
        return None, self.expression()

    def order_by(self) -> tuple[nodes.OrderItem, ...]:
        """Read the items of ORDER BY."""
        return tuple(self.listed(self._order_item))

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
        partition = tuple(self.listed(self.expression)) if self.take("partition", "by") else ()
        order = self.order_by() if self.take("order", "by") else ()
        start = self.at
        while self.at < len(self.tokens) and not self.peek().is_symbol(")"):
            if not (self.peek().kind in (TokenKind.WORD, TokenKind.NUMBER)):
                raise Unsupported(f"the frame of a window takes words and numbers, not {self.peek().text!r}")
            self.next()
        frame = self.text_since(start) if self.at > start else ""
        return nodes.Window(name, partition, order, frame)

    def _call_extract(self) -> Node:
        field = self.next()
        name = field.text[1:-1] if field.kind is TokenKind.STRING else field.name
        self.expect("from")
        return nodes.Call("extract", (nodes.Text(name.lower()), self.expression()))

    def _call_position(self) -> Node:
        part = self.expression(_LIKE)
        if self.symbol(","):
            return nodes.Call("strpos", (part, self.expression()), shown="position")
        self.expect("in")
        return nodes.Call("strpos", (self.expression(), part), shown="position")

    def _call_substring(self) -> Node:
        text = self.expression()
        if self.symbol(","):
            return nodes.Call("substr", (text, *self.listed(self.expression)), shown="substring")
        start = self.expression() if self.take("from") else nodes.Number("1")
        if isinstance(start, nodes.Text):
            return nodes.Call("regexp_substr", (text, start), shown="substring")
        length = (self.expression(),) if self.take("for") else ()
        return nodes.Call("substr", (text, start, *length), shown="substring")

    def _call_trim(self) -> Node:
        side = self.next().value if self.peek().is_word("both", "leading", "trailing") else "both"
        name = {"both": "btrim", "leading": "ltrim", "trailing": "rtrim"}[side]
        first = None if self.peek().is_word("from") else self.expression()
        if self.take("from"):
            text = self.expression()
            return nodes.Call(name, (text,) if first is None else (text, first))
        assert first is not None
        return nodes.Call(name, (first, *(self.listed(self.expression) if self.symbol(",") else ())))

    def _call_overlay(self) -> Node:
        raise Unsupported("OVERLAY is not supported: put the text together with substr() and ||")

    def _call_grouping(self) -> Node:
        raise Unsupported("GROUPING is not supported: there are no grouping sets")
