"""Whose turn it is to write: among the threads of a process, and among the processes that share a folder."""
