"""Hearing of commits by SSUBSCRIBE: each publication tells so on a channel that is named as the key of the root."""

from __future__ import annotations

from valkey import exceptions

from holdfast.engine.ear import LOOK_SECONDS, Ear
from holdfast.engine.kv.valkey.server import Server


class ValkeyEar(Ear):
    """Counts what is told on a channel."""

    losses = (exceptions.ValkeyError, exceptions.ValkeyClusterException, OSError)

    def __init__(self, server: Server, channel: str) -> None:
        super().__init__()
        self._server = server
        self._channel = channel

    def attend(self) -> None:
        """Connect to the node that has the keys, and count what is told until it is over."""
        with self._server.client.pubsub(ignore_subscribe_messages=True) as told:
            told.ssubscribe(self._channel)
            self.heard += 1
            while not self.over.is_set():
                if told.get_sharded_message(timeout=LOOK_SECONDS) is not None:
                    self.heard += 1
