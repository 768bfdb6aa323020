"""INSERT … ON CONFLICT."""

from tests.sql.corpus.statement import write, wrong

_METRIC = ["tokens", "2024-03-08", 5.5]

STATEMENTS = [
    write("do nothing, there", "INSERT INTO runs (run_id, agent) VALUES ('run-1', 'other') ON CONFLICT DO NOTHING", empty=True),
    write("do nothing, new", "INSERT INTO runs (run_id, agent) VALUES (%s, %s) ON CONFLICT (run_id) DO NOTHING RETURNING run_id", ["run-40", "new"]),
    write("do nothing returns only what is new", "INSERT INTO runs (run_id, agent) VALUES ('run-1', 'a'), ('run-41', 'b'), ('run-2', 'c') ON CONFLICT (run_id) DO NOTHING RETURNING run_id, status"),
    write("do nothing on two keys", "INSERT INTO iterations (run_id, step, action) VALUES (%s, %s, %s) ON CONFLICT (run_id, step) DO NOTHING", ["run-1", 2, "again"], empty=True),
    write("do nothing on UNIQUE", "INSERT INTO conversations (user_id, title) VALUES ('cy', 'Bergen'), ('cy', 'Trip to Oslo') ON CONFLICT (user_id, title) DO NOTHING RETURNING user_id, title"),
    write("do nothing whatever conflicts", "INSERT INTO documents (id, source, chunk, body) VALUES (1, 'x', 0, 'x'), (500, 'faq', 1, 'x'), (501, 'y', 0, 'y') ON CONFLICT DO NOTHING RETURNING id"),
    write("do nothing with a repeated key among the values", "INSERT INTO jobs (id, queue) VALUES (50, 'first'), (50, 'second') ON CONFLICT (id) DO NOTHING RETURNING queue"),
    write("update with excluded", "INSERT INTO metrics (name, day, value) VALUES (%s, %s, %s) ON CONFLICT (name, day) DO UPDATE SET value = EXCLUDED.value", _METRIC),
    write("update returns the row", "INSERT INTO metrics (name, day, value) VALUES (%s, %s, %s) ON CONFLICT (name, day) DO UPDATE SET value = EXCLUDED.value RETURNING *", _METRIC),
    write("a counter", "INSERT INTO metrics (name, day, value, count) VALUES ('tokens', '2024-03-08', 1, 1) ON CONFLICT (name, day) DO UPDATE SET count = metrics.count + 1, value = metrics.value + EXCLUDED.value RETURNING count, value"),
    write("a counter that begins", "INSERT INTO metrics (name, day, value) VALUES ('fresh', '2024-03-15', 2.5) ON CONFLICT (name, day) DO UPDATE SET count = metrics.count + EXCLUDED.count RETURNING count"),
    write("under another name", "INSERT INTO metrics AS m (name, day, value) VALUES ('errors', '2024-03-09', 3) ON CONFLICT (name, day) DO UPDATE SET value = COALESCE(m.value, 0) + excluded.value, count = m.count + 1 RETURNING m.value, m.count"),
    write("some new, some there", "INSERT INTO metrics (name, day, value) VALUES ('tokens', '2024-03-08', 1), ('tokens', '2024-04-01', 2), ('errors', '2024-03-09', 3) ON CONFLICT (name, day) DO UPDATE SET value = EXCLUDED.value, labels = '{}' RETURNING name, day, value"),
    write("the greater wins", "INSERT INTO documents (source, chunk, body, score) VALUES ('faq', 0, 'ignored', 0.9), ('faq', 1, 'ignored', 0.1) ON CONFLICT (source, chunk) DO UPDATE SET score = GREATEST(documents.score, EXCLUDED.score) RETURNING id, score"),
    write("only where it says", "INSERT INTO runs (run_id, agent, attempts) VALUES ('run-1', 'x', 5), ('run-3', 'y', 9) ON CONFLICT (run_id) DO UPDATE SET attempts = EXCLUDED.attempts WHERE runs.status = 'running' RETURNING run_id, attempts"),
    write("only if something changed", "INSERT INTO conversations (user_id, title, archived) VALUES ('ann', 'Trip to Oslo', FALSE) ON CONFLICT (user_id, title) DO UPDATE SET archived = EXCLUDED.archived WHERE conversations.archived IS DISTINCT FROM EXCLUDED.archived RETURNING id", empty=True),
    write("a lock that ran out", "INSERT INTO jobs (id, queue, locked_by, locked_until) VALUES (4, 'mail', 'worker-9', NOW() + INTERVAL '1 minute') ON CONFLICT (id) DO UPDATE SET locked_by = EXCLUDED.locked_by, locked_until = EXCLUDED.locked_until WHERE jobs.locked_until < NOW() RETURNING id, locked_by"),
    write("a lock that holds", "INSERT INTO jobs (id, queue, locked_by) VALUES (5, 'mail', 'worker-9') ON CONFLICT (id) DO UPDATE SET locked_by = EXCLUDED.locked_by WHERE jobs.locked_until < NOW() RETURNING id", empty=True),
    write("many columns, as a checkpoint is put", """
        INSERT INTO checkpoints (thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata)
        VALUES (%s, %s, %s, %s, %s, %s)
        ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id)
        DO UPDATE SET checkpoint = EXCLUDED.checkpoint, metadata = EXCLUDED.metadata;
        """, ["t-1", "", "t-1-0002", "t-1-0001", {"v": 3}, {"source": "update"}]),
    write("on a constraint by its name", "INSERT INTO runs (run_id, agent) VALUES ('run-1', 'renamed') ON CONFLICT ON CONSTRAINT runs_pkey DO UPDATE SET agent = EXCLUDED.agent RETURNING agent"),
    write("JSON is merged", "INSERT INTO conversations (user_id, title, metadata) VALUES ('cy', 'Trip to Oslo', '{\"rating\": 5, \"seen\": true}') ON CONFLICT (user_id, title) DO UPDATE SET metadata = conversations.metadata || EXCLUDED.metadata, updated_at = NOW() RETURNING metadata"),
    write("several columns at once", "INSERT INTO runs (run_id, agent, model) VALUES ('run-2', 'a2', 'm2') ON CONFLICT (run_id) DO UPDATE SET (agent, model) = (EXCLUDED.agent, EXCLUDED.model) RETURNING run_id, agent, model"),
    write("back to the default", "INSERT INTO runs (run_id, agent) VALUES ('run-2', 'x') ON CONFLICT (run_id) DO UPDATE SET status = DEFAULT, attempts = DEFAULT, finished_at = NULL"),
    write("with a subquery", "INSERT INTO runs (run_id, agent) VALUES ('run-4', 'x') ON CONFLICT (run_id) DO UPDATE SET attempts = (SELECT count(*) FROM iterations i WHERE i.run_id = runs.run_id) RETURNING attempts"),
    write("from a select", "INSERT INTO metrics (name, day, value, count) SELECT 'tokens', created_at::date, sum(tokens_used), count(*) FROM iterations WHERE created_at >= '2024-03-08' GROUP BY created_at::date ON CONFLICT (name, day) DO UPDATE SET value = EXCLUDED.value, count = EXCLUDED.count"),
    write("from a select without a where", "INSERT INTO metrics (name, day, value) SELECT name, day, 0 FROM metrics ON CONFLICT (name, day) DO UPDATE SET value = metrics.value + 1"),
    write("from a CTE", "WITH fresh AS (SELECT 'run-1' AS id UNION ALL SELECT 'run-50') INSERT INTO runs (run_id, agent) SELECT id, 'bulk' FROM fresh ON CONFLICT (run_id) DO UPDATE SET agent = EXCLUDED.agent || '*' RETURNING run_id, agent"),
    write("a case among the assignments", "INSERT INTO jobs (id, queue, priority) VALUES (2, 'default', 9) ON CONFLICT (id) DO UPDATE SET priority = CASE WHEN jobs.priority < EXCLUDED.priority THEN EXCLUDED.priority ELSE jobs.priority END, attempts = jobs.attempts + 1 RETURNING *"),
    write("mixed case", """INSERT INTO "EvalResults" ("id", "modelName", "taskId", "score") VALUES (20, 'gpt-4o', 'task-1', 99) ON CONFLICT ("modelName", "taskId") DO UPDATE SET "score" = GREATEST("EvalResults"."score", EXCLUDED."score") RETURNING "id", "score" """),
    write("the key is part of the update", "INSERT INTO jobs (id, queue) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET id = jobs.id + 900 RETURNING id"),
    write("whether it was new", "INSERT INTO runs (run_id, agent) VALUES ('run-1', 'x'), ('run-60', 'y') ON CONFLICT (run_id) DO UPDATE SET agent = EXCLUDED.agent RETURNING run_id, (xmax = 0) AS inserted"),
    wrong("the same row twice", "INSERT INTO jobs (id, queue) VALUES (60, 'a'), (60, 'b') ON CONFLICT (id) DO UPDATE SET queue = EXCLUDED.queue"),
    wrong("no such key", "INSERT INTO runs (run_id, agent) VALUES ('a', 'b') ON CONFLICT (agent) DO NOTHING"),
    wrong("another key conflicts", "INSERT INTO documents (id, source, chunk, body) VALUES (700, 'faq', 1, 'x') ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body"),
    wrong("the update breaks a CHECK", "INSERT INTO runs (run_id, agent) VALUES ('run-1', 'x') ON CONFLICT (run_id) DO UPDATE SET status = 'odd'"),
    wrong("no target for an update", "INSERT INTO runs (run_id, agent) VALUES ('run-1', 'x') ON CONFLICT DO UPDATE SET agent = 'y'"),
    wrong("which of two columns", "INSERT INTO metrics (name, day, value) VALUES ('tokens', '2024-03-08', 1) ON CONFLICT (name, day) DO UPDATE SET count = count + 1"),
]
