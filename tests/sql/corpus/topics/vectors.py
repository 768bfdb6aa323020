"""Vectors, as with pgvector."""

from tests.sql.corpus.statement import Vector, read, write, wrong

_Q = Vector((1.0, 0.25, 0.0, 0.0))
_P = Vector((0.5, 1.0, -1.0))

STATEMENTS = [
    read("the nearest by L2", "SELECT id, title FROM documents WHERE embedding IS NOT NULL ORDER BY embedding <-> %s LIMIT 4", [_Q]),
    read("the nearest by cosine", "SELECT id FROM documents WHERE id NOT IN (1, 9) ORDER BY embedding <=> %s::vector, id LIMIT 4", [_Q]),
    read("the nearest by inner product", "SELECT id FROM documents WHERE embedding IS NOT NULL ORDER BY embedding <#> %s LIMIT 3", [_Q]),
    read("the distance beside the row", "SELECT id, embedding <-> %s AS distance FROM documents ORDER BY distance, id", [_Q]),
    read("similarity", "SELECT id, 1 - (embedding <=> %s) AS similarity FROM documents WHERE embedding IS NOT NULL ORDER BY similarity DESC, id LIMIT 5", [_Q]),
    read("similarity above a threshold", "SELECT id, title FROM documents WHERE 1 - (embedding <=> %s) > 0.5 ORDER BY id", [_Q]),
    read("similarity by name, used twice", """
        SELECT id, source, 1 - (embedding <=> %(q)s::vector) AS similarity FROM documents
        WHERE 1 - (embedding <=> %(q)s::vector) >= %(least)s ORDER BY embedding <=> %(q)s::vector, id LIMIT %(k)s""",
         {"q": _Q, "least": 0.1, "k": 4}),
    read("within a distance", "SELECT id FROM documents WHERE embedding <-> %s < 1 ORDER BY id", [_Q]),
    read("the negative inner product as a score", "SELECT id, (embedding <#> %s) * -1 AS score FROM documents WHERE embedding IS NOT NULL ORDER BY score DESC, id LIMIT 3", [_Q]),
    read("L1 distance", "SELECT id, embedding <+> %s AS d FROM documents WHERE embedding IS NOT NULL ORDER BY d, id LIMIT 4", [_Q]),
    read("with a filter on metadata", "SELECT id FROM documents WHERE metadata->>'lang' = 'en' AND embedding IS NOT NULL ORDER BY embedding <-> %s, id LIMIT 3", [_Q]),
    read("with containment", "SELECT id FROM documents WHERE metadata @> %s ORDER BY embedding <=> %s LIMIT 2", [{"public": True}, _Q]),
    read("like a given row", "SELECT b.id FROM documents a JOIN documents b ON b.id <> a.id WHERE a.id = 2 AND b.embedding IS NOT NULL ORDER BY a.embedding <-> b.embedding, b.id LIMIT 3"),
    read("like a row by a subquery", "SELECT id FROM documents WHERE id != 4 AND embedding IS NOT NULL ORDER BY embedding <-> (SELECT embedding FROM documents WHERE id = 4), id LIMIT 3"),
    read("pairs that are near", "SELECT a.id, b.id AS other FROM documents a JOIN documents b ON a.id < b.id AND a.embedding <=> b.embedding < 0.3 ORDER BY 1, 2"),
    read("the nearest of each source", """
        SELECT DISTINCT ON (source) source, id, embedding <-> %s AS d FROM documents
        WHERE embedding IS NOT NULL ORDER BY source, embedding <-> %s, id""", [_Q, _Q]),
    read("ranked by a window", "SELECT id, row_number() OVER (ORDER BY embedding <-> %s, id) AS place FROM documents WHERE embedding IS NOT NULL ORDER BY place", [_Q]),
    read("in a CTE, joined with metadata", """
        WITH nearest AS (SELECT id, embedding <=> %s AS distance FROM documents WHERE embedding IS NOT NULL ORDER BY distance, id LIMIT 4)
        SELECT d.id, d.title, d.metadata, 1 - n.distance AS score FROM nearest n JOIN documents d ON d.id = n.id ORDER BY n.distance, d.id""", [_Q]),
    read("a literal", "SELECT id FROM documents WHERE embedding IS NOT NULL ORDER BY embedding <-> '[0,1,0,0]', id LIMIT 2"),
    read("the nearest iterations of other runs", "SELECT run_id, step FROM iterations WHERE run_id <> %s AND embedding IS NOT NULL ORDER BY embedding <-> %s, run_id, step LIMIT 5", ["run-1", _P]),
    read("functions of distance", "SELECT id, l2_distance(embedding, %s) AS a, cosine_distance(embedding, %s) AS b, inner_product(embedding, %s) AS c FROM documents WHERE id < 4 ORDER BY id", [_Q, _Q, _Q]),
    read("dimensions and norm", "SELECT id, vector_dims(embedding) AS dims, vector_norm(embedding) AS norm FROM documents ORDER BY id"),
    read("vectors come back", "SELECT id, embedding FROM documents WHERE id IN (2, 6) ORDER BY id"),
    read("the average of vectors", "SELECT avg(embedding) AS centre FROM documents WHERE source = 'handbook.md'"),
    read("equal vectors", "SELECT id FROM documents WHERE embedding = %s", [Vector((0.0, 1.0, 0.0, 0.0))]),
    read("a mean distance per group", "SELECT source, avg(embedding <-> %s) AS mean FROM documents GROUP BY source ORDER BY source", [_Q]),
    write("insert with returning", "INSERT INTO documents (source, chunk, body, embedding) VALUES (%s, %s, %s, %s) RETURNING id, embedding", ["new.md", 0, "a body", Vector((0.5, 0.5, 0.5, 0.5))]),
    write("update a vector", "UPDATE documents SET embedding = %s WHERE id = %s", [Vector((0.0, 0.0, 0.0, 1.0)), 6]),
    write("forget the far ones", "DELETE FROM documents WHERE embedding <-> %s > 1.3", [_Q]),
    wrong("other dimensions", "SELECT id FROM documents ORDER BY embedding <-> '[1,2]'"),
    wrong("other dimensions on insert", "INSERT INTO documents (source, body, embedding) VALUES ('x', 'y', %s)", [Vector((1.0, 2.0, 3.0))]),
]
