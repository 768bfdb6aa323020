"""Window functions: frames, named windows, FILTER."""

from tests.sql.corpus.statement import read

STATEMENTS = [
    read("row number", "SELECT run_id, step, ROW_NUMBER() OVER (PARTITION BY run_id ORDER BY step DESC) AS n FROM iterations ORDER BY run_id, step"),
    read("first of each group", "SELECT run_id, step, action FROM (SELECT *, row_number() OVER (PARTITION BY run_id ORDER BY step DESC) AS rn FROM iterations) t WHERE rn = 1 ORDER BY run_id"),
    read("the top two of each group", """
        WITH ranked AS (SELECT tool, call_id, duration_ms, ROW_NUMBER() OVER (PARTITION BY tool ORDER BY duration_ms DESC NULLS LAST, call_id) AS rn FROM tool_calls)
        SELECT tool, duration_ms FROM ranked WHERE rn <= 2 ORDER BY tool, rn"""),
    read("rank with ties and gaps", """SELECT "modelName", "taskId", RANK() OVER (ORDER BY "score" DESC NULLS LAST) AS place FROM "EvalResults" ORDER BY place, "id" """),
    read("dense rank", """SELECT "id", DENSE_RANK() OVER (PARTITION BY "taskId" ORDER BY "score" DESC) FROM "EvalResults" ORDER BY "id" """),
    read("NULLs rank first when descending", """SELECT "id", rank() OVER (ORDER BY "score" DESC) AS r FROM "EvalResults" ORDER BY "id" """),
    read("running total", "SELECT run_id, step, SUM(tokens_used) OVER (PARTITION BY run_id ORDER BY step) AS so_far FROM iterations ORDER BY run_id, step"),
    read("running total of a NUMERIC", "SELECT step, cost, SUM(cost) OVER (ORDER BY step ROWS UNBOUNDED PRECEDING) AS spent FROM iterations WHERE run_id = 'run-6' ORDER BY step"),
    read("running total with peers", "SELECT id, priority, sum(attempts) OVER (ORDER BY priority) AS s FROM jobs ORDER BY id"),
    read("rows, not peers", "SELECT id, sum(attempts) OVER (ORDER BY priority, id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS s FROM jobs ORDER BY id"),
    read("moving average", "SELECT day, AVG(value) OVER (ORDER BY day ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS smooth FROM metrics WHERE name = 'latency_ms' ORDER BY day"),
    read("neighbours on both sides", "SELECT step, avg(tokens_used) OVER (ORDER BY step ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM iterations WHERE run_id = 'run-1' ORDER BY step"),
    read("the others of the frame", "SELECT step, sum(tokens_used) OVER (ORDER BY step ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW) AS rest FROM iterations WHERE run_id = 'run-3' ORDER BY step"),
    read("lag", "SELECT step, tokens_used - LAG(tokens_used) OVER (ORDER BY step) AS change FROM iterations WHERE run_id = 'run-1' ORDER BY step"),
    read("lag and lead with defaults", "SELECT step, lag(action, 1, 'start') OVER w AS before, lead(action, 2, 'end') OVER w AS later FROM iterations WHERE run_id = 'run-3' WINDOW w AS (ORDER BY step) ORDER BY step"),
    read("time since the last message", "SELECT id, created_at - LAG(created_at) OVER (PARTITION BY conversation_id ORDER BY id) AS waited FROM messages ORDER BY id"),
    read("seconds since the last message", "SELECT id, EXTRACT(EPOCH FROM created_at - LAG(created_at) OVER (PARTITION BY conversation_id ORDER BY id)) AS seconds FROM messages ORDER BY id"),
    read("first and last value", """
        SELECT DISTINCT run_id, FIRST_VALUE(action) OVER w AS first, LAST_VALUE(action) OVER w AS last FROM iterations
        WINDOW w AS (PARTITION BY run_id ORDER BY step ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) ORDER BY run_id"""),
    read("nth value", "SELECT step, nth_value(action, 2) OVER (ORDER BY step) FROM iterations WHERE run_id = 'run-1' ORDER BY step"),
    read("quartiles", "SELECT call_id, NTILE(4) OVER (ORDER BY duration_ms, call_id) AS quartile FROM tool_calls WHERE duration_ms IS NOT NULL ORDER BY call_id"),
    read("percent rank and cumulative share", "SELECT id, round(percent_rank() OVER (ORDER BY priority)::numeric, 3) AS p, round(cume_dist() OVER (ORDER BY priority)::numeric, 3) AS c FROM jobs ORDER BY id"),
    read("share of the whole", "SELECT tool, COUNT(*) AS n, ROUND(100.0 * COUNT(*) / SUM(COUNT(*)) OVER (), 2) AS percent FROM tool_calls GROUP BY tool ORDER BY tool"),
    read("count over everything", "SELECT id, count(*) OVER () AS total FROM messages WHERE role = 'user' ORDER BY id LIMIT 3 OFFSET 2"),
    read("filter in a window", "SELECT run_id, step, COUNT(*) FILTER (WHERE NOT ok) OVER (PARTITION BY run_id ORDER BY step) AS failures FROM iterations ORDER BY run_id, step"),
    read("two windows", "SELECT run_id, step, row_number() OVER by_cost AS a, max(cost) OVER by_run AS b FROM iterations WINDOW by_cost AS (ORDER BY cost DESC, run_id, step), by_run AS (PARTITION BY run_id) ORDER BY run_id, step"),
    read("a window of a window", "SELECT step, sum(tokens_used) OVER (w ORDER BY step) AS s FROM iterations WHERE run_id = 'run-6' WINDOW w AS (PARTITION BY ok) ORDER BY step"),
    read("a window over a grouped query", "SELECT date_trunc('day', created_at) AS day, sum(count(*)) OVER (ORDER BY date_trunc('day', created_at)) AS messages FROM messages GROUP BY 1 ORDER BY 1"),
    read("islands of equal status", """
        SELECT ok, min(step) AS first, max(step) AS last FROM (
            SELECT step, ok, row_number() OVER (ORDER BY step) - row_number() OVER (PARTITION BY ok ORDER BY step) AS island
            FROM iterations WHERE run_id = 'run-6') t
        GROUP BY ok, island ORDER BY first"""),
    read("range of an interval", "SELECT day, sum(value) OVER (ORDER BY day RANGE BETWEEN INTERVAL '3 days' PRECEDING AND CURRENT ROW) AS three FROM metrics WHERE name = 'tokens' ORDER BY day"),
    read("groups frame", "SELECT id, sum(attempts) OVER (ORDER BY priority GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM jobs ORDER BY id"),
    read("string_agg over a window", "SELECT step, string_agg(action, '>') OVER (ORDER BY step) AS path FROM iterations WHERE run_id = 'run-2' ORDER BY step"),
]
