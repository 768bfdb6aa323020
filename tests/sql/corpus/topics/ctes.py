"""WITH: named queries, one from another, recursive ones."""

from tests.sql.corpus.statement import read

STATEMENTS = [
    read("the last step of each run", """
        WITH last AS (SELECT run_id, MAX(step) AS step FROM iterations GROUP BY run_id)
        SELECT i.run_id, i.step, i.action, i.state_snapshot FROM iterations i JOIN last USING (run_id, step) ORDER BY run_id"""),
    read("one from another", """
        WITH per_run AS (
            SELECT run_id, SUM(cost) AS cost, COUNT(*) AS steps FROM iterations GROUP BY run_id
        ), ranked AS (
            SELECT *, RANK() OVER (ORDER BY cost DESC) AS place FROM per_run
        )
        SELECT run_id, cost, steps, place FROM ranked WHERE place <= 3 ORDER BY place, run_id"""),
    read("used twice", """
        WITH t AS (SELECT tool, avg(duration_ms) AS mean FROM tool_calls GROUP BY tool)
        SELECT a.tool, b.tool AS slower FROM t a JOIN t b ON b.mean > a.mean ORDER BY a.mean, b.mean"""),
    read("named columns", "WITH counts(tool, n) AS (SELECT tool, count(*) FROM tool_calls GROUP BY 1) SELECT tool, n FROM counts WHERE n > 6 ORDER BY tool"),
    read("values", "WITH prices (model, usd) AS (VALUES ('gpt-4o', 5.0), ('gpt-4o-mini', 0.15)) SELECT r.run_id, p.usd FROM runs r JOIN prices p USING (model) ORDER BY 1"),
    read("materialized", "WITH slow AS MATERIALIZED (SELECT * FROM tool_calls WHERE duration_ms > 250) SELECT count(*), min(duration_ms) FROM slow"),
    read("not materialized", "WITH slow AS NOT MATERIALIZED (SELECT * FROM tool_calls WHERE duration_ms > 250) SELECT tool FROM slow GROUP BY tool ORDER BY tool"),
    read("the name of the table it reads", "WITH runs AS (SELECT * FROM runs WHERE status = 'complete') SELECT run_id FROM runs ORDER BY run_id"),
    read("in a subquery", "SELECT run_id FROM runs WHERE run_id IN (WITH e AS (SELECT run_id FROM events WHERE kind = 'start') SELECT run_id FROM e) ORDER BY 1"),
    read("in EXISTS", "WITH failed AS (SELECT run_id FROM runs WHERE status = 'failed') SELECT i.run_id, i.step FROM iterations i WHERE EXISTS (SELECT 1 FROM failed f WHERE f.run_id = i.run_id) ORDER BY 1, 2"),
    read("types are known outside", """
        WITH x AS (SELECT run_id, created_at, budget, config FROM runs WHERE budget > 1)
        SELECT run_id, created_at, budget, config FROM x WHERE created_at < NOW() - INTERVAL '10 days' ORDER BY run_id"""),
    read("types of aggregates are known outside", "WITH x AS (SELECT max(created_at) AS last, min(budget) AS least, bool_and(ok) AS fine FROM runs JOIN (SELECT run_id, ok FROM iterations) i USING (run_id)) SELECT last, least, fine FROM x"),
    read("count to ten", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT sum(i) AS total, max(i) AS last FROM n"),
    read("gaps between steps", """
        WITH RECURSIVE seq AS (SELECT 1 AS step UNION ALL SELECT step + 1 FROM seq WHERE step < 8)
        SELECT s.step FROM seq s LEFT JOIN iterations i ON i.run_id = 'run-3' AND i.step = s.step WHERE i.step IS NULL ORDER BY s.step"""),
    read("descendants of a run", """
        WITH RECURSIVE tree AS (
            SELECT run_id, parent_id, 0 AS depth FROM runs WHERE run_id = %s
            UNION ALL
            SELECT r.run_id, r.parent_id, t.depth + 1 FROM runs r JOIN tree t ON r.parent_id = t.run_id
        )
        SELECT run_id, depth FROM tree ORDER BY depth, run_id""", ["run-1"]),
    read("ancestors with a path", """
        WITH RECURSIVE up AS (
            SELECT run_id, parent_id, run_id::text AS path FROM runs WHERE run_id = 'run-4'
            UNION ALL
            SELECT p.run_id, p.parent_id, p.run_id || ' > ' || up.path FROM runs p JOIN up ON up.parent_id = p.run_id
        )
        SELECT path FROM up ORDER BY length(path) DESC LIMIT 1"""),
    read("the chain of checkpoints", """
        WITH RECURSIVE chain AS (
            SELECT checkpoint_id, parent_checkpoint_id, metadata FROM checkpoints
            WHERE thread_id = 't-1' AND checkpoint_ns = '' AND checkpoint_id = 't-1-0004'
            UNION
            SELECT c.checkpoint_id, c.parent_checkpoint_id, c.metadata FROM checkpoints c
            JOIN chain ON c.checkpoint_id = chain.parent_checkpoint_id
            WHERE c.thread_id = 't-1' AND c.checkpoint_ns = ''
        )
        SELECT checkpoint_id, metadata->>'source' AS source FROM chain ORDER BY checkpoint_id"""),
    read("recursive union ends without new rows", "WITH RECURSIVE c(x) AS (SELECT 0 UNION SELECT (x + 3) %% 7 FROM c) SELECT x FROM c ORDER BY x", []),
    read("a roll-up over the tree", """
        WITH RECURSIVE tree(root, run_id) AS (
            SELECT run_id, run_id FROM runs WHERE parent_id IS NULL
            UNION ALL SELECT t.root, r.run_id FROM tree t JOIN runs r ON r.parent_id = t.run_id)
        SELECT t.root, count(i.step) AS steps, coalesce(sum(i.tokens_used), 0) AS tokens
        FROM tree t LEFT JOIN iterations i ON i.run_id = t.run_id GROUP BY t.root ORDER BY t.root"""),
    read("days from a recursive query", """
        WITH RECURSIVE days AS (SELECT DATE '2024-03-10' AS day UNION ALL SELECT (day + INTERVAL '1 day')::date FROM days WHERE day < '2024-03-15')
        SELECT d.day, m.value FROM days d LEFT JOIN metrics m ON m.day = d.day AND m.name = 'tokens' ORDER BY d.day"""),
    read("two at once, joined", """
        WITH u AS (SELECT conversation_id, count(*) AS n FROM messages WHERE role = 'user' GROUP BY 1),
             a AS (SELECT conversation_id, count(*) AS n FROM messages WHERE role = 'assistant' GROUP BY 1)
        SELECT COALESCE(u.conversation_id, a.conversation_id) AS id, COALESCE(u.n, 0) AS asked, COALESCE(a.n, 0) AS answered
        FROM u FULL JOIN a USING (conversation_id) ORDER BY 1"""),
    read("with a set operation", "WITH a AS (SELECT run_id FROM runs), b AS (SELECT run_id FROM events) SELECT run_id FROM a EXCEPT SELECT run_id FROM b ORDER BY run_id"),
    read("a column called like one of a table", "WITH x AS (SELECT 'never' AS created_at) SELECT x.created_at FROM x JOIN runs ON x.created_at = 'never' LIMIT 1"),
]
