"""The tree engine: a store over any `KVStore`, with everything but SQL."""

from holdfast.engine.tree.engine import TreeEngine

__all__ = ["TreeEngine"]
