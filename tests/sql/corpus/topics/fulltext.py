"""Full text: which rows match."""

from tests.sql.corpus.statement import read

_MATCH = "SELECT id FROM documents WHERE to_tsvector('english', body) @@ {} ORDER BY id"

STATEMENTS = [
    read("a word", _MATCH.format("plainto_tsquery('english', %s)"), ["glacier"]),
    read("a word in another form", _MATCH.format("plainto_tsquery('english', %s)"), ["running"]),
    read("all words", _MATCH.format("plainto_tsquery('english', %s)"), ["search memory"]),
    read("stop words do not count", _MATCH.format("plainto_tsquery('english', %s)"), ["what is the memory"]),
    read("any word", _MATCH.format("to_tsquery('english', %s)"), ["glacier | database"]),
    read("not a word", _MATCH.format("to_tsquery('english', %s)"), ["search & !vector"]),
    read("a phrase", _MATCH.format("phraseto_tsquery('english', %s)"), ["full text search"]),
    read("a prefix", _MATCH.format("to_tsquery('english', %s)"), ["glaci:*"]),
    read("as in a search box", _MATCH.format("websearch_to_tsquery('english', %s)"), ['"vector search" or trains -agent']),
    read("case does not count", _MATCH.format("plainto_tsquery('english', 'NORWAY')")),
    read("no match", _MATCH.format("plainto_tsquery('english', 'submarine')"), empty=True),
    read("two columns", "SELECT id FROM documents WHERE to_tsvector('english', coalesce(title, '') || ' ' || body) @@ plainto_tsquery('english', %s) ORDER BY id", ["note agent"]),
    read("simple, without stems", "SELECT id FROM documents WHERE to_tsvector('simple', body) @@ plainto_tsquery('simple', 'train') ORDER BY id"),
    read("together with other conditions", "SELECT id FROM documents WHERE to_tsvector('english', body) @@ plainto_tsquery('english', %s) AND metadata->>'lang' = 'en' AND added_on > '2024-03-01' ORDER BY id", ["train"]),
    read("the best first", """
        SELECT id FROM documents WHERE to_tsvector('english', body) @@ plainto_tsquery('english', 'search')
        ORDER BY ts_rank(to_tsvector('english', body), plainto_tsquery('english', 'search')) DESC, id"""),
    read("headline", "SELECT ts_headline('english', body, plainto_tsquery('english', 'glaciers')) AS h FROM documents WHERE id = 1"),
    read("messages that mention", "SELECT m.id FROM messages m WHERE to_tsvector('english', m.content) @@ plainto_tsquery('english', %s) ORDER BY m.id", ["trains to Göteborg"]),
]
