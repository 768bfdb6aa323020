"""DISTINCT, DISTINCT ON, set operations, VALUES."""

from tests.sql.corpus.statement import read, wrong

STATEMENTS = [
    read("distinct", "SELECT DISTINCT model FROM runs ORDER BY model"),
    read("distinct pairs", "SELECT DISTINCT agent, status FROM runs ORDER BY agent, status"),
    read("distinct JSON", "SELECT DISTINCT metadata FROM messages"),
    read("distinct NUMERIC", "SELECT DISTINCT budget FROM runs ORDER BY budget DESC"),
    read("distinct on: the newest of each", "SELECT DISTINCT ON (agent) agent, run_id, created_at FROM runs ORDER BY agent, created_at DESC, run_id"),
    read("distinct on: the last message of each conversation", "SELECT DISTINCT ON (conversation_id) conversation_id, id, role, content FROM messages ORDER BY conversation_id, created_at DESC, id DESC"),
    read("distinct on two", "SELECT DISTINCT ON (tool, cached) tool, cached, duration_ms FROM tool_calls ORDER BY tool, cached, duration_ms DESC NULLS LAST"),
    read("distinct on in a subquery, ordered outside", """
        SELECT * FROM (SELECT DISTINCT ON (run_id) run_id, step, cost FROM iterations ORDER BY run_id, step DESC) last ORDER BY step DESC, run_id"""),
    read("distinct on with a limit", "SELECT DISTINCT ON (thread_id) thread_id, checkpoint_id FROM checkpoints WHERE checkpoint_ns = '' ORDER BY thread_id, checkpoint_id DESC LIMIT 2"),
    read("union", "SELECT run_id FROM runs UNION SELECT run_id FROM events ORDER BY run_id NULLS FIRST"),
    read("union all", "SELECT 'run' AS kind, count(*) AS n FROM runs UNION ALL SELECT 'step', count(*) FROM iterations UNION ALL SELECT 'call', count(*) FROM tool_calls ORDER BY kind"),
    read("union all of three logs", """
        SELECT run_id, created_at AS at, 'started' AS what FROM runs
        UNION ALL SELECT run_id, finished_at, 'finished' FROM runs WHERE finished_at IS NOT NULL
        UNION ALL SELECT run_id, called_at, 'called ' || tool FROM tool_calls
        ORDER BY at DESC, run_id, what LIMIT 12"""),
    read("intersect", "SELECT run_id FROM iterations INTERSECT SELECT run_id FROM tool_calls ORDER BY 1"),
    read("except", "SELECT run_id FROM runs EXCEPT SELECT run_id FROM iterations ORDER BY 1"),
    read("except all", "SELECT tool FROM tool_calls WHERE run_id = 'run-1' EXCEPT ALL SELECT tool FROM tool_calls WHERE run_id = 'run-4'"),
    read("intersect all", "SELECT action FROM iterations WHERE run_id = 'run-1' INTERSECT ALL SELECT action FROM iterations WHERE run_id = 'run-6'"),
    read("intersect binds first", "SELECT 1 AS n UNION SELECT 2 INTERSECT SELECT 3"),
    read("parentheses in a set operation", "(SELECT run_id FROM runs ORDER BY created_at, run_id LIMIT 2) UNION ALL (SELECT run_id FROM runs ORDER BY created_at DESC, run_id LIMIT 2)"),
    read("grouped parentheses", "(SELECT 1 AS n UNION SELECT 2) INTERSECT (SELECT 2 UNION SELECT 3)"),
    read("a set operation as a table", "SELECT who, count(*) FROM (SELECT user_id AS who FROM conversations UNION ALL SELECT agent FROM runs) t GROUP BY who ORDER BY who"),
    read("integers and decimals unite", "SELECT priority AS n FROM jobs UNION SELECT budget FROM runs ORDER BY n NULLS LAST"),
    read("values", "VALUES (1, 'one'), (2, 'two'), (3, NULL)"),
    read("values in order", "VALUES (2, 'b'), (1, 'a') ORDER BY 1"),
    read("values as a table", "SELECT v.id, v.label FROM (VALUES (1, 'a'), (2, 'b')) AS v (id, label) ORDER BY v.id DESC"),
    read("values in IN", "SELECT id FROM jobs WHERE (id, queue) IN (VALUES (1, 'default'), (4, 'mail'), (5, 'default')) ORDER BY id"),
    read("select without a table", "SELECT 1 AS one, 'two' AS two, NULL AS three, TRUE AS four"),
    read("select of parameters", "SELECT %s::int + 1 AS a, %s::text || '!' AS b", [41, "hi"]),
    read("table", "TABLE events"),
    wrong("sides of different width", "SELECT run_id FROM runs UNION SELECT run_id, agent FROM runs"),
    wrong("sides of different types", "SELECT run_id FROM runs UNION SELECT step FROM iterations"),
    wrong("distinct on needs its order first", "SELECT DISTINCT ON (agent) agent, run_id FROM runs ORDER BY run_id"),
]
