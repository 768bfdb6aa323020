"""What the types of columns mean for the values beside them.

SQLite compares a TIMESTAMP, a DATE or a UUID as the text it is stored as, so what is compared with one has to be in
the stored form, too: literals are brought into it here, parameters when they are bound. What SQLite would compute on
such texts without an error and without sense (adding to a date, ordering JSON) is refused by name.

Only what is plainly a column, or a function that picks one of its values, has a type here; anything else is compared
as SQLite does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from holdfast.core.schema import Catalogue
from holdfast.core.types import JSON, ColumnType, Kind, encode
from holdfast.engine.sql.expressions import is_operand_end, operand_after, operand_before
from holdfast.engine.sql.layout import literal
from holdfast.engine.sql.tokens import Reader, Token, TokenKind, closing, joined, raw, split_at, stripped, top_level
from holdfast.errors import SqlError, Unsupported
from holdfast.tables.columns import TYPES

PICKING = {"min", "max", "coalesce", "first_value", "last_value", "nth_value", "lag", "lead", "ifnull"}
"""Functions whose value is one of their argument's."""

OPERAND_TOKENS_MAX = 256
"""A longer operand has no type here."""

_ORDERED = ("<", ">", "<=", ">=")
_EQUAL = ("=", "==", "<>", "!=")
_CONVERTED = {Kind.TIMESTAMP, Kind.DATE, Kind.UUID, Kind.BOOLEAN, Kind.NUMERIC, Kind.JSON}
_MOMENTS = {Kind.TIMESTAMP, Kind.DATE}
_CAST = {Kind.TIMESTAMP, Kind.DATE, Kind.UUID, Kind.BOOLEAN, Kind.JSON}
_TEXT = ColumnType(Kind.TEXT)
_NUMBERS_OF_JSON = "the parts of JSON have no order here: use CAST(... ->> ... AS INTEGER), REAL or TEXT"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a parameter goes: into a column of this type, beside one, or (None) anywhere in an expression.

    `no_number`: beside `->>`, which gives text: a number would never be equal to it.
    """

    type: ColumnType | None = None
    where: str = ""
    no_number: bool = False


class Columns:
    """The types of the columns that a statement can name."""

    def __init__(self, catalogue: Catalogue, tables: Sequence[str]) -> None:
        found = [catalogue.find(name) for name in tables]
        self._tables = [table for table in found if table is not None]

    def type_of(self, operand: list[Token]) -> ColumnType | None:
        """Return the type of an operand: a column, a picking function of one, NOW(), an arrow chain, or None."""
        operand = stripped(operand)
        if not operand:
            return None
        if all(token.is_name or token.is_symbol(".") for token in operand):
            return self._of_column(operand[-1])
        if arrow := _arrow(operand):
            return JSON if arrow == "->" else _TEXT
        opening = next((at for at, token in enumerate(operand[:3]) if token.is_symbol("(")), None)
        if opening is None or closing(operand, opening) != len(operand) - 1:
            return None
        return self._of_call(operand[:opening], operand[opening + 1 : -1])

    def _of_call(self, name: list[Token], inner: list[Token]) -> ColumnType | None:
        word = name[0] if name else None
        if word is None:
            return self.type_of(inner)
        if word.is_word("now"):
            return ColumnType(Kind.TIMESTAMP)
        if word.is_word("cast"):
            return _cast_type(inner)
        return self.type_of(split_at(inner)[0]) if word.is_word(*PICKING) else None

    def _of_column(self, token: Token) -> ColumnType | None:
        """Return the type that all tables which have a column of this name agree on."""
        if token.is_word("current_timestamp"):
            return ColumnType(Kind.TIMESTAMP)
        positions = [(table, table.position(token.name)) for table in self._tables]
        types = {table.columns[at].type for table, at in positions if at is not None}
        return types.pop() if len(types) == 1 else None


def _arrow(operand: list[Token]) -> str | None:
    """Return the last arrow of an operand that is one chain of them, else None."""
    arrows = [token for token in operand if token.is_symbol("->", "->>")]
    try:
        whole = bool(arrows) and is_operand_end(operand[-1]) and _chain_start(operand) == 0
    except SqlError:
        return None
    return arrows[-1].text if whole and not operand[0].is_symbol("(") and _last_is_outside(operand) else None


def _last_is_outside(operand: list[Token]) -> bool:
    depth = 0
    for token in reversed(operand):
        depth += token.is_symbol(")") - token.is_symbol("(")
        if token.is_symbol("->", "->>"):
            return depth == 0
    return False


def _cast_type(tokens: list[Token]) -> ColumnType | None:
    at = next((i for i in range(len(tokens) - 1, -1, -1) if tokens[i].is_word("as")), None)
    if at is None:
        return None
    words = [token.value for token in tokens[at + 1 :] if token.kind is TokenKind.WORD]
    kind = TYPES.get(" ".join(words)) if words else None
    return None if kind is None else ColumnType(kind)


def with_types(tokens: list[Token], columns: Columns, places: list[Place]) -> list[Token]:
    """Return the tokens of a statement with typed literals in their stored form, and note where parameters go.

    Raises:
        Unsupported: it computes with moments, or orders JSON, or casts to what SQLite does not know.
        InvalidValue: a literal beside a column is no value of its type.
    """
    tokens = list(tokens)
    for index in range(len(tokens)):
        token = tokens[index]
        if token.is_symbol(*_EQUAL, *_ORDERED):
            _comparison(tokens, index, columns, places)
        elif token.is_symbol("+", "-", "*", "/"):
            _arithmetic(tokens, index, columns)
        elif token.is_word("between", "in"):
            _range(tokens, index, columns, places)
        elif token.is_word("cast", "sum", "avg", "min", "max", "total"):
            _call(tokens, index, columns)
        elif token.is_word("order"):
            _ordering(tokens, index)
    return tokens


def _before(tokens: list[Token], index: int) -> list[Token]:
    left = tokens[max(0, index - OPERAND_TOKENS_MAX) : index]
    try:
        return stripped(left[_chain_start(left) :])
    except SqlError:
        return []


def _chain_start(tokens: list[Token]) -> int:
    """Return where the operand that ends `tokens` starts, with all the arrows in it."""
    start = operand_before(tokens)
    while start and (before := _last_significant(tokens, start - 1)) > 0 and tokens[before].is_symbol("->>"):
        start = operand_before(tokens[:before])
    return start


def _after(tokens: list[Token], start: int) -> tuple[int, int]:
    while start < len(tokens) and tokens[start].kind is TokenKind.SPACE:
        start += 1
    try:
        return start, _chain_end(tokens, operand_after(tokens, start))
    except SqlError:
        return start, start


def _chain_end(tokens: list[Token], end: int) -> int:
    """Go on over the arrows that follow an operand."""
    at = end
    while at < len(tokens) and tokens[at].kind is TokenKind.SPACE:
        at += 1
    if at < len(tokens) and tokens[at].is_symbol("->", "->>"):
        return _chain_end(tokens, operand_after(tokens, at + 1))
    return end


def _comparison(tokens: list[Token], index: int, columns: Columns, places: list[Place]) -> None:
    left, (start, end) = _before(tokens, index), _after(tokens, index + 1)
    right = tokens[start:end]
    ordered = tokens[index].is_symbol(*_ORDERED)
    for typed, other, at in ((left, right, start), (right, left, index - 1)):
        arrow = _arrow(typed)
        if arrow == "->" and (ordered or _is_word_of_truth(other)):
            raise Unsupported(f"{joined(typed)} {tokens[index].text} ...: {_NUMBERS_OF_JSON}")
        if len(other) == 1:
            place = at if other is right else _last_significant(tokens, at)
            tokens[place] = _converted(tokens[place], columns.type_of(typed), joined(typed), arrow, places)


def _last_significant(tokens: list[Token], at: int) -> int:
    while at and tokens[at].kind is TokenKind.SPACE:
        at -= 1
    return at


def _is_word_of_truth(operand: list[Token]) -> bool:
    return len(operand) == 1 and operand[0].is_word("true", "false")


def _converted(token: Token, to: ColumnType | None, where: str, arrow: str | None, places: list[Place]) -> Token:
    """Return a literal in the stored form of the type beside it; of a parameter, note its place."""
    if token.kind is TokenKind.PARAMETER and arrow == "->>":
        places[int(token.text[1:]) - 1] = Place(None, where, no_number=True)
    if to is None or to.kind not in _CONVERTED:
        return token
    to = ColumnType(to.kind)  # without sizes: what is compared need not fit the column
    if token.kind is TokenKind.PARAMETER:
        places[int(token.text[1:]) - 1] = Place(to, where)
    elif token.kind is TokenKind.STRING:
        stored = encode(token.text[1:-1].replace("''", "'"), to, where)
        text = literal(stored) if isinstance(stored, str) else str(stored)
        return replace(token, text=text)
    elif token.kind is TokenKind.NUMBER and to.kind is Kind.JSON:
        return replace(token, kind=TokenKind.STRING, text=literal(token.text))
    return token


def _range(tokens: list[Token], index: int, columns: Columns, places: list[Place]) -> None:
    """BETWEEN a AND b, and IN (a, b): convert the values."""
    before = index
    last = _last_significant(tokens, index - 1) if index else 0
    if tokens[last].is_word("not"):
        before = last
    left = _before(tokens, before)
    to, arrow = columns.type_of(left), _arrow(left)
    if tokens[index].is_word("between"):
        if arrow == "->":
            raise Unsupported(f"{joined(left)} BETWEEN ...: {_NUMBERS_OF_JSON}")
        start, end = _after(tokens, index + 1)
        second, stop = _after(tokens, _and_after(tokens, end))
        spans = [(start, end), (second, stop)]
    else:
        spans = _list_items(tokens, index)
    for start, end in spans:
        if end == start + 1:
            tokens[start] = _converted(tokens[start], to, joined(left), arrow, places)


def _and_after(tokens: list[Token], at: int) -> int:
    while at < len(tokens) and not tokens[at].is_word("and"):
        at += 1
    return at + 1


def _list_items(tokens: list[Token], index: int) -> list[tuple[int, int]]:
    at = index + 1
    while at < len(tokens) and tokens[at].kind is TokenKind.SPACE:
        at += 1
    if at < len(tokens) and tokens[at].kind is TokenKind.PARAMETER:
        raise Unsupported("IN %s is not supported: write IN (%s, %s), one for each value")
    if at >= len(tokens) or not tokens[at].is_symbol("("):
        return []
    end = closing(tokens, at)
    return [
        (i, i + 1)
        for i in (at + 1 + inner for inner in top_level(tokens[at + 1 : end]))
        if tokens[i].kind in (TokenKind.STRING, TokenKind.NUMBER, TokenKind.PARAMETER)
        and _neighbour(tokens, i, -1).is_symbol("(", ",")
        and _neighbour(tokens, i, 1).is_symbol(")", ",")
    ]


def _neighbour(tokens: list[Token], at: int, step: int) -> Token:
    at += step
    while tokens[at].kind is TokenKind.SPACE:
        at += step
    return tokens[at]


def _arithmetic(tokens: list[Token], index: int, columns: Columns) -> None:
    left = _before(tokens, index)
    if not left:
        return
    start, end = _after(tokens, index + 1)
    if tokens[start : start + 1] and tokens[start].is_word("interval"):
        return  # refused by its own name
    for operand in (left, tokens[start:end]):
        type_ = columns.type_of(operand)
        if type_ is not None and type_.kind in _MOMENTS:
            raise Unsupported(
                f"computing with {type_} ({joined(operand)} {tokens[index].text} ...) is not supported yet: for the"
                " seconds between two moments use (julianday(a) - julianday(b)) * 86400"
            )


def _call(tokens: list[Token], index: int, columns: Columns) -> None:
    at = index + 1
    while at < len(tokens) and tokens[at].kind is TokenKind.SPACE:
        at += 1
    if at >= len(tokens) or not tokens[at].is_symbol("("):
        return
    end = closing(tokens, at)
    inner = tokens[at + 1 : end]
    if tokens[index].is_word("cast"):
        _cast(tokens, index, at, end)
        return
    if _arrow(stripped(inner)) == "->":
        raise Unsupported(f"{tokens[index].text}({joined(inner)}): {_NUMBERS_OF_JSON}")
    type_ = columns.type_of(inner)
    if type_ is not None and type_.kind in _MOMENTS and not tokens[index].is_word("min", "max"):
        raise Unsupported(f"{tokens[index].text}({joined(inner)}) of {type_} is not supported; use min() or max()")


def _cast(tokens: list[Token], index: int, opening: int, end: int) -> None:
    """CAST to a type that SQLite does not have becomes our conversion, in place; to one nobody has is refused."""
    at = next((i for i in range(end - 1, opening, -1) if tokens[i].is_word("as")), None)
    if at is None:
        return
    name = joined(stripped(tokens[at + 1 : end]))
    type_ = _cast_type(tokens[opening + 1 : end])
    if type_ is None or type_.kind in (Kind.ANY, Kind.VECTOR):
        raise Unsupported(f"CAST(... AS {name}) is not supported")
    if type_.kind in _CAST:
        tokens[index] = Token(TokenKind.WORD, "hf_as", "hf_as")
        tokens[at:end] = [raw(f", '{type_.kind.value}', NULL, NULL, 'CAST'")] + [raw("")] * (end - at - 1)


def _ordering(tokens: list[Token], index: int) -> None:
    """ORDER BY a part of JSON would order its text."""
    reader = Reader(tokens[index:])
    if not reader.take("order", "by"):
        return
    rest = reader.rest()
    depth, stop = 0, len(rest)
    for at, token in enumerate(rest):
        depth += token.is_symbol("(") - token.is_symbol(")")
        if depth < 0 or (depth == 0 and token.is_word("limit", "offset", "rows", "range", "groups")):
            stop = at
            break
    for item in split_at(rest[:stop]):
        words = [token for token in item if not token.is_word("asc", "desc", "nulls", "first", "last")]
        if _arrow(stripped(words)) == "->":
            raise Unsupported(f"ORDER BY {joined(item)}: {_NUMBERS_OF_JSON}")
