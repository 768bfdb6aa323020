"""A store in Valkey, or in Redis: a server, or a cluster."""

from holdfast.engine.kv.valkey.address import Address
from holdfast.engine.kv.valkey.store import OPENED, Valkey

__all__ = ["OPENED", "Address", "Valkey"]
