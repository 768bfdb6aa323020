"""The key-value store in a Valkey server or cluster: all its keys are on one node, and a commit is one call there."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from holdfast.core.limits import TIMEOUT_SECONDS
from holdfast.engine.contract import Durability
from holdfast.engine.kv.store import KVStore, Publication, parts_of
from holdfast.engine.kv.valkey.address import Address
from holdfast.engine.kv.valkey.ear import ValkeyEar
from holdfast.engine.kv.valkey.script import COMPARE, DISCARD, DONE, MISSING, PUBLISH, TELL
from holdfast.engine.kv.valkey.server import Client, Server
from holdfast.errors import StoreUnavailable

OPERATIONS = "hf/operations"
"""The key of a HASH: of each writer its last operation, and when that was."""

KEYS_AT_ONCE = 500
SENT_TIMES_MAX = 5
"""So often the parts of a large commit are sent if one of them is gone when it is to be published."""


class Valkey(KVStore):
    """A store in Valkey 8 or Redis 7, or newer. Threads may share it; each call is one round trip, and atomic.

    Args:
        url: such as `valkey://user:password@host:6379/0?workspace=acme`; `valkeys://` with TLS, `valkey+unix:///path`.
        durability: "full": a commit is on the server's disk when it is acknowledged; "process": it is in the server.
        timeout: seconds to wait for an answer.

    Raises:
        InvalidValue: the URL is none.
        Unsupported: the server is too old, or may lose what `durability` promises to keep; the message has the command.
        StoreUnavailable: it cannot be reached.
    """

    def __init__(self, url: str, *, durability: str = Durability.FULL, timeout: float = TIMEOUT_SECONDS) -> None:
        address = Address.of(url)
        self._address = address
        self._before = f"{{{address.workspace}}}"
        self._timeout = timeout
        self._server = Server(address, self._before, timeout)
        self._ears: dict[str, ValkeyEar] = {}
        self._closer = weakref.finalize(self, _closed, self._ears, self._server)
        self._closer.atexit = False
        self.check(durability)

    def check(self, durability: str) -> None:
        """Raise Unsupported if the server may lose what `durability` promises to keep."""
        self._server.check(Durability(durability))

    @property
    def store_url(self) -> str:
        """The URL, without a password."""
        return self._address.url

    def store_pulse(self, key: str) -> object:
        """Return how often it was told that a key was published. What came before this was asked first is unknown."""
        if key not in self._ears:
            self._ears.setdefault(key, ValkeyEar(self._server, self._named(key)))
        return self._ears[key].listen()

    @property
    def can_tell(self) -> bool:
        """True: a server tells its clients."""
        return True

    def store_tell(self, key: str) -> None:
        """Tell those who ask for the pulse of a key, by one call, which writes nothing."""
        self._server.command("FCALL", TELL, 1, self._named(key))

    def _named(self, key: str) -> str:
        return f"{self._before}{key}"

    def get(self, key: str) -> bytes | None:
        """Return the value of a key, or None."""
        found: bytes | None = self._server.command("GET", self._named(key))
        return found

    def set(self, key: str, value: bytes) -> None:
        """Set the value of a key."""
        self._server.command("SET", self._named(key), value)

    def get_many(self, *keys: str) -> Mapping[str, bytes]:
        """Return the values of those of these keys that are there."""
        found: dict[str, bytes] = {}
        for at in range(0, len(keys), KEYS_AT_ONCE):
            part = keys[at : at + KEYS_AT_ONCE]
            values: list[bytes | None] = self._server.command("MGET", *map(self._named, part))
            found.update((key, value) for key, value in zip(part, values, strict=True) if value is not None)
        return found

    def set_many(self, **values: bytes) -> None:
        """Set the values of several keys, all or none."""
        if values:
            pairs = ((self._named(key), value) for key, value in values.items())
            self._server.command("MSET", *chain.from_iterable(pairs))

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Yield all entries that stay while they are gone through."""
        keys = list(self.scan(""))
        for at in range(0, len(keys), KEYS_AT_ONCE):
            yield from self.get_many(*keys[at : at + KEYS_AT_ONCE]).items()

    def __contains__(self, key: object) -> bool:
        """Tell whether a key has a value."""
        return bool(self._server.command("EXISTS", self._named(str(key))))

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        """Set a key's value if it is `expected` at that moment; tell whether it was."""
        asked = 0
        given = "0" if expected is None else "1", expected or b"", value

        def question(client: Client) -> object:
            nonlocal asked
            asked += 1
            return client.execute_command("FCALL", COMPARE, 1, self._named(key), *given)

        done = self._server.ask(question) == 1
        return done or (asked > 1 and self.get(key) == value)  # it was done, and only the answer was lost

    def publish(self, publication: Publication) -> bool:
        """Set the entries of a commit, and its key, if that is what is expected; tell whether they were set.

        Raises:
            StoreUnavailable: nobody knows whether they were; or they were, and too few replicas have confirmed it.

        What is too much for one call is sent before it, and the call looks whether that is still there.
        """
        *before, last = list(parts_of(publication.entries)) or [{}]
        for _ in range(SENT_TIMES_MAX):
            for entries in before:
                self.set_many(**entries)
            checked = [self._named(key) for entries in before for key in entries]
            answer = self._published(publication, last, checked)
            if answer != MISSING:  # who collects took it for superfluous
                return answer == DONE
        raise StoreUnavailable(
            f"{self.store_url} loses what it is sent; see to its memory, and to who removes keys there"
        )

    def _published(self, publication: Publication, entries: Mapping[str, bytes], checked: list[str]) -> int:
        turn, held = publication.turn
        keys = [*map(self._named, (turn, OPERATIONS, publication.key)), *checked, *map(self._named, entries)]
        given = publication.writer, publication.number, held, publication.expected or b"", publication.value
        call = "FCALL", PUBLISH, len(keys), *keys, *given, len(checked), *entries.values()
        wanted = self._address.replicas
        if not wanted:
            return int(self._server.command(*call))

        def question(client: Client) -> Any:  # noqa: ANN401 - answers of the server
            with client.pipeline(transaction=False) as both:
                both.execute_command(*call)
                both.execute_command("WAIT", wanted, max(round(self._timeout * 500), 1))  # before it is given up
                found = both.execute(raise_on_error=False)  # the client's own message would have all that was sent
            for each in found:
                if isinstance(each, Exception):
                    raise each
            return found

        answer, confirmed = self._server.ask(question)
        if answer == DONE and confirmed < wanted:
            raise StoreUnavailable(
                f"{self.store_url} has committed this, but {confirmed} of {wanted} replicas have confirmed it: it is"
                " there, unless another takes over without it; look, once they are back"
            )
        return int(answer)

    def discard(self, keys: Iterable[str], key: str, expected: bytes) -> bool:
        """Remove entries if the value of `key` is `expected` at that moment; tell whether it was."""
        dead, done = [self._named(each) for each in keys], True
        for at in range(0, len(dead), KEYS_AT_ONCE):
            part = [self._named(key), *dead[at : at + KEYS_AT_ONCE]]
            done = done and self._server.command("FCALL", DISCARD, len(part), *part, expected) == 1
        return done

    def delete(self, *keys: str) -> None:
        """Remove these keys."""
        for at in range(0, len(keys), KEYS_AT_ONCE):
            self._server.command("UNLINK", *map(self._named, keys[at : at + KEYS_AT_ONCE]))

    def scan(self, prefix: str) -> list[str]:
        """Return the keys that begin with `prefix`, which may not have special characters of a pattern."""
        begin, skipped = self._named(prefix), len(self._before)

        def question(client: Client) -> set[str]:
            return {key.decode() for key in client.scan_iter(match=f"{begin}*", count=1000)}

        return [key[skipped:] for key in self._server.ask(question) if key.startswith(begin)]

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._closer()


def _closed(ears: Mapping[str, ValkeyEar], server: Server) -> None:
    for ear in ears.values():
        ear.close()
    server.close()


class Opened:
    """The stores of this process that URLs opened: those who name one twice share it, and the line before it."""

    def __init__(self) -> None:
        self.forget()
        if hasattr(os, "register_at_fork"):  # a child must not speak on its parent's connections
            os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin anew."""
        self._lock = threading.Lock()
        self._known: weakref.WeakValueDictionary[tuple[str, float], Valkey] = weakref.WeakValueDictionary()

    def store(self, url: str, durability: str, timeout: float) -> Valkey:
        """Return the store of a URL. Raises as `Valkey` does."""
        asked = url, timeout
        with self._lock:
            found = self._known.get(asked)
        if found is not None:
            found.check(durability)
        else:
            made = Valkey(url, durability=durability, timeout=timeout)
            with self._lock:
                found = self._known.setdefault(asked, made)
        return found


OPENED = Opened()
