"""The index that a search for words reads: FTS5 beside the versions of a table, kept by triggers.

It is an index of all versions of all branches, like any other; what a branch sees of it, and how that ranks, each
search computes (engine/matching.py). It keeps no text of its own. Whoever writes versions, a merge or gc included,
writes the index by the triggers, in the same transaction. With secure-delete nothing of a removed text is left in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from holdfast.core.schema import Column, Table
from holdfast.core.types import Kind
from holdfast.engine.sql.layout import versions
from holdfast.engine.sql.reader import Database
from holdfast.engine.words import CONFIGS
from holdfast.errors import InvalidValue, NotFound, StoreError, Unsupported

_NAME = re.compile(r"hf_t(\d+)_(\d+)")
_TOKENIZE = re.compile(r"tokenize = '([^']*)'")
_EVENTS = ("insert", "delete", "update")


def text_index(table_id: int, column_id: int) -> str:
    """Return the name of the text index of a column."""
    return f"hf_t{table_id}_{column_id}"


def text_index_statements(table: Table, column: Column, config: str = "english") -> list[str]:
    """Return the statements that make the text index of a column, and fill it with the versions that there are.

    Args:
        config: "english" (words are stemmed) or "simple".

    Raises:
        InvalidValue: the column has no text.
        Unsupported: there is no such config.
    """
    if column.type.kind is not Kind.TEXT:
        raise InvalidValue(f"{table.name}.{column.name} is {column.type}; a text index is of a TEXT column")
    index, v, cell = text_index(table.id, column.id), versions(table), f"c{column.id}"
    add = f"INSERT INTO {index} (rowid, {cell}) VALUES (new.vid, new.{cell})"
    remove = f"INSERT INTO {index} ({index}, rowid, {cell}) VALUES ('delete', old.vid, old.{cell})"
    options = f"{cell}, content = '{v}', content_rowid = 'vid', tokenize = '{_tokenizer(config)}'"
    return [
        f"CREATE VIRTUAL TABLE {index} USING fts5({options})",
        f"INSERT INTO {index} ({index}, rank) VALUES ('secure-delete', 1)",
        f"CREATE TRIGGER {index}_insert AFTER INSERT ON {v} BEGIN {add}; END",
        f"CREATE TRIGGER {index}_delete AFTER DELETE ON {v} BEGIN {remove}; END",
        f"CREATE TRIGGER {index}_update AFTER UPDATE OF {cell} ON {v} BEGIN {remove}; {add}; END",
        f"INSERT INTO {index} ({index}) VALUES ('rebuild')",
    ]


def drop_text_index_statements(table: Table, column: Column) -> list[str]:
    """Return the statements that drop the text index of a column. Needed before the table is dropped on disk, too."""
    index = text_index(table.id, column.id)
    return [*(f"DROP TRIGGER {index}_{event}" for event in _EVENTS), f"DROP TABLE {index}"]


def _tokenizer(config: str) -> str:
    if config not in CONFIGS:
        raise Unsupported(f"there is no text search configuration {config!r} here; use one of {', '.join(CONFIGS)}")
    return " ".join(CONFIGS[config])


def config_of(database: Database, table: Table, column: Column, asked: str | None) -> str:
    """Return what the text index of a column was made for.

    Raises:
        NotFound: it has none.
        Unsupported: it was made for something else than `asked`.
    """
    if asked is not None:
        _tokenizer(asked)
    index = text_index(table.id, column.id)
    found = database.rows("SELECT sql FROM main.sqlite_schema WHERE name = ?", (index,))
    if not found:
        raise NotFound(
            f"{table.name}.{column.name} has no text index; create it:"
            f" CREATE INDEX ON {table.name} USING bm25 ({column.name})"
        )
    tokenize = _tokenize_of(found[0][0])
    config = next(name for name, tokenizer in CONFIGS.items() if " ".join(tokenizer) == tokenize)
    if asked not in (None, config):
        raise Unsupported(f"the text index of {table.name}.{column.name} is for {config!r}, not for {asked!r}")
    return config


def _tokenize_of(sql: str) -> str:
    found = _TOKENIZE.search(sql)
    assert found is not None
    return found[1]


def text_indexes(database: Database) -> list[tuple[str, str]]:
    """Return all text indexes: each name with the SQL that made it."""
    found = database.rows(
        "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'"
    )
    return [(name, sql) for name, sql in found if _NAME.fullmatch(name)]


def damage_of(database: Database, index: tuple[str, str]) -> Iterator[str]:
    """Yield whether a text index differs from the texts: it is made again, in memory, and compared word by word.

    FTS5's own check would have to write.
    """
    name, sql = index
    numbers = _NAME.fullmatch(name)
    assert numbers is not None
    v, cell = f"hf_v{numbers[1]}", f"c{numbers[2]}"
    again = f"fts5({cell}, content = '', tokenize = '{_tokenize_of(sql)}')"
    try:
        for statement in (
            f"CREATE VIRTUAL TABLE temp.hf_again USING {again}",
            f"INSERT INTO temp.hf_again (rowid, {cell}) SELECT vid, {cell} FROM main.{v}",
            "CREATE VIRTUAL TABLE temp.hf_again_words USING fts5vocab(temp, hf_again, instance)",
            f"CREATE VIRTUAL TABLE temp.hf_index_words USING fts5vocab(main, {name}, instance)",
        ):
            database.rows(statement)
        pairs = (("temp.hf_again_words", "temp.hf_index_words"), ("temp.hf_again_docsize", f"main.{name}_docsize"))
        for made, found in pairs:
            for one, other in ((made, found), (found, made)):
                ((differ,),) = database.rows(f"SELECT count(*) FROM (SELECT * FROM {one} EXCEPT SELECT * FROM {other})")
                if differ:
                    yield f"the text index {name} is not that of the texts of {v}: drop it and create it again"
                    return
    except StoreError as error:
        yield f"the text index {name} cannot be read: {error}"
    finally:
        for table in ("hf_again_words", "hf_index_words", "hf_again"):
            database.rows(f"DROP TABLE IF EXISTS temp.{table}")
