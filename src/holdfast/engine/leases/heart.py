"""Keeping leases, on a thread of its own: what owns them may wait for a model for minutes.

One thread renews all leases that were taken through one engine, those that are due in one commit. A renewal that fails
is tried again soon; whether a lease is still sure is told by the lease, which counts from when its last renewal that
is known to have landed was sent. A lease that could not be given back, as to a full disk, is given back by it later.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence

from holdfast.engine.contract import Session
from holdfast.engine.leases.leases import Lease, renew
from holdfast.engine.leases.owners import Owner, monotonic
from holdfast.errors import StoreClosed

BEATS = 3
"""How often a lease is renewed in its length."""
_AGAIN = 20
"""After a failure it is tried again after this part of its length."""


class Heart:
    """Renews leases for as long as somebody has them. Threads may share it.

    Args:
        open_session: returns a connection for the thread alone.
    """

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open_session = open_session
        self._changed = threading.Condition()
        self._kept: weakref.WeakKeyDictionary[Lease, float] = weakref.WeakKeyDictionary()
        self._unwanted: dict[str, Lease] = {}
        self._thread: threading.Thread | None = None

    def keep(self, lease: Lease) -> None:
        """Renew a lease from now on, until it is dropped, lost, or forgotten by whoever has it."""
        self._look_after(lease, _next_beat(lease))

    def give_up(self, lease: Lease) -> None:
        """Give back a lease as soon as the store lets it, unless it ends before. Nobody works on the thing any more."""
        lease.unwanted = True
        with self._changed:
            self._unwanted[lease.key] = lease
            self._look_after(lease, _soon(lease))

    def given_up(self, key: str) -> tuple[Owner, ...]:
        """Return the owner that gave up a thing, which is not given back yet; if there is none, nothing."""
        with self._changed:
            lease = self._unwanted.get(key)
            return () if lease is None or lease.lost else (lease.owner,)

    def _look_after(self, lease: Lease, at: float) -> None:
        with self._changed:
            self._kept[lease] = at
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._beat, name="holdfast-heart", daemon=True)
                self._thread.start()
            self._changed.notify()

    def drop(self, lease: Lease) -> None:
        """Renew a lease no more. A renewal that is under way may still land. Idempotent."""
        with self._changed:
            self._kept.pop(lease, None)
            self._changed.notify()

    def _beat(self) -> None:
        session: Session | None = None
        while due := self._due():
            try:
                session = session or self._open_session()
                _beat_once(session, due)
            except StoreClosed:
                for lease in due:
                    self.drop(lease)
            except Exception:  # noqa: BLE001 - whatever it is, others' leases are renewed
                self._plan({lease: _soon(lease) for lease in due})
            else:
                self._plan({lease: _next_beat(lease) for lease in due})
            due.clear()  # whoever waits keeps nobody's lease alive
        if session is not None:
            session.close()

    def _due(self) -> list[Lease]:
        """Wait until leases are due, and return them; nothing when there are none left."""
        with self._changed:
            while True:
                now = monotonic()
                over = [key for key, lease in self._unwanted.items() if lease.lost or now > lease.until]
                for key in over:
                    self._kept.pop(self._unwanted.pop(key), None)
                left = {lease: at for lease, at in self._kept.items() if not lease.lost}
                if not left:
                    self._thread = None
                    return []
                due = [lease for lease, at in left.items() if at <= now]
                if due:
                    return due
                pause = min(left.values()) - now
                left.clear()
                self._changed.wait(pause)

    def _plan(self, beats: dict[Lease, float]) -> None:
        with self._changed:
            self._kept.update({lease: at for lease, at in beats.items() if lease in self._kept})


def _beat_once(session: Session, due: Sequence[Lease]) -> None:
    """Renew leases, and give back those that nobody wants. Raises HoldfastError."""
    wanted = [lease for lease in due if not lease.unwanted]
    if wanted:
        renew(session, wanted)
    for lease in due:
        if lease.unwanted:
            lease.release(session)


def _soon(lease: Lease) -> float:
    return monotonic() + lease.length_seconds / _AGAIN


def _next_beat(lease: Lease) -> float:
    return lease.until - lease.length_seconds * (1 - 1 / BEATS)
