"""Branches, commits, merges, diffs and logs, over any engine."""
