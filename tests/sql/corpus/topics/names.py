"""Identifiers, quotes, comments, layout."""

from tests.sql.corpus.statement import read, wrong

STATEMENTS = [
    read("quoted names", """SELECT "id", "modelName", "isCorrect" FROM "EvalResults" WHERE "order" = 1 ORDER BY "id" """),
    read("quoted names of a table's columns", """SELECT "EvalResults"."modelName", avg("EvalResults"."score") AS "meanScore" FROM "EvalResults" GROUP BY "EvalResults"."modelName" ORDER BY "meanScore" DESC"""),
    read("quoted lower-case names are the same", 'SELECT "run_id", "agent" FROM "runs" WHERE "runs"."run_id" = \'run-1\''),
    read("capitals without quotes", "SELECT RUN_ID, Agent FROM Runs WHERE STATUS = 'failed' ORDER BY Run_Id"),
    read("a quoted name of a result keeps its case", 'SELECT count(*) AS "Total", max(budget) AS "Max Budget" FROM runs'),
    read("a name of a result without quotes loses it", "SELECT count(*) AS Total FROM runs"),
    read("an alias without AS", "SELECT r.run_id id, r.agent who FROM runs r WHERE r.status = 'failed' ORDER BY id"),
    read("an alias that is a word of SQL", 'SELECT status AS "order", attempts AS value, model AS name FROM runs ORDER BY run_id'),
    read("columns called like words of SQL", "SELECT name, day, value, count FROM metrics WHERE count > 1000 AND value > 0 ORDER BY name, day"),
    read("names given to what is computed", "SELECT count(*), max(step), lower(run_id), 1 + 1, run_id::text, coalesce(step, 0), CASE WHEN ok THEN 1 END FROM iterations WHERE run_id = 'run-4' GROUP BY run_id, step, ok"),
    read("names of columns taken twice", "SELECT a.run_id, b.run_id FROM runs a JOIN runs b ON b.parent_id = a.run_id ORDER BY 1, 2"),
    read("unicode names", "SELECT agent AS größe FROM runs WHERE run_id = 'run-8'"),
    read("a comment at the end", "SELECT run_id FROM runs WHERE status = 'failed' ORDER BY run_id -- only the failed ones"),
    read("comments everywhere", """
        -- what went wrong
        SELECT run_id, /* the agent's name */ agent
        FROM runs -- 'quoted' and 100% odd
        /* a comment /* inside */ another */
        WHERE status = 'failed' -- the end
        ORDER BY run_id
        """),
    read("what looks like a comment in a string", "SELECT '-- no comment' AS a, '/* nor this */' AS b"),
    read("a semicolon at the end", "SELECT count(*) FROM runs;"),
    read("a semicolon in a string", "SELECT run_id FROM runs WHERE agent = ';' OR agent = 'o''brien'"),
    read("a placeholder in a string", "SELECT '%s' AS a, 'a%%b' AS b"),
    read("a percent sign beside parameters", "SELECT id %% 2 AS odd, count(*) FROM messages WHERE id > %s GROUP BY id %% 2 ORDER BY 1", [0]),
    read("the schema's name", "SELECT count(*) FROM public.runs"),
    read("the whole row by the table's name", "SELECT runs.* FROM runs WHERE run_id = 'run-2'"),
    read("tabs and newlines", "SELECT\trun_id\n\tFROM\n runs\n\tWHERE\trun_id='run-1'"),
    read("without spaces", "SELECT(1)AS a,(2)AS b,'x'||'y'AS c"),
    wrong("a quoted name with other capitals", 'SELECT "Run_ID" FROM runs'),
    wrong("capitals that need quotes", 'SELECT modelName FROM "EvalResults"'),
    wrong("an unknown table", "SELECT * FROM walks"),
    wrong("an unknown column", "SELECT colour FROM runs"),
    wrong("an unknown column in double quotes is no text", 'SELECT run_id FROM runs WHERE agent = "coder"'),
    wrong("a column of two tables", "SELECT run_id FROM runs JOIN iterations ON runs.run_id = iterations.run_id"),
    wrong("an unknown function", "SELECT frobnicate(run_id) FROM runs"),
    wrong("two statements", "SELECT %s; SELECT 2", [1]),
    wrong("half a statement", "SELECT run_id FROM runs WHERE"),
    wrong("a table used under its name after an alias", "SELECT runs.run_id FROM runs r"),
]
