"""Goal: splitting a statement loses nothing, and rewriting it never changes what stands in a string.

Method: random texts, made of pieces that matter to SQL, are split and joined again; random strings, names and comments
go through every kind of statement, on a store.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import holdfast
from holdfast import HoldfastError
from holdfast.engine.sql.tokens import joined, split_at, tokenize
from holdfast.tables.statement import parse

PIECES = st.sampled_from([
    "SELECT", "select", "from", "WHERE", "t", '"t"', '"t@main"', '"a""b"', "NULL", "_x$1", "interval",
    "''", "'it''s'", "'%s'", "';'", "'--'", "x'00ff'", "1", "1.5e-3", ".5", "0xFF", "%s", "%(name)s", "%%", "%",
    "->", "->>", "||", "<=", "<>", "!=", "==", "<<", "(", ")", ",", ";", ".", "*", "+", "-", "/", "=", "!", "&",
    " ", "\n", "\t", "-- comment ' \" %s ;\n", "/* ' \" %s ; */", "--", "/*", "*/", "'", '"', "\\", "{", "}",
    "\u00e9", "\u00a0", "\u2028", "\U0001f600", "current_timestamp",
])  # fmt: skip
_NO_NAME = re.compile(r".*@|hf:|(?:sqlite|pragma)_|(?:true|false|id|dbstat)$", re.IGNORECASE | re.DOTALL)
"""What names no column here: refs, Holdfast's own names, and the other column of the test."""
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
LITERAL = TEXT.map(lambda text: "'" + text.replace("'", "''") + "'")


@given(st.lists(PIECES | TEXT, max_size=30).map("".join))
@example("a%%b '%%' \"%%\" -- %%\n")
@example("'a''b'''")
@example("x'0'")
def test_tokens_joined_are_the_text_they_came_from(text: str) -> None:
    try:
        tokens = tokenize(text)
    except HoldfastError:
        return
    assert all(token.text for token in tokens)
    modulo = "".join(token.value if token.is_symbol("%") else token.text for token in tokens)  # %% stands for %
    assert modulo == text


@given(st.text(string.printable, max_size=40))
def test_a_text_is_split_or_refused_by_an_error_of_ours(text: str) -> None:
    try:
        statement = parse(text)
    except HoldfastError:
        return
    assert statement.node is not None or statement.tokens


@given(st.lists(LITERAL, min_size=1, max_size=5))
def test_a_comma_in_a_string_splits_nothing(literals: list[str]) -> None:
    assert [joined(part) for part in split_at(tokenize(", ".join(literals)))] == literals


@pytest.fixture(scope="module")
def store() -> Iterator[holdfast.Store]:
    with holdfast.connect(":memory:") as db:
        db.execute("CREATE TABLE t (id INT PRIMARY KEY, a TEXT, b TEXT, j JSONB)")
        db.execute("INSERT INTO t VALUES (1, 'a', 'b', '{}')")
        yield db


@settings(max_examples=60)
@given(text=TEXT, other=TEXT)
@example(text="%s", other="%(a)s")
@example(text="it's", other='"')
@example(text="-- ", other="/*")
@example(text=";", other="a; DROP TABLE t")
@example(text="->>", other="::")
@example(text="\\", other="\\'")
@example(text="@main", other="t@main")
def test_strings_arrive_as_they_were_written(store: holdfast.Store, text: str, other: str) -> None:
    literal, second = ("'" + part.replace("'", "''") + "'" for part in (text, other))
    assert store.execute(f"SELECT {literal} AS a, %s AS b, {second} AS c", [other]).fetchall() == [
        {"a": text, "b": other, "c": other}
    ]
    store.execute(f"UPDATE t SET a = {literal}, b = {second} || {literal} WHERE id = 1 AND {literal} = %s", [text])
    assert store.execute("SELECT a, b FROM t").fetchall() == [{"a": text, "b": other + text}]
    store.execute(f"INSERT INTO t (id, a, b) VALUES (2, {literal}, %s), (3, %s, {second})", [text, other])
    store.execute(f"INSERT INTO t (id, a, b) SELECT 4, {second}, {literal} FROM t WHERE a = {literal} AND id = 2")
    assert store.execute("SELECT a, b FROM t WHERE id > 1 ORDER BY id").fetchall() == [
        {"a": text, "b": text}, {"a": other, "b": other}, {"a": other, "b": text},
    ]  # fmt: skip
    assert store.execute(f"DELETE FROM t WHERE id > 1 AND (a = {literal} OR a IN ({second}, 'x'))").rowcount == 3


@settings(max_examples=40)
@given(TEXT.filter(lambda name: name and not _NO_NAME.match(name)))
@example('say "hi"')
@example("select")
@example("null")
@example("it's")
@example("%s")
def test_names_in_double_quotes_may_be_any_text(store: holdfast.Store, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    assert store.execute(f"SELECT a AS {quoted} FROM t WHERE id = 1").columns == (name,)
    with pytest.raises(LookupError), store.transaction():
        column = f"{quoted} TEXT DEFAULT {_text(name)} CHECK ({quoted} <> 'x')"
        store.execute(f"CREATE TABLE u (id INT PRIMARY KEY, {column})")
        store.execute("INSERT INTO u (id) VALUES (1)")
        store.execute(f"UPDATE u SET {quoted} = {quoted} || '!'")
        assert store.execute(f"SELECT {quoted} FROM u").fetchall() == [{name: f"{name}!"}]
        raise LookupError
    assert store.tables() == ["t"]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
