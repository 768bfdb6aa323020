"""Whole statements of applications: dashboards, leaderboards, chat history, checkpoints, queues, hybrid search."""

from tests.sql.corpus.statement import Vector, read, write

_Q = Vector((0.2, 0.9, 0.1, 0.0))

STATEMENTS = [
    read("resume: the last step and its state", "SELECT step, state_snapshot FROM iterations WHERE run_id = %s ORDER BY step DESC LIMIT 1", ["run-6"]),
    read("cost per day and model", """
        SELECT DATE_TRUNC('day', i.created_at)::date AS day, r.model, COUNT(*) AS calls, SUM(i.tokens_used) AS tokens,
               ROUND(SUM(i.cost)::numeric, 4) AS usd
        FROM iterations i JOIN runs r ON r.run_id = i.run_id
        WHERE i.created_at >= NOW() - INTERVAL '30 days' GROUP BY 1, 2 ORDER BY day DESC, usd DESC NULLS LAST, r.model"""),
    read("latency by tool", """
        SELECT tool, COUNT(*) AS calls, COUNT(*) FILTER (WHERE error IS NOT NULL) AS errors,
               ROUND(100.0 * COUNT(*) FILTER (WHERE error IS NOT NULL) / COUNT(*), 1) AS error_rate,
               ROUND(AVG(duration_ms)) AS mean_ms, MAX(duration_ms) AS worst_ms
        FROM tool_calls GROUP BY tool HAVING COUNT(*) > 1 ORDER BY error_rate DESC, tool"""),
    read("the leaderboard", """
        SELECT "modelName", COUNT("score") AS tasks, ROUND(AVG("score"), 2) AS mean,
               SUM(CASE WHEN "isCorrect" THEN 1 ELSE 0 END)::float / COUNT(*) AS accuracy,
               RANK() OVER (ORDER BY AVG("score") DESC) AS place
        FROM "EvalResults" GROUP BY "modelName" ORDER BY place, "modelName" """),
    read("who wins each task", """
        SELECT e."taskId", e."modelName", e."score" FROM "EvalResults" e
        JOIN (SELECT "taskId", MAX("score") AS best FROM "EvalResults" GROUP BY "taskId") b ON b."taskId" = e."taskId" AND b.best = e."score"
        ORDER BY e."taskId", e."modelName" """),
    read("model against model", """
        SELECT a."taskId", a."score" - b."score" AS lead FROM "EvalResults" a JOIN "EvalResults" b USING ("taskId")
        WHERE a."modelName" = 'gpt-4o' AND b."modelName" = 'gpt-4o-mini' ORDER BY 1"""),
    read("a pivot of scores", """
        SELECT "taskId", MAX("score") FILTER (WHERE "modelName" = 'gpt-4o') AS gpt_4o,
               MAX(CASE WHEN "modelName" = 'Claude 3' THEN "score" END) AS claude
        FROM "EvalResults" GROUP BY "taskId" ORDER BY "taskId" """),
    read("chat history, oldest first of the newest", """
        SELECT role, content FROM (
            SELECT id, role, content FROM messages WHERE conversation_id = %s ORDER BY id DESC LIMIT %s) recent
        ORDER BY id""", [1, 4]),
    read("conversations with their last message", """
        SELECT c.id, c.title, m.content AS last, m.created_at, COUNT(*) OVER () AS total
        FROM conversations c LEFT JOIN messages m ON m.id = (SELECT MAX(id) FROM messages WHERE conversation_id = c.id)
        WHERE NOT c.archived ORDER BY m.created_at DESC NULLS LAST, c.id LIMIT 10"""),
    read("messages that fit a budget of tokens", """
        SELECT id, role, tokens FROM (
            SELECT id, role, tokens, SUM(COALESCE(tokens, 0)) OVER (ORDER BY id DESC) AS so_far
            FROM messages WHERE conversation_id = 1) t
        WHERE so_far <= 100 ORDER BY id"""),
    read("a conversation as JSON for the model", """
        SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('role', role, 'content', content, 'name', name)) ORDER BY id) AS messages
        FROM messages WHERE conversation_id = %s AND content IS NOT NULL""", [2]),
    read("search in a conversation", "SELECT id, role, left(content, 20) AS preview FROM messages WHERE content ILIKE %s AND role <> 'system' ORDER BY created_at DESC, id LIMIT 5", ["%oslo%"]),
    read("the newest checkpoint", """
        SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata FROM checkpoints
        WHERE thread_id = %s AND checkpoint_ns = %s ORDER BY checkpoint_id DESC LIMIT 1""", ["t-1", ""]),
    read("checkpoints before one, with a filter", "SELECT checkpoint_id FROM checkpoints WHERE thread_id = %s AND checkpoint_id < %s AND metadata @> %s ORDER BY checkpoint_id DESC LIMIT 2", ["t-1", "t-1-0004", {"source": "loop"}]),
    read("versions of channels", """
        SELECT c.checkpoint_id, (SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(c.checkpoint->'channel_versions') WHERE key <> '__start__') AS versions
        FROM checkpoints c WHERE c.thread_id = 't-1' ORDER BY c.checkpoint_ns, c.checkpoint_id"""),
    read("threads and their sizes", "SELECT thread_id, COUNT(*) AS n, MAX(checkpoint_id) AS last, SUM(octet_length(blob)) AS bytes FROM checkpoints GROUP BY thread_id ORDER BY n DESC"),
    read("jobs by queue and status", """
        SELECT COALESCE(NULLIF(queue, ''), '(none)') AS queue, COUNT(*) FILTER (WHERE status = 'pending') AS pending,
               COUNT(*) FILTER (WHERE status = 'running') AS running, COUNT(*) FILTER (WHERE status IN ('failed', 'dead')) AS failed,
               MIN(run_after) FILTER (WHERE status = 'pending') AS next
        FROM jobs GROUP BY 1 ORDER BY 1"""),
    read("jobs whose workers are gone", "SELECT id, locked_by, NOW() - locked_until AS late FROM jobs WHERE status = 'running' AND locked_until < NOW() ORDER BY id"),
    read("jobs that may run", "SELECT id FROM jobs WHERE status = 'pending' AND COALESCE(run_after, '-infinity') <= NOW() AND attempts < COALESCE(max_attempts, 3) ORDER BY priority DESC, id FOR UPDATE SKIP LOCKED LIMIT 3"),
    read("a trace of a run", """
        SELECT e.at, e.kind, e.data FROM events e WHERE e.run_id = 'run-1'
        UNION ALL
        SELECT i.created_at, 'iteration', jsonb_build_object('step', i.step, 'action', i.action) FROM iterations i WHERE i.run_id = 'run-1'
        ORDER BY 1, 2, 3"""),
    read("the path of each run", "SELECT run_id, string_agg(action, ' → ' ORDER BY step) AS path, md5(string_agg(action, ',' ORDER BY step)) AS digest FROM iterations GROUP BY run_id ORDER BY run_id"),
    read("runs that went in circles", """
        SELECT DISTINCT run_id FROM (
            SELECT run_id, observation, LAG(observation) OVER (PARTITION BY run_id ORDER BY step) AS previous, tokens_used FROM iterations) t
        WHERE observation = previous OR tokens_used > 1200 ORDER BY run_id"""),
    read("transitions between actions", """
        WITH moves AS (SELECT action, LEAD(action) OVER (PARTITION BY run_id ORDER BY step) AS next FROM iterations)
        SELECT action, next, COUNT(*) AS n, ROUND(COUNT(*)::numeric / SUM(COUNT(*)) OVER (PARTITION BY action), 3) AS p
        FROM moves WHERE next IS NOT NULL GROUP BY action, next ORDER BY action, n DESC, next"""),
    read("budget left per run", """
        SELECT r.run_id, r.budget, COALESCE(SUM(i.cost), 0) AS spent, r.budget - COALESCE(SUM(i.cost), 0) AS rest,
               CASE WHEN r.budget IS NULL THEN 'no budget' WHEN COALESCE(SUM(i.cost), 0) > r.budget THEN 'over' ELSE 'fine' END AS verdict
        FROM runs r LEFT JOIN iterations i USING (run_id) GROUP BY r.run_id, r.budget ORDER BY r.run_id"""),
    read("retention: runs by week", "SELECT to_char(date_trunc('week', created_at), 'IYYY-IW') AS week, COUNT(*) AS runs, COUNT(DISTINCT agent) AS agents FROM runs GROUP BY 1 ORDER BY 1"),
    read("a metric beside the day before", """
        SELECT name, day, value, ROUND((value - LAG(value) OVER w)::numeric, 2) AS change
        FROM metrics WINDOW w AS (PARTITION BY name ORDER BY day) ORDER BY name, day"""),
    read("the latest of each metric with its labels", "SELECT DISTINCT ON (name) name, day, value, labels->>'env' AS env FROM metrics WHERE value IS NOT NULL ORDER BY name, day DESC"),
    read("outliers", """
        WITH s AS (SELECT tool, AVG(duration_ms) AS mean, STDDEV(duration_ms) AS deviation FROM tool_calls GROUP BY tool)
        SELECT t.call_id, t.tool, t.duration_ms FROM tool_calls t JOIN s USING (tool)
        WHERE ABS(t.duration_ms - s.mean) > 1.2 * s.deviation ORDER BY t.call_id"""),
    read("hybrid search by reciprocal ranks", """
        WITH meaning AS (
            SELECT id, ROW_NUMBER() OVER (ORDER BY embedding <=> %(q)s, id) AS place FROM documents
            WHERE embedding IS NOT NULL ORDER BY embedding <=> %(q)s, id LIMIT 6
        ), words AS (
            SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS place FROM documents
            WHERE to_tsvector('english', body) @@ websearch_to_tsquery('english', %(text)s) LIMIT 6
        )
        SELECT COALESCE(m.id, w.id) AS id, COALESCE(1.0 / (60 + m.place), 0) + COALESCE(1.0 / (60 + w.place), 0) AS score
        FROM meaning m FULL OUTER JOIN words w ON w.id = m.id ORDER BY score DESC, id LIMIT 5""", {"q": _Q, "text": "train or memory"}),
    read("chunks beside the one that was found", """
        WITH hit AS (SELECT source, chunk FROM documents WHERE embedding IS NOT NULL ORDER BY embedding <-> %s, id LIMIT 1)
        SELECT d.source, d.chunk, d.body FROM documents d JOIN hit h ON d.source = h.source AND d.chunk BETWEEN h.chunk - 1 AND h.chunk + 1
        ORDER BY d.chunk""", [_Q]),
    read("memories weighted by age", """
        SELECT id, (1 - (embedding <=> %s)) * exp(-0.01 * (DATE '2024-03-15' - added_on)) AS weight
        FROM documents WHERE added_on IS NOT NULL ORDER BY weight DESC, id LIMIT 4""", [_Q]),
    read("sizes of all tables in one row", "SELECT (SELECT COUNT(*) FROM runs) AS runs, (SELECT COUNT(*) FROM iterations) AS steps, (SELECT COUNT(*) FROM messages) AS messages"),
    read("histogram of tokens", "SELECT (tokens_used / 250) * 250 AS bucket, COUNT(*) FROM iterations WHERE tokens_used IS NOT NULL GROUP BY 1 ORDER BY 1"),
    read("children as a list per parent", "SELECT parent_id, array_agg(run_id ORDER BY run_id) AS children, count(*) FILTER (WHERE status = 'complete') AS done FROM runs WHERE parent_id IS NOT NULL GROUP BY parent_id ORDER BY parent_id"),
    read("a page and the total at once", "SELECT run_id, status, COUNT(*) OVER() AS total FROM runs WHERE (%(s)s::text IS NULL OR status = %(s)s) ORDER BY created_at DESC, run_id LIMIT %(n)s OFFSET %(o)s", {"s": None, "n": 3, "o": 3}),
    write("finish a run with its totals", """
        UPDATE runs SET status = 'complete', finished_at = NOW(),
               config = config || jsonb_build_object('tokens', (SELECT SUM(tokens_used) FROM iterations WHERE run_id = runs.run_id))
        WHERE run_id = %s AND status = 'running' RETURNING run_id, status, finished_at, config->'tokens' AS tokens""", ["run-3"]),
    write("fork a run: its steps up to one", """
        INSERT INTO iterations (run_id, step, action, observation, state_snapshot, tokens_used, cost, ok, created_at)
        SELECT %s, step, action, observation, state_snapshot, tokens_used, cost, ok, created_at
        FROM iterations WHERE run_id = %s AND step <= %s ORDER BY step RETURNING run_id, step""", ["run-1/fork", "run-1", 4]),
    write("rename a conversation only if nobody did", "UPDATE conversations SET title = %s, updated_at = NOW() WHERE id = %s AND title IS NULL RETURNING id, title, updated_at", ["Chat about trains", 3]),
    write("requeue what timed out", """
        UPDATE jobs SET status = CASE WHEN attempts < COALESCE(max_attempts, 3) THEN 'pending' ELSE 'failed' END, locked_by = NULL, locked_until = NULL,
               run_after = NOW() + (attempts * INTERVAL '10 seconds')
        WHERE status = 'running' AND locked_until < NOW() RETURNING id, status, run_after"""),
    write("count a visit", "INSERT INTO metrics (name, day, count) VALUES (%s, NOW()::date, 1) ON CONFLICT (name, day) DO UPDATE SET count = metrics.count + 1 RETURNING name, day, count", ["latency_ms"]),
    write("chunks of a document are replaced", """
        INSERT INTO documents (source, chunk, title, body, embedding, metadata, added_on) VALUES (%s, %s, %s, %s, %s, %s, NOW()::date)
        ON CONFLICT (source, chunk) DO UPDATE SET body = EXCLUDED.body, embedding = EXCLUDED.embedding,
            metadata = COALESCE(documents.metadata, '{}'::jsonb) || EXCLUDED.metadata, added_on = EXCLUDED.added_on
        RETURNING id, source, chunk, metadata, added_on""", ["faq", 1, "t", "new body", _Q, {"rev": 2}]),
]
