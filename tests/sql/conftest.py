"""What the SQL tests share: a store on its first branch, on each engine that has SQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import holdfast
from tests.postgresql import fresh_url

FILES_ALONE = {
    "test_indexes": "looks at the indexes of a file",
    "test_search": "looks at the index of words of a file",
    "test_nobody_knows_whether_a_null_has_a_word": "PostgreSQL knows it",
    "test_a_series_goes_the_way_of_its_step": "PostgreSQL says it in its own words",
    "test_keys_may_be_shifted_into_a_gap[postgres-True]": "a fault of files alone",
    "test_the_parameters_of_many_runs_may_be_read_while_others_are_written": "a fault of files alone",
    "test_words_of_refused_operators_may_name_columns": "a column without a type",
    "test_a_number_after_an_arrow_is_a_place_in_a_list": "the place is a BIGINT, which PostgreSQL does not take",
    "test_equal_json_is_no_change_and_other_json_is_one": "json_set() is SQLite's",
    "test_a_statement_that_fails_midway_leaves_nothing[postgres-UPDATE t SET k = k + 1]": "it does not fail",
    "test_a_statement_that_fails_midway_leaves_nothing[postgres-sql7]": "json_extract() is SQLite's",
    "j->'k' = 9": "a number beside JSON is a mistake to PostgreSQL",
    "max(at, at)": "max() of two values is SQLite's",
    "typeof(x)": "typeof() is SQLite's",
    "ANY-x = 1": "a column without a type",
    "INT-x > 5": "a truth is no number to PostgreSQL",
    "BOOLEAN-x-": "a number is no truth to PostgreSQL",
    **{
        f"test_a_value_comes_back_whichever_way_it_went_in[postgres-{case}": "the expression is SQLite's"
        for case in ("61 DATE", "13 FLOAT", "23 TEXT", "43 JSONB", "05 INT", "64 VECTOR", "7")
    },
}
"""Parts of the ids of tests that do not run on PostgreSQL, and why."""


@pytest.fixture(params=["file", "postgres"])
def db(request: pytest.FixtureRequest) -> Iterator[holdfast.Store]:
    if request.param == "postgres":
        for part, reason in FILES_ALONE.items():
            if part in request.node.nodeid:
                pytest.skip(reason)
    with holdfast.connect(":memory:" if request.param == "file" else fresh_url()) as store:
        yield store
