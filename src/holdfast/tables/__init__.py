"""SQL on a branch: the dialect, parameters, and cursors."""
