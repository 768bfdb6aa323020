"""Joins of all kinds."""

from tests.sql.corpus.statement import read

STATEMENTS = [
    read(
        "iterations with the agent of their run",
        "SELECT r.agent, i.step, i.action FROM iterations i JOIN runs r ON r.run_id = i.run_id ORDER BY r.run_id, i.step",
    ),
    read(
        "every run with its steps, also without any",
        """SELECT r.run_id, COUNT(i.step) AS steps, COALESCE(SUM(i.cost), 0) AS cost
        FROM runs r LEFT JOIN iterations i ON i.run_id = r.run_id
        GROUP BY r.run_id ORDER BY r.run_id""",
    ),
    read(
        "grouped by the primary key, other columns shown",
        """SELECT r.run_id, r.agent, r.status, count(t.call_id) AS calls
        FROM runs r LEFT JOIN tool_calls t USING (run_id)
        GROUP BY r.run_id ORDER BY calls DESC, r.run_id""",
    ),
    read("using shows the column once", "SELECT * FROM runs JOIN iterations USING (run_id) WHERE step = 1 ORDER BY run_id"),
    read(
        "both tables' columns, names twice",
        "SELECT * FROM conversations c JOIN messages m ON m.conversation_id = c.id WHERE c.user_id = 'cy' ORDER BY m.id",
    ),
    read(
        "one table's columns",
        "SELECT m.* FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE c.user_id = %s ORDER BY m.id",
        ["bob"],
    ),
    read(
        "runs without a single tool call",
        "SELECT r.run_id FROM runs r LEFT JOIN tool_calls t ON t.run_id = r.run_id WHERE t.call_id IS NULL ORDER BY 1",
    ),
    read(
        "right join",
        """SELECT m.id AS message_id, c.id AS conversation_id, c.title
        FROM messages m RIGHT JOIN conversations c ON c.id = m.conversation_id AND m.role = 'tool'
        ORDER BY c.id, m.id NULLS FIRST""",
    ),
    read(
        "full join, keys merged by coalesce",
        """SELECT COALESCE(e.run_id, r.run_id) AS run_id, e.kind, r.status
        FROM (SELECT DISTINCT run_id, kind FROM events) e
        FULL OUTER JOIN runs r ON r.run_id = e.run_id
        ORDER BY 1 NULLS FIRST, 2""",
    ),
    read("full join with using", "SELECT run_id, agent, kind FROM runs FULL JOIN events USING (run_id)"),
    read(
        "cross join with a filter",
        "SELECT a.run_id, b.run_id AS other FROM runs a CROSS JOIN runs b WHERE a.model = b.model AND a.run_id < b.run_id",
    ),
    read(
        "comma join",
        """SELECT r.run_id, p.agent AS parent_agent FROM runs r, runs p
        WHERE r.parent_id = p.run_id ORDER BY r.run_id""",
    ),
    read(
        "natural join",
        "SELECT run_id, step, action, tool FROM iterations NATURAL JOIN (SELECT run_id, step, tool FROM tool_calls) t ORDER BY 1, 2",
    ),
    read(
        "three tables",
        """SELECT r.agent, i.action, t.tool, t.duration_ms
        FROM runs r
        JOIN iterations i ON i.run_id = r.run_id
        LEFT JOIN tool_calls t ON t.run_id = i.run_id AND t.step = i.step
        WHERE r.status = 'complete'
        ORDER BY i.run_id, i.step""",
    ),
    read(
        "parent, child and grandchild",
        """SELECT c.run_id, p.run_id AS parent, g.run_id AS grandparent FROM runs c
        LEFT JOIN runs p ON p.run_id = c.parent_id LEFT JOIN runs g ON g.run_id = p.parent_id ORDER BY c.run_id""",
    ),
    read(
        "consecutive steps",
        """SELECT a.run_id, a.step, a.action AS before, b.action AS after
        FROM iterations a JOIN iterations b ON b.run_id = a.run_id AND b.step = a.step + 1
        WHERE a.run_id IN ('run-1', 'run-3') ORDER BY a.run_id, a.step""",
    ),
    read(
        "joined with an aggregate",
        """SELECT r.run_id, r.budget, s.spent, r.budget - s.spent AS remaining
        FROM runs r JOIN (SELECT run_id, sum(cost) AS spent FROM iterations GROUP BY run_id) AS s ON s.run_id = r.run_id
        WHERE r.budget IS NOT NULL ORDER BY remaining DESC, r.run_id""",
    ),
    read(
        "joined by a range",
        """SELECT r.run_id, count(e.kind) AS during FROM runs r
        LEFT JOIN events e ON e.at BETWEEN r.created_at AND r.finished_at GROUP BY r.run_id ORDER BY r.run_id""",
    ),
    read(
        "joined by an expression over JSON",
        """SELECT m.id, r.run_id FROM messages m JOIN runs r ON r.model = m.metadata->>'model'
        WHERE m.role = 'assistant' AND r.status = 'complete' ORDER BY m.id, r.run_id""",
    ),
    read(
        "joined with a list of values",
        """SELECT p.model, p.price * sum(i.tokens_used) / 1000 AS usd
        FROM iterations i JOIN runs r USING (run_id)
        JOIN (VALUES ('gpt-4o', 5.00), ('gpt-4o-mini', 0.15)) AS p(model, price) ON p.model = r.model
        GROUP BY p.model, p.price ORDER BY p.model""",
    ),
    read(
        "nested join in parentheses",
        """SELECT c.id, m.id AS message FROM conversations c
        LEFT JOIN (messages m JOIN runs r ON r.model = m.metadata->>'model') ON m.conversation_id = c.id AND r.run_id = 'run-1'
        ORDER BY c.id, m.id""",
    ),
    read(
        "condition on the outer side stays in ON",
        """SELECT c.id, COUNT(m.id) FILTER (WHERE m.role = 'user') AS questions
        FROM conversations AS c LEFT OUTER JOIN messages AS m ON m.conversation_id = c.id AND NOT c.archived
        GROUP BY c.id ORDER BY c.id""",
    ),
    read(
        "lateral: the last two messages of each conversation",
        """SELECT c.id, m.id AS message FROM conversations c
        CROSS JOIN LATERAL (SELECT id FROM messages WHERE conversation_id = c.id ORDER BY id DESC LIMIT 2) m
        ORDER BY c.id, m.id DESC""",
    ),
    read(
        "left join lateral on true",
        """SELECT r.run_id, last.step, last.action FROM runs r
        LEFT JOIN LATERAL (
            SELECT step, action FROM iterations i WHERE i.run_id = r.run_id ORDER BY step DESC LIMIT 1
        ) last ON TRUE
        ORDER BY r.run_id""",
    ),
    read("a pair of columns as condition", "SELECT t.call_id FROM tool_calls t JOIN iterations i ON (t.run_id, t.step) = (i.run_id, i.step) WHERE NOT i.ok"),
]
