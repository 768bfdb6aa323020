"""How values lie in tables: rows, their cells, and what is read and written of them."""
