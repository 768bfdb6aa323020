"""What a statement is, before anything is known of the tables it speaks of."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from holdfast.engine.sql import nodes
from holdfast.engine.sql.parser.statements import Written, parse_statement
from holdfast.engine.sql.tokens import Token, TokenKind, stripped, tokenize
from holdfast.errors import InvalidValue, SqlError, Unsupported

STATEMENTS_CACHED = 1024
STATEMENT_LENGTH_MAX = 1_000_000
CACHED_LENGTH_MAX = 20_000
"""Longer statements are not remembered: a thousand of them would be gigabytes of tokens, and few come twice."""


class Verb(Enum):
    """What a statement does."""

    SELECT = "select"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    SCHEMA = "schema"
    """CREATE, ALTER and DROP: tables/schema_statements.py."""


_VERBS = {
    "select": Verb.SELECT,
    "values": Verb.SELECT,
    "with": Verb.SELECT,
    "(": Verb.SELECT,
    "insert": Verb.INSERT,
    "update": Verb.UPDATE,
    "delete": Verb.DELETE,
    **dict.fromkeys(("create", "alter", "drop"), Verb.SCHEMA),
}
_REFUSED = {
    **dict.fromkeys(
        ("begin", "start", "commit", "rollback", "savepoint", "release", "end", "abort"), "use db.transaction()"
    ),
    "replace": "it would erase history; use UPDATE, or DELETE and INSERT in one db.transaction()",
    "truncate": "use DELETE FROM",
    "attach": "one store is one file; use a connection to each",
    "detach": "one store is one file; use a connection to each",
    "pragma": "use the options of connect()",
    "vacuum": "the store looks after its file itself",
    "analyze": "the store looks after its file itself",
    "reindex": "the store looks after its file itself",
    "explain": "measure the statement instead; indexes on the columns of WHERE are used",
    "copy": "use executemany()",
    "merge": "use db.merge() for branches, INSERT and UPDATE for rows",
    "set": "use the options of connect()",
    "grant": "access is not a matter of this engine",
    "revoke": "access is not a matter of this engine",
    "lock": "use db.transaction()",
    "call": "there are no procedures",
    "do": "there are no procedures",
    "listen": "ask for the head of the branch, db.head",
    "notify": "ask for the head of the branch, db.head",
    "table": "write SELECT * FROM",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. Its parameters are numbered as they were written: `names` has a name or None for each."""

    sql: str
    verb: Verb
    names: tuple[str | None, ...]
    node: Written | None
    """The tree of a statement that reads or writes rows."""
    tokens: tuple[Token, ...]
    """The tokens of one that changes the schema."""
    summary: str
    """The verb and the table of a statement that writes, for the commit's message."""


def parse(sql: str) -> Statement:
    """Return the statement that `sql` is.

    Raises:
        InvalidValue: it is no str.
        SqlError: it is none, or more than one.
        Unsupported: it is of a kind that is not supported, by name.
    """
    if not isinstance(sql, str):
        raise InvalidValue(f"a statement is a str, not {type(sql).__name__}")
    if len(sql) > STATEMENT_LENGTH_MAX:
        raise SqlError(f"the statement has {len(sql)} characters, more than {STATEMENT_LENGTH_MAX}; use parameters")
    return _remembered(str(sql)) if len(sql) <= CACHED_LENGTH_MAX else _parsed(sql)


@lru_cache(maxsize=STATEMENTS_CACHED)
def _remembered(sql: str) -> Statement:
    return _parsed(sql)


@contextmanager
def depth_refused() -> Generator[None]:
    """Raise SqlError where the parts of a statement stand in each other deeper than they can be followed."""
    try:
        yield
    except RecursionError as error:
        raise SqlError(
            "the parts of the statement stand in each other too deep, or too many follow each other; use parameters,"
            " common tables, or several statements"
        ) from error


def _parsed(sql: str) -> Statement:
    tokens, names = _numbered(_single(stripped(tokenize(sql))))
    for token in tokens:
        if token.kind is TokenKind.QUOTED and token.value.lower().startswith("hf:"):
            raise Unsupported(f"{token.value!r} is Holdfast's own and cannot be used in statements; take another name")
    word = tokens[0].value
    if word in _REFUSED:
        raise Unsupported(f"{word.upper()} is not supported: {_REFUSED[word]}")
    if word not in _VERBS:
        raise SqlError(
            "a statement begins with SELECT, INSERT, UPDATE, DELETE, WITH, CREATE, ALTER or DROP, not"
            f" {tokens[0].text!r}"
        )
    if _VERBS[word] is Verb.SCHEMA:
        return Statement(sql, Verb.SCHEMA, tuple(names), None, tuple(tokens), _schema_summary(tokens))
    with depth_refused():
        node = parse_statement(tokens)
    verb, summary = _summary(node)
    return Statement(sql, verb, tuple(names), node, (), summary)


def _summary(node: Written) -> tuple[Verb, str]:
    match node:
        case nodes.Insert(table):
            return Verb.INSERT, f"INSERT INTO {table}"
        case nodes.Update(table):
            return Verb.UPDATE, f"UPDATE {table}"
        case nodes.Delete(table):
            return Verb.DELETE, f"DELETE FROM {table}"
        case _:
            return Verb.SELECT, ""


def _single(tokens: list[Token]) -> list[Token]:
    for index, token in enumerate(tokens):
        if token.is_symbol(";"):
            if any(rest.kind is not TokenKind.SPACE and not rest.is_symbol(";") for rest in tokens[index:]):
                raise SqlError(
                    "there are two statements in one execute(); run them one by one, in db.transaction() to keep"
                    " them together"
                )
            tokens = stripped(tokens[:index])
            break
    if not tokens:
        raise SqlError("the statement is empty")
    return tokens


def _numbered(tokens: list[Token]) -> tuple[list[Token], list[str | None]]:
    """Number the parameters, since rewriting may change their order."""
    names: list[str | None] = []
    numbered: list[Token] = []
    for token in tokens:
        if token.kind is TokenKind.PARAMETER:
            names.append(token.value.strip("()") or None)
            token = Token(token.kind, f"?{len(names)}", token.value)  # noqa: PLW2901
        numbered.append(token)
    if len({name is None for name in names}) > 1:
        raise InvalidValue("a statement has either %s or %(name)s parameters, not both")
    return numbered, names


def _schema_summary(tokens: list[Token]) -> str:
    """Return what a statement that changes the schema does and to what, for the commit's message: DROP TABLE t."""
    said: list[str] = []
    for token in (token for token in tokens if token.kind is not TokenKind.SPACE):
        if said and said[-1] in ("TABLE", "INDEX"):
            if not token.is_word("if", "not", "exists", "only", "concurrently", "on"):
                return " ".join([*said, token.text])
        else:
            said.append(token.text.upper())
    return " ".join(said)
