"""The tree engine: a store over any `KVStore`, with everything but SQL."""
