"""Arrays, where people use them."""

from datetime import date
from uuid import UUID

from tests.sql.corpus.statement import read

STATEMENTS = [
    read("= any of a list", "SELECT run_id, agent FROM runs WHERE run_id = ANY(%s) ORDER BY run_id", [["run-1", "run-3", "nobody"]]),
    read("= any of integers", "SELECT id, role FROM messages WHERE id = ANY(%s) ORDER BY id", [[3, 5, 8]]),
    read("= any of an empty list", "SELECT run_id FROM runs WHERE run_id = ANY(%s)", [[]], empty=True),
    read("= any with a cast", "SELECT call_id FROM tool_calls WHERE call_id = ANY(%s::uuid[]) ORDER BY call_id", [["a11ce000-0000-0000-0000-000000000001", "a11ce000-0000-0000-0000-000000000005"]]),
    read("= any of uuids", "SELECT tool FROM tool_calls WHERE call_id = ANY(%s) ORDER BY call_id", [[UUID("a11ce000-0000-0000-0000-000000000001")]]),
    read("= any of dates", "SELECT name, day FROM metrics WHERE day = ANY(%s) ORDER BY name, day", [[date(2024, 3, 9), date(2024, 3, 11)]]),
    read("<> all", "SELECT run_id FROM runs WHERE status <> ALL(%s) ORDER BY run_id", [["complete", "failed", "cancelled"]]),
    read("not = any", "SELECT run_id FROM runs WHERE NOT (status = ANY(%s)) ORDER BY run_id", [["complete", "failed"]]),
    read("= any by name", "SELECT run_id FROM runs WHERE model = ANY(%(models)s) AND attempts > %(n)s ORDER BY run_id", {"models": ["gpt-4o", "gpt-4o-mini"], "n": 0}),
    read("> any of a literal array", "SELECT id FROM jobs WHERE priority > ANY(ARRAY[3, 100]) ORDER BY id"),
    read("an array in braces", "SELECT run_id FROM runs WHERE status = ANY('{queued,running}'::text[]) ORDER BY run_id"),
    read("array_agg", "SELECT run_id, array_agg(action ORDER BY step) AS actions FROM iterations GROUP BY run_id ORDER BY run_id"),
    read("array_agg of what differs", "SELECT array_agg(DISTINCT tool ORDER BY tool) AS tools FROM tool_calls"),
    read("array_agg with a filter", "SELECT run_id, array_agg(step ORDER BY step) FILTER (WHERE NOT ok) AS failures FROM iterations GROUP BY run_id ORDER BY run_id"),
    read("unnest a parameter", "SELECT u.id, r.status FROM unnest(%s::text[]) AS u(id) LEFT JOIN runs r ON r.run_id = u.id ORDER BY u.id", [["run-1", "run-99"]]),
    read("unnest two side by side", "SELECT * FROM unnest(ARRAY['a', 'b'], ARRAY[1, 2]) AS t(name, n)"),
    read("unnest with positions", "SELECT id, n FROM unnest(%s::int[]) WITH ORDINALITY AS t(id, n) ORDER BY n", [[7, 3, 5]]),
    read("in the order of a list", "SELECT id, role FROM messages WHERE id = ANY(%(ids)s) ORDER BY array_position(%(ids)s::bigint[], id)", {"ids": [9, 2, 5]}),
    read("array of a subquery", "SELECT ARRAY(SELECT step FROM iterations WHERE run_id = 'run-2' ORDER BY step) AS steps"),
    read("length and elements", "SELECT array_length(ARRAY[1, 2, 3], 1) AS n, cardinality(ARRAY['x']) AS c, (ARRAY['a', 'b', 'c'])[2] AS second"),
    read("last element of an aggregate", "SELECT run_id, (array_agg(action ORDER BY step DESC))[1] AS last FROM iterations GROUP BY run_id ORDER BY run_id"),
    read("contains and overlaps", "SELECT ARRAY[1, 2, 3] @> ARRAY[2] AS a, ARRAY[1, 2] && ARRAY[2, 5] AS b"),
    read("concatenated", "SELECT ARRAY[1, 2] || 3 AS a, array_append(ARRAY['x'], 'y') AS b, array_cat(ARRAY[1], ARRAY[2]) AS c"),
]
