"""Leases: one owner at a time, in whatever process, and what keeps the writes of a former one out."""
