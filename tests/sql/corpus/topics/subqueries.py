"""Subqueries: correlated, EXISTS, IN, scalar, ANY and ALL."""

from tests.sql.corpus.statement import read

STATEMENTS = [
    read("in", "SELECT run_id FROM runs WHERE run_id IN (SELECT run_id FROM iterations WHERE tokens_used > 1000) ORDER BY run_id"),
    read("not in", "SELECT run_id, agent FROM runs WHERE run_id NOT IN (SELECT run_id FROM iterations) ORDER BY run_id"),
    read("not in with a NULL among them finds nothing", "SELECT run_id FROM runs WHERE run_id NOT IN (SELECT parent_id FROM runs)", empty=True),
    read("exists", "SELECT id, title FROM conversations c WHERE EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = c.id AND m.tokens > 35) ORDER BY id"),
    read("not exists", "SELECT c.id FROM conversations c WHERE NOT EXISTS (SELECT * FROM messages WHERE conversation_id = c.id)"),
    read(
        "the last step of each run, correlated",
        "SELECT run_id, step, action FROM iterations i WHERE step = (SELECT MAX(step) FROM iterations WHERE run_id = i.run_id) ORDER BY run_id",
    ),
    read(
        "scalar in the select list",
        "SELECT run_id, (SELECT count(*) FROM tool_calls t WHERE t.run_id = r.run_id) AS calls FROM runs r ORDER BY calls DESC, run_id",
    ),
    read(
        "scalar with order and limit",
        """SELECT c.id, (SELECT content FROM messages m WHERE m.conversation_id = c.id ORDER BY created_at DESC, id DESC LIMIT 1) AS last
        FROM conversations c ORDER BY c.id""",
    ),
    read("above the average", "SELECT run_id, step, cost FROM iterations WHERE cost > (SELECT AVG(cost) FROM iterations) ORDER BY cost DESC, run_id, step"),
    read("from a subquery", "SELECT avg(n) AS mean, max(n) AS most FROM (SELECT run_id, count(*) AS n FROM iterations GROUP BY run_id) AS per_run"),
    read("from a subquery without a name", "SELECT count(*) FROM (SELECT DISTINCT tool FROM tool_calls)"),
    read(
        "columns of a subquery renamed",
        "SELECT t.run, t.n FROM (SELECT run_id, count(*) FROM tool_calls GROUP BY run_id) AS t(run, n) WHERE t.n > 3 ORDER BY t.run",
    ),
    read("any of a subquery", "SELECT run_id FROM runs WHERE run_id = ANY (SELECT run_id FROM events WHERE kind = 'error')"),
    read("greater than all", "SELECT id, priority FROM jobs WHERE priority >= ALL (SELECT priority FROM jobs)"),
    read("less than any", "SELECT id FROM jobs WHERE priority < ANY (SELECT priority FROM jobs WHERE queue = 'mail') ORDER BY id"),
    read("a row in a subquery", "SELECT call_id, tool FROM tool_calls WHERE (run_id, step) IN (SELECT run_id, step FROM iterations WHERE NOT ok) ORDER BY call_id"),
    read("newest of each group by a pair", "SELECT name, day, value FROM metrics WHERE (name, day) IN (SELECT name, max(day) FROM metrics GROUP BY name) ORDER BY name"),
    read("exists as a value", "SELECT run_id, EXISTS (SELECT 1 FROM events e WHERE e.run_id = r.run_id) AS logged FROM runs r ORDER BY run_id"),
    read("existence check of one row", "SELECT EXISTS(SELECT 1 FROM checkpoints WHERE thread_id = %s AND checkpoint_ns = %s)", ["t-1", ""]),
    read("in a CASE", "SELECT run_id, CASE WHEN run_id IN (SELECT parent_id FROM runs) THEN 'parent' ELSE 'leaf' END AS kind FROM runs ORDER BY run_id"),
    read("nested three deep", """
        SELECT agent FROM runs WHERE run_id IN (
            SELECT run_id FROM iterations WHERE step IN (
                SELECT step FROM tool_calls WHERE tool = 'sql' AND duration_ms > (SELECT avg(duration_ms) FROM tool_calls)))
        ORDER BY agent"""),
    read("scalar in arithmetic", "SELECT tool, round(100.0 * count(*) / (SELECT count(*) FROM tool_calls), 1) AS share FROM tool_calls GROUP BY tool ORDER BY tool"),
    read("in order by", "SELECT run_id FROM runs r ORDER BY (SELECT count(*) FROM iterations i WHERE i.run_id = r.run_id) DESC, run_id"),
    read("in having", "SELECT run_id, sum(tokens_used) AS tokens FROM iterations GROUP BY run_id HAVING sum(tokens_used) > (SELECT avg(tokens_used) * 5 FROM iterations) ORDER BY 1"),
    read("an aggregate of the outer query's column", "SELECT r.run_id FROM runs r WHERE (SELECT sum(i.tokens_used) FROM iterations i WHERE i.run_id = r.run_id) > 3000 ORDER BY 1"),
    read("a scalar of no rows is NULL", "SELECT (SELECT agent FROM runs WHERE run_id = 'nobody') IS NULL AS missing"),
    read("in of literals and a NULL", "SELECT run_id FROM runs WHERE model NOT IN ('gpt-4o', NULL)", empty=True),
    read("the run before, by a subquery", """
        SELECT r.run_id, (SELECT p.run_id FROM runs p WHERE p.created_at < r.created_at ORDER BY p.created_at DESC, p.run_id LIMIT 1) AS previous
        FROM runs r ORDER BY r.run_id"""),
    read("is distinct from a subquery", "SELECT id FROM messages WHERE name IS DISTINCT FROM (SELECT max(name) FROM messages) AND tokens > 30 ORDER BY id"),
]
