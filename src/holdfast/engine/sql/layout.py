"""The tables on disk. docs/format.md is the normative description; a test holds the two together.

Names on disk are made of ids, never of the user's names, so that renaming a table or a column touches no row.
"""

from __future__ import annotations

from holdfast.core.schema import Column, IndexKind, Table
from holdfast.core.types import Kind

FORMAT = 3
"""The version of this layout. A store of a newer one is refused untouched."""

CHANGED_TABLES = "changed tables"
"""The feature of stores with foreign keys, indexes, or columns that were added or dropped."""

FEATURES = frozenset({CHANGED_TABLES})
"""What a store may need of its reader beyond the format, and this one knows."""

APPLICATION_ID = 0x486C6466
"""Marks an SQLite file as a Holdfast store: "Hldf"."""

_SINCE_FORMAT_2 = (
    """CREATE TABLE hf_pin (token TEXT PRIMARY KEY, line INTEGER NOT NULL, n INTEGER NOT NULL,
        until INTEGER NOT NULL) STRICT, WITHOUT ROWID""",
    "CREATE INDEX hf_line_trunk ON hf_line (trunk, trunk_n) WHERE trunk IS NOT NULL",
)

_SINCE_FORMAT_3 = (
    """CREATE TABLE hf_entry (register TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (register, key)) STRICT, WITHOUT ROWID""",
)

SYSTEM_TABLES: tuple[str, ...] = (
    "CREATE TABLE hf_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE hf_line (id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, parent INTEGER, fork_n INTEGER,
        head_n INTEGER NOT NULL, head_hash BLOB NOT NULL, epoch INTEGER NOT NULL,
        trunk INTEGER, trunk_n INTEGER) STRICT""",
    """CREATE TABLE hf_ref (kind TEXT NOT NULL, name TEXT NOT NULL, line INTEGER NOT NULL, n INTEGER,
        PRIMARY KEY (kind, name)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE hf_commit (line INTEGER NOT NULL, n INTEGER NOT NULL, hash BLOB NOT NULL, parent BLOB, parent2 BLOB,
        at INTEGER NOT NULL, message TEXT NOT NULL, metadata TEXT, schema INTEGER NOT NULL, salt BLOB,
        changes BLOB NOT NULL, pruned INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (line, n)) STRICT, WITHOUT ROWID""",
    "CREATE UNIQUE INDEX hf_commit_hash ON hf_commit (hash)",
    """CREATE TABLE hf_merge (line INTEGER NOT NULL, n INTEGER NOT NULL, src INTEGER NOT NULL, hi INTEGER NOT NULL,
        PRIMARY KEY (line, n, src)) STRICT, WITHOUT ROWID""",
    "CREATE TABLE hf_schema (version INTEGER PRIMARY KEY, hash BLOB NOT NULL, tables TEXT NOT NULL) STRICT",
    """CREATE TABLE hf_leaf (line INTEGER NOT NULL, n INTEGER NOT NULL, tbl INTEGER NOT NULL, rid BLOB NOT NULL,
        mark BLOB NOT NULL, salt BLOB, PRIMARY KEY (line, n, tbl, rid)) STRICT, WITHOUT ROWID""",
    *_SINCE_FORMAT_2,
    *_SINCE_FORMAT_3,
)

UPGRADES: dict[int, tuple[str, ...]] = {
    1: ("ALTER TABLE hf_commit ADD COLUMN pruned INTEGER NOT NULL DEFAULT 0", *_SINCE_FORMAT_2),
    2: _SINCE_FORMAT_3,
}
"""Format -> what makes a store of it one of the next."""

DECIMAL_COLLATION = "hf_decimal"

VID = "hf:vid"
"""The hidden column that names a version in `hf_rows_<id>`."""

_PHYSICAL = {
    Kind.ANY: "ANY",
    Kind.INTEGER: "INTEGER",
    Kind.BOOLEAN: "INTEGER",
    Kind.INTERVAL: "INTEGER",
    Kind.REAL: "REAL",
    Kind.BLOB: "BLOB",
    Kind.VECTOR: "BLOB",
    Kind.NUMERIC: f"TEXT COLLATE {DECIMAL_COLLATION}",
}


def quoted(name: str) -> str:
    """Return an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def versions(table: Table) -> str:
    """Return the name of the table that holds the versions of the rows."""
    return f"hf_v{table.id}"


def tombstones(table: Table) -> str:
    """Return the name of the table that says which versions ended where."""
    return f"hf_k{table.id}"


def cells(table: Table, prefix: str = "") -> list[str]:
    """Return the columns on disk, in the order of the table's columns, each with a prefix such as `v.`."""
    return [f"{prefix}c{column.id}" for column in table.columns]


def insert_version(table: Table) -> str:
    """Return the statement that writes a version, by its row, its commit, and the values of the table's columns."""
    columns = ["rline", "rn", "rord", "line", "n", *cells(table)]
    return f"INSERT INTO {versions(table)} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def cell_of(table: Table, names: tuple[str, ...], prefix: str = "") -> list[str]:
    """Return the columns on disk of some columns, by name."""
    all_cells = cells(table, prefix)
    return [all_cells[at] for at in table.positions(names)]


def key_cells(table: Table, prefix: str = "") -> list[str]:
    """Return the columns on disk that hold a row's key: its primary key, or its row id in a table without one."""
    if not table.primary_key:
        return [f"{prefix}{name}" for name in ("rline", "rn", "rord")]
    return cell_of(table, table.primary_key, prefix)


def create_table(table: Table) -> list[str]:
    """Return the statements that make room for a table's rows."""
    v, k = versions(table), tombstones(table)
    columns = "".join(f", {_definition(column)}" for column in table.columns)
    statements = [
        f"""CREATE TABLE {v} (vid INTEGER PRIMARY KEY, rline INTEGER NOT NULL, rn INTEGER NOT NULL,
        rord INTEGER NOT NULL, line INTEGER NOT NULL, n INTEGER NOT NULL,
        dead INTEGER NOT NULL DEFAULT 0{columns}) STRICT""",
        f"CREATE UNIQUE INDEX {v}_key ON {v} ({', '.join([*key_cells(table), 'line', 'n'])})",
        f"CREATE INDEX {v}_at ON {v} (line, n)",
        f"""CREATE TABLE {k} (vid INTEGER NOT NULL, line INTEGER NOT NULL, n INTEGER NOT NULL,
        PRIMARY KEY (vid, line)) STRICT, WITHOUT ROWID""",
        f"CREATE INDEX {k}_at ON {k} (line, n)",
    ]
    for number, ordered in enumerate(indexed(table), start=1):
        unique = number <= len(table.uniques)
        statements.append(order_by(table, ordered, f"u{number}" if unique else None))
    return statements


def _definition(column: Column) -> str:
    fill = "" if column.fill is None else f" DEFAULT {column.fill}"
    return f"c{column.id} {_PHYSICAL.get(column.type.kind, 'TEXT')}{fill}"


def add_column(table: Table, column: Column) -> str:
    """Return the statement that makes room for a column; the versions that are there show its `fill`."""
    return f"ALTER TABLE {versions(table)} ADD COLUMN {_definition(column)}"


def indexed(table: Table) -> list[tuple[int, ...]]:
    """Return the columns, by their ids, of the indexes that a table has on disk besides that of its key.

    They are those of UNIQUE, of indexes, and of foreign keys, without which the rows that refer to one would have to
    be searched for. Where one would do the work of another, there is one.
    """
    key = table.ids(table.primary_key)
    asked = [table.ids(names) for names in table.uniques]
    asked += [index.columns for index in table.indexes if index.kind is IndexKind.ORDERED]
    found = list(dict.fromkeys(columns for columns in asked if columns != key))
    for reference in table.foreign_keys:
        if not any(columns[: len(reference.columns)] == reference.columns for columns in [key, *found]):
            found.append(reference.columns)
    return found


def order_by(table: Table, columns: tuple[int, ...], name: str | None = None) -> str:
    """Return the statement that makes an index on disk over some columns."""
    name = name or f"on_{'_'.join(map(str, columns))}"
    listed = ", ".join([*(f"c{column}" for column in columns), "line", "n"])
    return f"CREATE INDEX {versions(table)}_{name} ON {versions(table)} ({listed})"
