"""What agents' projects ask of SQL: tables, rows, and statements with what PostgreSQL does with each.

`python -m tests.sql.corpus` prints what a Holdfast branch answers otherwise.
"""
