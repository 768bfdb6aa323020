"""A server, or the node of a cluster that has the keys of a store: asked again where an answer was lost.

Everything that is asked can be asked twice: it reads, sets what is set the same again, or has an id by which the server
knows that it was done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import valkey
from valkey import exceptions
from valkey.cluster import ValkeyCluster
from valkey.connection import ConnectionPool

from holdfast.engine.contract import Durability
from holdfast.engine.kv.valkey.address import Address
from holdfast.engine.kv.valkey.errors import ELSEWHERE, PASSING, is_lost, translated
from holdfast.engine.kv.valkey.script import CODE
from holdfast.engine.kv.valkey.settings import ASKED, check_settings, check_version
from holdfast.errors import InvalidValue

Client = Any
"""A `valkey.Valkey`, whose methods are typed as sync or async at once."""

T = TypeVar("T")

ANSWER_SECONDS_MIN = 0.2
"""So long an answer is waited for even by who waits for nobody else."""

RECONNECT_SECONDS = 2.0
"""How long one tries to reach a server again that was there."""

_MOVED = (
    *ELSEWHERE, *PASSING, exceptions.ReadOnlyError, exceptions.TimeoutError, exceptions.SlotNotCoveredError
)  # fmt: skip
"""After what a cluster is asked anew which of its nodes has the keys."""

_PAUSE_SECONDS_MIN, _PAUSE_SECONDS_MAX = 0.005, 0.2


class Server:
    """Where the entries of a store are. Threads may share it.

    Args:
        key: one of the store's keys, by which its node is found.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, address: Address, key: str, timeout: float) -> None:
        self._address = address
        self._key = key
        self._timeout = max(timeout, ANSWER_SECONDS_MIN)
        self._cluster: ValkeyCluster | None = None
        options: dict[str, Any] = {"socket_timeout": self._timeout, "socket_connect_timeout": self._timeout}
        try:
            self._single: Client = valkey.Valkey.from_pool(ConnectionPool.from_url(address.client, **options))
            said = self._asked_once(lambda client: client.info("server", "cluster", "replication"))
            check_version(said, address.url)
            if said.get("cluster_enabled"):
                self._cluster = self._once(lambda: ValkeyCluster.from_url(address.client, **options))
        except (TypeError, ValueError, LookupError) as error:  # what its parameters say is nothing to the client
            raise InvalidValue(f"{address.url} has a parameter that cannot be taken: {error}") from error

    def check(self, durability: Durability) -> None:
        """Raise Unsupported if the server may lose what `durability` promises to keep."""
        if not self._address.checked:
            return
        found: Mapping[str, str] = self._asked_once(lambda client: client.config_get(*ASKED))
        check_settings(found, durability, self._address.url)

    def ask(self, question: Callable[[Client], T]) -> T:
        """Ask, and ask again if the connection is lost, or the server is just not able to answer.

        Raises:
            StoreUnavailable, StoreFull, ReadOnly, Unsupported: what became of it.
        """
        begun, pause = time.monotonic(), _PAUSE_SECONDS_MIN
        while True:
            try:
                return question(self.client)
            except (exceptions.ValkeyError, exceptions.ValkeyClusterException, OSError) as error:
                waited = time.monotonic() - begun
                if not self._may_pass(error, waited):
                    raise translated(error, self._address.url, self._timeout) from error
            time.sleep(pause)
            pause = min(pause * 2, _PAUSE_SECONDS_MAX)

    def command(self, *command: object) -> Any:  # noqa: ANN401 - what the server answers
        """Send a command, as `ask`; return the answer."""
        return self.ask(lambda client: client.execute_command(*command))

    def _may_pass(self, error: Exception, waited: float) -> bool:
        """Tell whether it is worth asking again, after having done what helps."""
        if isinstance(error, exceptions.ResponseError) and "Function not found" in str(error):
            self._load()
            return waited < self._timeout
        if self._cluster is not None and (isinstance(error, _MOVED) or is_lost(error)):
            self._look_again()
            return waited < self._timeout and not isinstance(error, exceptions.TimeoutError)
        if isinstance(error, PASSING):
            return waited < self._timeout
        return is_lost(error) and waited < min(RECONNECT_SECONDS, self._timeout)

    def _load(self) -> None:
        self._asked_once(lambda client: client.function_load(CODE, replace=True))

    @property
    def client(self) -> Client:
        """The client of the node that has the keys, as far as is known."""
        if self._cluster is None:
            return self._single
        node = self._cluster.get_node_from_key(self._key)
        if node is None:
            raise exceptions.ClusterDownError(f"no node has the slot of {self._key}")
        return self._cluster.get_valkey_connection(node)

    def _look_again(self) -> None:
        """Learn which node has which slot by now."""
        assert self._cluster is not None
        try:
            self._cluster.nodes_manager.initialize()
        except (exceptions.ValkeyError, exceptions.ValkeyClusterException, OSError):
            return  # it is tried again, until there is no more time

    def _once(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except (exceptions.ValkeyError, exceptions.ValkeyClusterException, OSError) as error:
            raise translated(error, self._address.url, self._timeout) from error

    def _asked_once(self, question: Callable[[Client], T]) -> T:
        return self._once(lambda: question(self.client))

    def close(self) -> None:
        """Close all connections."""
        if self._cluster is not None:
            self._cluster.close()
        self._single.close()
