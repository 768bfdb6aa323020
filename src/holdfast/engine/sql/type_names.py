"""The names of types, PostgreSQL's and SQLite's."""

from __future__ import annotations

from holdfast.core.types import Kind

TYPES: dict[str, Kind] = {
    "": Kind.ANY,
    "any": Kind.ANY,
    **dict.fromkeys(
        ("int", "integer", "bigint", "smallint", "int2", "int4", "int8", "tinyint", "mediumint"), Kind.INTEGER
    ),
    **dict.fromkeys(("serial", "bigserial", "smallserial"), Kind.INTEGER),
    **dict.fromkeys(("real", "float", "float4", "float8", "double", "double precision"), Kind.REAL),
    **dict.fromkeys(
        ("text", "varchar", "character varying", "char", "character", "string", "clob", "bpchar"), Kind.TEXT
    ),
    **dict.fromkeys(("blob", "bytea"), Kind.BLOB),
    **dict.fromkeys(("boolean", "bool"), Kind.BOOLEAN),
    **dict.fromkeys(("numeric", "decimal"), Kind.NUMERIC),
    **dict.fromkeys(("jsonb", "json"), Kind.JSON),
    **dict.fromkeys(
        (
            "timestamp",
            "timestamptz",
            "datetime",
            "timestamp with time zone",
            "timestamp without time zone",
        ),
        Kind.TIMESTAMP,
    ),
    "date": Kind.DATE,
    "interval": Kind.INTERVAL,
    "uuid": Kind.UUID,
    "vector": Kind.VECTOR,
}
