"""DELETE: conditions, USING, CTEs, RETURNING."""

from tests.sql.corpus.statement import write, wrong

STATEMENTS = [
    write("by key", "DELETE FROM runs WHERE run_id = %s", ["run-5"]),
    write("nothing there", "DELETE FROM runs WHERE run_id = 'nobody'", empty=True),
    write("everything", "DELETE FROM events"),
    write("old ones", "DELETE FROM messages WHERE created_at < NOW() - INTERVAL '7 days'"),
    write("returning", "DELETE FROM jobs WHERE status IN ('done', 'dead') RETURNING id, payload->>'task' AS task"),
    write("returning everything", "DELETE FROM metrics WHERE name = 'tokens' AND value < 20 RETURNING *"),
    write("using another table", "DELETE FROM tool_calls t USING runs r WHERE r.run_id = t.run_id AND r.status = 'failed'"),
    write("using, with returning of both", "DELETE FROM messages m USING conversations c WHERE c.id = m.conversation_id AND c.archived RETURNING m.id, c.title"),
    write("using the table itself: duplicates go", "DELETE FROM documents a USING documents b WHERE a.title = b.title AND a.id > b.id"),
    write("in a subquery", "DELETE FROM iterations WHERE run_id IN (SELECT run_id FROM runs WHERE created_at < NOW() - INTERVAL '10 days')"),
    write("where not exists", "DELETE FROM conversations c WHERE NOT EXISTS (SELECT 1 FROM messages WHERE conversation_id = c.id) RETURNING c.id"),
    write("all but the newest two", "DELETE FROM checkpoints WHERE thread_id = 't-1' AND checkpoint_id NOT IN (SELECT checkpoint_id FROM checkpoints WHERE thread_id = 't-1' ORDER BY checkpoint_id DESC LIMIT 2)"),
    write("all but the newest of each, by a window", """
        DELETE FROM iterations WHERE (run_id, step) IN (
            SELECT run_id, step FROM (SELECT run_id, step, row_number() OVER (PARTITION BY run_id ORDER BY step DESC) AS rn FROM iterations) t WHERE rn > 3)"""),
    write("with a CTE", "WITH old AS (SELECT id FROM jobs WHERE run_after < NOW() - INTERVAL '2 days 12 hours') DELETE FROM jobs WHERE id IN (SELECT id FROM old) RETURNING id"),
    write("with a limit in a subquery", "DELETE FROM messages WHERE id IN (SELECT id FROM messages ORDER BY created_at, id LIMIT 5) RETURNING id"),
    write("by JSON", "DELETE FROM events WHERE data @> '{\"by\": \"bob\"}' OR data->>'n' = '2'"),
    write("by a list", "DELETE FROM messages WHERE id = ANY(%s)", [[1, 2, 3, 1000]]),
    write("by pairs", "DELETE FROM iterations WHERE (run_id, step) IN (('run-1', 7), ('run-2', 4)) RETURNING run_id, step"),
    write("one of equal rows stays", "DELETE FROM events WHERE kind = 'step' AND data->>'n' = '1' AND run_id = 'run-1'"),
    write("all of a thread", "DELETE FROM checkpoints WHERE thread_id = %s", ["t-1"]),
    write("delete and show in one statement", "WITH gone AS (DELETE FROM jobs WHERE status = 'dead' RETURNING *) SELECT id, queue FROM gone ORDER BY id"),
    write("moved to another table", "WITH gone AS (DELETE FROM jobs WHERE status = 'done' RETURNING id, payload) INSERT INTO events (kind, data) SELECT 'job', payload FROM gone"),
    wrong("an unknown table", "DELETE FROM walks"),
    wrong("an unknown column", "DELETE FROM runs WHERE colour = 'red'"),
]
