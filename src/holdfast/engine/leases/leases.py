"""One owner at a time: leases with an epoch, and what keeps the writes of a former owner out.

An entry of the register `lease` says who owns a thing, and counts its owners: the *epoch*. Who claims it raises the
epoch; who writes looks, in the transaction that it writes in, whether the epoch is still its own (Burrows, "The Chubby
lock service", 2006, calls this a sequencer; Kleppmann a fencing token). So the writes of an owner that was taken for
dead land nowhere, whatever clocks say. Clocks only decide how soon a silent owner is taken for dead:

- A process of this place (owners.py) that is gone owns nothing any more, at once.
- The lease of any other ends when it was not renewed for its length: by the monotonic clock of the place, which is the
  same for all its processes and never jumps; of an owner elsewhere by the wall clock, and either may be wrong.
- Then the entry is watched for half the lease's length before it is taken. An owner that lives renews it in that time,
  also one whose clock is wrong, or whose renewal stood in the line of writers for long.

A released lease stays as an entry without an owner, so that no epoch is ever given twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from holdfast.core.durations import Duration, microseconds_of
from holdfast.core.flows import Flow, Pause, Work, run
from holdfast.engine.contract import Lookups, Reader, Session, Writer
from holdfast.engine.leases.owners import Owner, monotonic
from holdfast.errors import Fenced, InvalidValue, RunBusy, StoreCorrupt

LEASE_SECONDS = 30.0
"""How long a silent owner is trusted, unless it is said otherwise."""
LEASE_SECONDS_MIN = 0.5
"""A shorter lease would end between two beats on a busy machine."""

LEASES = "lease"
"""The register that says who owns what. It is about one store, and means nothing in a copy of it."""

_WATCHED = 0.5
"""The part of its length for which a lease of an owner elsewhere is watched; beats come after a third."""
_LOOKS = 8


class Hold(msgspec.Struct, frozen=True):
    """What an entry says.

    Attributes:
        epoch: counts the owners there have been.
        owner: who owns it; None when it was released.
        since_us: when it was claimed, by the owner's clock, in microseconds since 1970.
        until_us: when it ends unless it is renewed, by the owner's clock.
        length_seconds: how long it lasts after each renewal.
        beat: when it was renewed last, by the monotonic clock of the owner's place.
        beats: how often it was renewed.
    """

    epoch: int
    owner: Owner | None = None
    since_us: int = 0
    until_us: int = 0
    length_seconds: float = 0.0
    beat: float = 0.0
    beats: int = 0


_encode = msgspec.json.encode
_decoder = msgspec.json.Decoder(Hold)


def hold_of(reader: Reader, key: str) -> Hold:
    """Return what is known of the owner of a thing. Raises StoreCorrupt."""
    raw = reader.entry(LEASES, key)
    try:
        return Hold(0) if raw is None else _decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"the lease of {key!r} is damaged: {error}; restore the store from a copy") from error


@dataclass(eq=False)
class Lease:
    """A thing that is owned.

    Attributes:
        key: of what.
        owner: by whom.
        epoch: which of its owners this is.
        length_seconds: how long it lasts after each renewal.
        until: when it ends unless it is renewed, by the monotonic clock, counted from before the renewal was sent.
        lost: whether it is known that this does not own it any more.
        beats: how often it was written.
        unwanted: whether nobody works on the thing any more, and it is only to be given back.
    """

    key: str
    owner: Owner
    epoch: int
    length_seconds: float
    since_us: int
    until: float
    lost: bool = False
    beats: int = 0
    unwanted: bool = False

    @property
    def is_sure(self) -> bool:
        """Whether nobody can have taken it over yet."""
        return not self.lost and monotonic() < self.until

    @property
    def looked_up(self) -> Lookups:
        """What `check` looks up."""
        return Lookups(entries=((LEASES, self.key),))

    def check(self, writer: Reader) -> None:
        """Raise Fenced unless this still owns the thing, as the open transaction sees it."""
        hold = hold_of(writer, self.key)
        if (hold.epoch, hold.owner) != (self.epoch, self.owner) or self.lost:
            self.lost = True
            raise Fenced(
                f"{self.key!r} does not belong to {self.owner} any more: it was given back, or somebody took it over;"
                " what was to be written landed nowhere"
            )

    def check_sure(self) -> None:
        """Raise Fenced if somebody may have taken it over: nothing new is to be started then."""
        if not self.is_sure:
            raise Fenced(
                f"{self.key!r} could not be kept by {self.owner}: its lease of {self.length_seconds:g} s ended without"
                " being renewed, so somebody else may work on it; claim it again"
            )

    def release(self, session: Session) -> None:
        """Own the thing no more, so that others may claim it at once. Idempotent; nothing happens if it was lost."""
        if not self.lost:
            session.write_together(self.give_back)
            self.lost = True

    def give_back(self, writer: Writer) -> None:
        """Own the thing no more once the transaction is done, as `release` does; `lost` stays as it is until then."""
        with suppress(Fenced):
            self.check(writer)
            writer.put_entry(LEASES, self.key, _encode(Hold(self.epoch)))

    def forget(self, writer: Writer) -> None:
        """Own the thing no more, and leave nothing of it: its epochs may be given again. Nothing if it was lost.

        For things of which an old epoch harms nobody, since owners have names of their own, too.
        """
        with suppress(Fenced):
            self.check(writer)
            writer.remove_entry(LEASES, self.key)


def forget_lease(writer: Writer, key: str) -> None:
    """Remove what is known of the owners of a thing that is no more."""
    writer.remove_entry(LEASES, key)


def renew(session: Session, leases: Sequence[Lease]) -> None:
    """Let leases last for their lengths from now, in one commit; one that somebody took over becomes lost.

    Raises:
        HoldfastError: what the store raises; they may have been renewed, but nobody is to count on it.
    """
    sent = monotonic()

    def work(writer: Writer) -> list[Lease]:
        kept: list[Lease] = []
        for lease in leases:
            with suppress(Fenced):
                lease.check(writer)
                _put(writer, lease, session.clock.now_us())
                kept.append(lease)
        return kept

    for lease in session.write_together(work):
        lease.until = sent + lease.length_seconds


def _put(writer: Writer, lease: Lease, now_us: int) -> None:
    """Write that a lease is renewed at this moment: its owner may have stood in line for long."""
    lease.beats += 1
    until_us = now_us + round(lease.length_seconds * 1_000_000)
    hold = Hold(lease.epoch, lease.owner, lease.since_us, until_us, lease.length_seconds, monotonic(), lease.beats)
    writer.put_entry(LEASES, lease.key, _encode(hold))


@dataclass
class Watched:
    """What somebody who wants a thing has seen of its owner: since when the entry has not changed."""

    hold: Hold | None = None
    since: float = 0.0

    def is_still(self, hold: Hold) -> bool:
        """Tell whether an entry has been the same for half the length of the lease."""
        if hold != self.hold:
            self.hold, self.since = hold, monotonic()
        return monotonic() >= self.since + hold.length_seconds * _WATCHED


def claiming(
    lend: Callable[[], AbstractContextManager[Session]],
    key: str,
    owner: Owner,
    length: Duration = LEASE_SECONDS,
    held: list[Lease] | None = None,
    formers: Collection[Owner] = (),
) -> Flow[Lease]:
    """Own a thing, durably, if nobody does who lives.

    An owner that has gone silent, and is not known to be dead, is watched for half the length of its lease first.

    Args:
        lend: gives a connection for a block.
        length: how long the lease lasts unless it is renewed.
        held: is given the lease as soon as it is there, since who waits for this may be interrupted.
        formers: owners that are known to work on it no more.

    Raises:
        RunBusy: somebody owns it.
        InvalidValue: the length is none, or shorter than half a second.
    """
    watched = Watched()
    if held is not None:
        formers = (*formers, owner)  # it was interrupted after it had claimed it

    def attempt() -> Lease | float:
        """Return the lease, or after what time to look again."""
        with lend() as session:
            try:
                lease = try_claim(session, key, owner, length, watched, formers)
            except RunBusy:
                hold = watched.hold
                if hold is None or not _is_silent(hold, session.clock.now_us()):
                    raise
                return hold.length_seconds * _WATCHED / _LOOKS
        if held is not None:
            held.append(lease)
        return lease

    while True:
        found: Lease | float = yield Work(attempt)
        if isinstance(found, Lease):
            return found
        yield Pause(found)


def claim(session: Session, key: str, owner: Owner, length: Duration = LEASE_SECONDS) -> Lease:
    """Own a thing as `claiming` says, in this thread."""
    return run(claiming(lambda: nullcontext(session), key, owner, length))


def try_claim(
    session: Session,
    key: str,
    owner: Owner,
    length: Duration,
    watched: Watched,
    formers: Collection[Owner] = (),
) -> Lease:
    """Own a thing as `claim` does, but wait for nothing: to be called again with what was seen of its owner so far.

    Args:
        formers: owners that are known to work on it no more; itself if it was interrupted as it claimed it.

    Raises RunBusy and InvalidValue as `claim` does; RunBusy also while the owner has to be watched.
    """
    seconds = microseconds_of(length, "lease") / 1_000_000
    if seconds < LEASE_SECONDS_MIN:
        raise InvalidValue(f"a lease lasts {LEASE_SECONDS_MIN:g} s at least, not {length!r}")
    with session.read() as reader:
        _check_free(key, hold_of(reader, key), formers, session.clock.now_us(), watched)
    sent = monotonic()

    def work(writer: Writer) -> Lease:
        now_us = session.clock.now_us()
        hold = hold_of(writer, key)
        _check_free(key, hold, formers, now_us, watched)
        lease = Lease(key, owner, hold.epoch + 1, seconds, now_us, sent + seconds)
        _put(writer, lease, now_us)
        return lease

    return session.write_together(work)


def _check_free(key: str, hold: Hold, formers: Collection[Owner], now_us: int, watched: Watched) -> None:
    """Raise RunBusy unless a thing can be claimed."""
    if hold.owner is None or hold.owner in formers or hold.owner.is_dead:
        return
    still = watched.is_still(hold)
    if not (still and _is_silent(hold, now_us)):
        raise RunBusy(_busy(key, hold))


def may_be_free(hold: Hold, now_us: int) -> bool:
    """Tell whether it is worth trying to claim a thing: it has no owner, or one that died or went silent."""
    return hold.owner is None or hold.owner.is_dead or _is_silent(hold, now_us)


def _is_silent(hold: Hold, now_us: int) -> bool:
    """Tell whether a lease has ended, as far as clocks tell."""
    if hold.owner is not None and hold.owner.is_near:
        return monotonic() > hold.beat + hold.length_seconds
    return hold.owner is not None and now_us > hold.until_us


def _busy(key: str, hold: Hold) -> str:
    since, until = (
        f"{datetime.fromtimestamp(us // 1_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC" for us in (hold.since_us, hold.until_us)
    )
    return (
        f"{key!r} is worked on by {hold.owner}, since {since}; it is trusted until {until}, and longer if it goes on"
        " renewing that: wait for it, or stop it"
    )
