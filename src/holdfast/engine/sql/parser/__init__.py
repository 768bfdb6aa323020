"""From tokens to the tree of a statement (nodes.py), with PostgreSQL's grammar.

A tower of classes, each of which knows a part of the grammar and leaves what stands inside it to those above:
`TokenStream`, `OperatorParser`, `OperandParser`, `CallParser`, `QueryParser`, `StatementParser`.
"""
