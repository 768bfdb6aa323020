"""`holdfast sql` reads and writes, here and in the past, for people and for programs."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Holdfast

pytestmark = pytest.mark.slow


def test_a_write_is_a_commit_and_a_read_is_a_table(holdfast: Holdfast) -> None:
    holdfast("sql", "CREATE TABLE notes (id INT PRIMARY KEY, body TEXT, stars INT)")

    written = holdfast("sql", "INSERT INTO notes VALUES (1, 'one', 5), (2, 'two', NULL)")
    read = holdfast("sql", "SELECT * FROM notes ORDER BY id")

    assert written.out.startswith("2 rows changed; commit ")
    assert [line.rstrip() for line in read.out.splitlines()] == [
        "id  body  stars",
        "───────────────",
        " 1  one   5",
        " 2  two   NULL",
        "(2 rows)",
    ]


def test_a_statement_comes_from_stdin(notes: Holdfast) -> None:
    assert notes("sql", "-", "--json", stdin="SELECT id FROM notes ORDER BY id").json == [{"id": 1}, {"id": 2}]


def test_json_is_a_list_of_rows(notes: Holdfast) -> None:
    assert notes("sql", "SELECT * FROM notes ORDER BY id", "--json").json == [
        {"id": 1, "body": "one", "stars": 5},
        {"id": 2, "body": "two", "stars": None},
    ]


def test_a_write_that_returns_rows_shows_them(notes: Holdfast) -> None:
    insert = "INSERT INTO notes VALUES (2, 'two', 4), (3, 'three', 1) ON CONFLICT (id) DO UPDATE SET stars = 4"
    shown = notes("sql", f"{insert} RETURNING id, upper(body)")

    assert [line.rstrip() for line in shown.out.splitlines()] == [
        "id  upper",
        "─────────",
        " 2  TWO",
        " 3  THREE",
        "(2 rows)",
    ]
    assert notes("sql", "DELETE FROM notes WHERE id > 1 RETURNING id, stars", "--json").json == [
        {"id": 2, "stars": 4},
        {"id": 3, "stars": 1},
    ]
    assert notes("sql", "DELETE FROM notes WHERE id > 1 RETURNING id", "--json").json == []
    assert notes("log", "--json").json[0]["message"] == "DELETE FROM notes"
    refused = notes("sql", "DELETE FROM notes RETURNING id", "--at", "main", "--json").error
    assert "--at only reads" in refused["message"]


def test_no_rows_are_an_empty_list(notes: Holdfast) -> None:
    assert notes("sql", "SELECT * FROM notes WHERE id = 9", "--json").json == []
    assert notes("sql", "SELECT * FROM notes WHERE id = 9").out.splitlines()[-1] == "(0 rows)"


def test_a_write_tells_programs_its_commit(notes: Holdfast) -> None:
    written = notes("sql", "DELETE FROM notes WHERE id = 1", "--json").json

    assert written == {"rowcount": 1, "commit": notes("log", "--json").json[0]["hash"]}


def test_a_write_that_changes_nothing_is_no_commit(notes: Holdfast) -> None:
    assert notes("sql", "DELETE FROM notes WHERE id = 9").out == "0 rows changed; no commit\n"
    assert notes("sql", "DELETE FROM notes WHERE id = 9", "--json").json == {"rowcount": 0, "commit": None}


def test_the_past_can_be_read_and_not_written(notes: Holdfast) -> None:
    before = notes("log", "--json").json[0]["hash"]
    notes("sql", "DELETE FROM notes")

    assert notes("sql", "SELECT count(*) AS n FROM notes", "--at", before[:10], "--json").json == [{"n": 2}]
    assert notes("sql", f'SELECT count(*) AS n FROM "notes@{before}"', "--json").json == [{"n": 2}]
    assert notes("sql", "DELETE FROM notes", "--at", before, "--json").error["code"] == "read_only"


def test_a_branch_has_its_own_rows(notes: Holdfast) -> None:
    notes("branch", "other")

    notes("sql", "DELETE FROM notes", "--branch", "other")

    assert notes("sql", "SELECT count(*) AS n FROM notes", "--branch", "other", "--json").json == [{"n": 0}]
    assert notes("sql", "SELECT count(*) AS n FROM notes", "--json").json == [{"n": 2}]


def test_every_type_has_its_json(holdfast: Holdfast) -> None:
    holdfast(
        "sql",
        """CREATE TABLE t (at TIMESTAMP, day DATE, price NUMERIC(20, 2), bytes BLOB, vector VECTOR(3), doc JSONB,
                           yes BOOLEAN)""",
    )
    holdfast(
        "sql",
        """INSERT INTO t VALUES ('2026-01-31 23:59:59.5+01:00', '2026-01-31', '12345678901234567.89', x'00ff',
                                 '[0.1, 0, -1]', '{"b": [1, null], "a": "ü"}', true)""",
    )

    [row] = holdfast("sql", "SELECT * FROM t", "--json").json

    assert row == {
        "at": "2026-01-31T22:59:59.500000+00:00",
        "day": "2026-01-31",
        "price": "12345678901234567.89",
        "bytes": "AP8=",
        "vector": [0.1, 0.0, -1.0],
        "doc": {"b": [1, None], "a": "ü"},
        "yes": True,
    }


def test_long_cells_are_shortened_for_people_only(notes: Holdfast) -> None:
    notes("sql", "INSERT INTO notes VALUES (3, '" + "x" * 500 + "', 1), (4, 'y', 1)")
    query = "SELECT body, id FROM notes WHERE id > 2 ORDER BY id"

    lines = notes("sql", query).out.splitlines()

    assert max(map(len, lines)) <= 100
    assert "xxx…" in lines[2]
    assert notes("sql", query, "--json").json[0]["body"] == "x" * 500


def test_a_single_text_is_shown_whole(notes: Holdfast) -> None:
    notes("sql", "UPDATE notes SET body = 'first\nsecond " + "x" * 300 + "' WHERE id = 1")

    assert notes("sql", "SELECT body FROM notes WHERE id = 1").out.startswith("first\nsecond " + "x" * 300 + "\n")


def test_rows_too_wide_for_the_terminal_stand_in_blocks(notes: Holdfast) -> None:
    query = "SELECT " + ", ".join(f"'{'v' * 20}' AS a_long_name_{n}" for n in range(6)) + " FROM notes"

    out = notes("sql", query, columns=80).out

    assert "─ row 1" in out or "row 1 ─" in out
    assert "a_long_name_5  vvvvvvvvvvvvvvvvvvvv" in out


def test_control_characters_never_reach_the_terminal(notes: Holdfast) -> None:
    notes("sql", "UPDATE notes SET body = 'a\x1b[31mred\x1b]0;title\x07' WHERE id = 1")

    for query in ("SELECT body FROM notes WHERE id = 1", "SELECT id, body FROM notes"):
        out = notes("sql", query).out
        assert "␛[31mred" in out
        assert not {"\x1b", "\x07"} & set(out)


def test_markup_in_values_is_text(notes: Holdfast) -> None:
    notes("sql", "UPDATE notes SET body = '[bold]x[/bold] :smile:' WHERE id = 1")

    assert "[bold]x[/bold] :smile:" in notes("sql", "SELECT id, body FROM notes").out


def test_many_rows_are_counted_for_people_and_complete_for_programs(notes: Holdfast) -> None:
    many = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1500) SELECT n FROM c"

    assert (
        notes("sql", many).out.splitlines()[-1] == "(1,500 rows, of which the first 1,000 are shown; --json prints all)"
    )
    assert len(notes("sql", many, "--json").json) == 1500


@pytest.mark.parametrize("url", ["other.db", "folder/deep.db"])
def test_the_store_is_an_option_or_in_the_environment(holdfast: Holdfast, tmp_path: Path, url: str) -> None:
    (tmp_path / "folder").mkdir()
    holdfast("sql", "CREATE TABLE t (a INT)", "--store", url)

    assert holdfast("sql", "SELECT * FROM t", "--json", HOLDFAST_STORE=url).json == []
    assert (tmp_path / url).exists()
    assert not (tmp_path / "holdfast.db").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["sql", "SELEC 1"], "sql"),
        (["sql", "SELECT * FROM absent"], "not_found"),
        (["sql", "INSERT INTO notes VALUES (1, 'again', 1)"], "constraint"),
        (["sql", "SELECT 1", "--branch", "absent"], "not_found"),
        (["sql", "SELECT 1", "--at", "absent"], "not_found"),
        (["sql", ""], "sql"),
    ],
    ids=str,
)
def test_an_error_is_one_message_and_changes_nothing(notes: Holdfast, arguments: list[Any], code: str) -> None:
    history = notes("log", "--json").json

    plain = notes(*arguments)

    assert (plain.code, plain.out) == (1, "")
    assert plain.err.startswith("holdfast: ")
    assert "Traceback" not in plain.err
    assert notes(*arguments, "--json").error["code"] == code
    assert notes("log", "--json").json == history


def test_two_places_are_a_usage_error(notes: Holdfast) -> None:
    assert notes("sql", "SELECT 1", "--at", "main", "--branch", "main").code == 2


@pytest.mark.parametrize("ref", ["main", "other", "HEAD"])
def test_at_a_ref_nothing_is_written_not_even_on_a_branch(notes: Holdfast, ref: str) -> None:
    notes("branch", "other")
    history = notes("log", "--json").json
    ref = history[0]["hash"] if ref == "HEAD" else ref

    for statement in ("DELETE FROM notes", "CREATE TABLE t (a INT)", "WITH x AS (SELECT 1) DELETE FROM notes"):
        refused = notes("sql", statement, "--at", ref)

        assert (refused.code, refused.out) == (1, "")
        assert "use --branch" in refused.err
    assert notes("log", "--json").json == history
    assert notes("log", "other", "--json").json == history
