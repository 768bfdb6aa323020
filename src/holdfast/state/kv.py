"""The key-value stores that a state can lie in, where users of agex look for them."""

from __future__ import annotations

from holdfast.engine.kv import Cache, Disk, KVStore, Memory

__all__ = ["Cache", "Disk", "KVStore", "Memory"]
