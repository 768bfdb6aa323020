"""UPDATE: conditions, FROM, CTEs, RETURNING."""

from datetime import UTC, datetime
from decimal import Decimal

from tests.sql.corpus.statement import write, wrong

STATEMENTS = [
    write("by key", "UPDATE runs SET status = %s, finished_at = %s WHERE run_id = %s", ["complete", datetime(2024, 3, 15, 11, 0, tzinfo=UTC), "run-3"]),
    write("nothing there", "UPDATE runs SET status = 'failed' WHERE run_id = 'nobody'", empty=True),
    write("everything", "UPDATE jobs SET attempts = attempts + 1"),
    write("with expressions", "UPDATE iterations SET cost = cost * 1.1, tokens_used = COALESCE(tokens_used, 0) + 1, observation = upper(observation) WHERE run_id = 'run-2'"),
    write("columns swap", "UPDATE jobs SET attempts = max_attempts, max_attempts = attempts WHERE max_attempts IS NOT NULL"),
    write("to the default", "UPDATE jobs SET priority = DEFAULT, run_after = DEFAULT WHERE queue = 'mail' RETURNING id, priority, run_after"),
    write("to NULL", "UPDATE jobs SET locked_by = NULL, locked_until = NULL WHERE locked_until < NOW()"),
    write("several columns at once", "UPDATE runs SET (status, finished_at) = ('cancelled', NOW()) WHERE status IN ('queued', 'suspended')"),
    write("several columns from a subquery", "UPDATE runs SET (attempts, budget) = (SELECT count(*), sum(cost) FROM iterations i WHERE i.run_id = runs.run_id) WHERE status = 'complete' RETURNING run_id, attempts, budget"),
    write("by a subquery", "UPDATE runs SET attempts = (SELECT MAX(step) FROM iterations WHERE iterations.run_id = runs.run_id) WHERE run_id IN (SELECT run_id FROM iterations)"),
    write("where exists", "UPDATE conversations c SET archived = TRUE WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = c.id AND m.created_at > NOW() - INTERVAL '5 days')"),
    write("from another table", "UPDATE tool_calls t SET cached = TRUE FROM iterations i WHERE i.run_id = t.run_id AND i.step = t.step AND i.ok"),
    write("from an aggregate", "UPDATE runs SET budget = s.cost FROM (SELECT run_id, SUM(cost) AS cost FROM iterations GROUP BY run_id) AS s WHERE runs.run_id = s.run_id RETURNING runs.run_id, runs.budget, s.cost"),
    write("from values", "UPDATE jobs AS j SET priority = v.priority FROM (VALUES (1, 7), (2, 8), (99, 9)) AS v(id, priority) WHERE v.id = j.id RETURNING j.id, j.priority"),
    write("from values with parameters and casts", "UPDATE documents d SET score = v.score FROM (VALUES (%s::int, %s::real), (%s, %s)) AS v(id, score) WHERE d.id = v.id", [1, 0.25, 2, None]),
    write("from unnest", "UPDATE jobs SET status = u.status FROM unnest(%s::int[], %s::text[]) AS u(id, status) WHERE jobs.id = u.id", [[1, 2], ["x", "y"]]),
    write("from two tables", "UPDATE iterations i SET observation = c.title FROM runs r, conversations c WHERE r.run_id = i.run_id AND c.id = r.attempts AND i.step = 1"),
    write("from the table itself", "UPDATE iterations a SET tokens_used = b.tokens_used FROM iterations b WHERE b.run_id = a.run_id AND b.step = a.step - 1 AND a.run_id = 'run-1'"),
    write("from a CTE", "WITH last AS (SELECT run_id, max(created_at) AS at FROM iterations GROUP BY run_id) UPDATE runs r SET finished_at = GREATEST(last.at, r.created_at) FROM last WHERE last.run_id = r.run_id AND r.finished_at IS NULL RETURNING r.run_id, r.finished_at"),
    write("a CTE in the condition", "WITH slow AS (SELECT run_id, step FROM tool_calls WHERE duration_ms > 300) UPDATE iterations SET ok = FALSE WHERE (run_id, step) IN (SELECT run_id, step FROM slow)"),
    write("claims the next job", """
        UPDATE jobs SET status = 'running', locked_by = %s, locked_until = NOW() + INTERVAL '30 seconds', attempts = attempts + 1
        WHERE id = (SELECT id FROM jobs WHERE status = 'pending' AND queue = %s AND run_after <= NOW()
                    ORDER BY priority DESC, run_after, id LIMIT 1)
        RETURNING id, payload, attempts""", ["worker-7", "default"]),
    write("claims the next job, skipping what is locked", """
        WITH next AS (
            SELECT id FROM jobs WHERE status = 'pending' AND (run_after IS NULL OR run_after <= now())
            ORDER BY priority DESC, id LIMIT 2 FOR UPDATE SKIP LOCKED
        )
        UPDATE jobs SET status = 'running', attempts = jobs.attempts + 1 FROM next WHERE jobs.id = next.id RETURNING jobs.*"""),
    write("backs off", "UPDATE jobs SET status = CASE WHEN attempts >= max_attempts THEN 'dead' ELSE 'pending' END, run_after = NOW() + make_interval(secs => 2 ^ attempts) WHERE status = 'running' RETURNING id, status, run_after"),
    write("backs off by a multiplied interval", "UPDATE jobs SET run_after = run_after + attempts * INTERVAL '5 minutes' WHERE run_after IS NOT NULL"),
    write("a field of JSON", "UPDATE runs SET config = jsonb_set(config, '{temperature}', '0.5') WHERE config ? 'temperature'"),
    write("a field of JSON from a column", "UPDATE runs SET config = jsonb_set(config, '{attempts}', to_jsonb(attempts), true)"),
    write("JSON is merged", "UPDATE conversations SET metadata = COALESCE(metadata, '{}') || %s WHERE user_id = %s RETURNING id, metadata", [{"seen": True, "lang": "no"}, "bob"]),
    write("JSON is appended to", "UPDATE conversations SET metadata = jsonb_set(metadata, '{tags}', COALESCE(metadata->'tags', '[]'::jsonb) || '[\"new\"]'::jsonb) WHERE metadata IS NOT NULL"),
    write("a key of JSON goes", "UPDATE runs SET config = config - 'tools' WHERE config ? 'tools' RETURNING run_id, config"),
    write("a counter inside JSON", "UPDATE conversations SET metadata = jsonb_set(metadata, '{rating}', ((metadata->>'rating')::numeric + 1)::text::jsonb) WHERE metadata ? 'rating'"),
    write("returning new values", "UPDATE runs SET attempts = attempts + 1, budget = budget - 0.25 WHERE agent = 'coder' RETURNING run_id, attempts, budget"),
    write("returning everything", "UPDATE conversations SET archived = NOT archived WHERE id IN (1, 2) RETURNING *"),
    write("returning expressions", "UPDATE documents SET score = COALESCE(score, 0) + 1 WHERE source = 'faq' RETURNING id, round(score::numeric, 1) AS s, title || '!' AS t"),
    write("a Decimal", "UPDATE runs SET budget = %s WHERE run_id = 'run-1' RETURNING budget", [Decimal("12.345")]),
    write("the key", "UPDATE runs SET run_id = 'run-one' WHERE run_id = 'run-1'"),
    write("keys shifted into a gap", "UPDATE iterations SET step = step - 1 WHERE run_id = 'run-3' AND step = 1"),
    write("all keys of a run shifted", "UPDATE iterations SET step = step + 100 WHERE run_id = 'run-6'"),
    write("keys shifted by one", "UPDATE iterations SET step = step + 1 WHERE run_id = 'run-6' AND step > 8", empty=True),
    write("normalised", "UPDATE documents SET title = NULLIF(trim(initcap(title)), ''), body = regexp_replace(body, '\\s+', ' ', 'g')"),
    write("a moment in a column without a time zone", "UPDATE iterations SET created_at = created_at + INTERVAL '1 hour' WHERE run_id = 'run-1'"),
    write("ranked by a window", 'UPDATE "EvalResults" e SET "order" = t.n FROM (SELECT "id", row_number() OVER (ORDER BY "score" DESC NULLS LAST, "id") AS n FROM "EvalResults") t WHERE t."id" = e."id"'),
    write("under another name", "UPDATE runs AS r SET model = upper(r.model) WHERE r.model IS NOT NULL"),
    write("boolean from a comparison", "UPDATE iterations SET ok = (cost < 0.01) WHERE cost IS NOT NULL"),
    write("optimistic locking", "UPDATE runs SET status = 'running', attempts = attempts + 1 WHERE run_id = %s AND status = %s AND attempts = %s RETURNING attempts", ["run-5", "queued", 0]),
    wrong("CHECK", "UPDATE runs SET status = 'odd' WHERE run_id = 'run-1'"),
    wrong("CHECK of two columns", "UPDATE runs SET finished_at = created_at - INTERVAL '1 second'"),
    wrong("NOT NULL", "UPDATE runs SET agent = NULL WHERE run_id = 'run-1'"),
    wrong("two rows with one key", "UPDATE jobs SET id = 1"),
    wrong("UNIQUE", "UPDATE documents SET chunk = 0 WHERE source = 'faq'"),
    wrong("an unknown column", "UPDATE runs SET colour = 'red'"),
    wrong("a column twice", "UPDATE runs SET attempts = 1, attempts = 2"),
    wrong("text for a number", "UPDATE jobs SET priority = 'high'"),
    wrong("an unknown table", "UPDATE walks SET steps = 1"),
]
