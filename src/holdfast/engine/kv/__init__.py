"""Key-value stores: what the tree engine needs of one, and those that come with Holdfast."""

from holdfast.engine.kv.cache import Cache
from holdfast.engine.kv.disk import Disk
from holdfast.engine.kv.memory import Memory
from holdfast.engine.kv.store import KVStore

__all__ = ["Cache", "Disk", "KVStore", "Memory"]
