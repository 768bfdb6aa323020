"""From the tree of a statement to SQLite's words, with a type for every expression.

The type decides what the words are: `a - b` of two moments, of two decimals and of two integers are three things. What
has no type of its own, a string or a parameter, takes that of what stands beside it, as in PostgreSQL. What cannot be
said faithfully is refused by name.
"""
