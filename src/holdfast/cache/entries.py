"""Answers as entries of registers, which expire and are bounded in size.

    cache        digest                    the answer, compressed where that saves something
    cache-ends   moment/digest             when it ends, and how large it is
    cache-tools  tool/scope/digest         where it is listed
    cache-size   ""                        how large all are
    cache-use    tool                      how often it was asked for

Registers are outside of any history: what is removed here was never committed data.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import quote, unquote

import msgspec

from holdfast.core.codec.encoded import Encoded
from holdfast.core.forms import packed_whole, unpacked_whole
from holdfast.engine.contract import Reader, Writer
from holdfast.errors import StoreCorrupt

_ANSWERS, _ENDS, _TOOLS, _SIZE, _USE = "cache", "cache-ends", "cache-tools", "cache-size", "cache-use"
NEVER_US = 2**62
"""The end of what does not end."""
_SKEW_US = 60_000_000
"""By so much the clock of another machine may be ahead; what seems to be from later than that is not believed."""
_SWEPT = 16
"""How many answers that have ended go with each that comes."""


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """What a tool answered, or raised.

    Attributes:
        scope: for whom.
        arguments, argument_buffers: what it was asked.
        made_us, ends_us: when, and until when it holds.
        seconds: how long it took.
        cost: what it cost.
        failed: whether `value` is what was raised.
    """

    tool: str
    version: str
    scope: str
    arguments: str
    argument_buffers: tuple[bytes, ...]
    made_us: int
    ends_us: int
    seconds: float
    cost: float
    failed: bool
    text: str
    order: str
    buffers: tuple[bytes, ...]

    @property
    def value(self) -> Encoded:
        """The value, in its stored form."""
        return Encoded(self.text, self.order, self.buffers)

    def holds(self, now_us: int, latest_us: int) -> bool:
        """Tell whether it is neither too old, nor from a time that a clock has jumped back from.

        Args:
            latest_us: the latest time that was seen: what has ended by it has ended.
        """
        return self.made_us - _SKEW_US <= now_us and latest_us < self.ends_us


class Use(msgspec.Struct, array_like=True):
    """How often a tool was asked for.

    Attributes:
        hits, misses: answered from the cache, and by the tool.
        failures: raised by the tool.
        seconds_saved, cost_saved: what the hits would have taken.
    """

    hits: int = 0
    misses: int = 0
    failures: int = 0
    seconds_saved: float = 0.0
    cost_saved: float = 0.0

    def add(self, other: Use) -> None:
        """Count what another has counted."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Size(msgspec.Struct, array_like=True):
    """How large all answers are."""

    bytes: int = 0
    answers: int = 0


_T = TypeVar("_T")
_encode = msgspec.msgpack.encode


def find(reader: Reader, digest: str, now_us: int, latest_us: int) -> Answer | None:
    """Return an answer that holds, or None. Raises StoreCorrupt."""
    raw = reader.entry(_ANSWERS, digest)
    answer = None if raw is None else _answer(raw)
    return answer if answer is not None and answer.holds(now_us, latest_us) else None


def _answer(raw: bytes) -> Answer:
    return _decoded(unpacked_whole(raw), Answer)


def _decoded(raw: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.msgpack.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise StoreCorrupt(f"the cache is damaged: {error}; invalidate() it") from error


def put(writer: Writer, digest: str, answer: Answer, bytes_max: int) -> bool:
    """Keep an answer; make room for it by those that have ended, or end soonest. Tell whether it fits at all."""
    raw = packed_whole(_encode(answer))
    if len(raw) > bytes_max:
        return False
    remove(writer, digest)
    _sweep(writer, answer.made_us)
    while (size := _size(writer)).bytes + len(raw) > bytes_max:
        ends = list(writer.entries(_ENDS, limit=1))
        if not ends:
            break
        remove(writer, ends[0][0].rpartition("/")[2])
    writer.put_entry(_ANSWERS, digest, raw)
    writer.put_entry(_ENDS, _end_key(answer, digest), b"")
    writer.put_entry(_TOOLS, _listed_as(answer.tool, answer.scope) + digest, len(raw).to_bytes(8))
    writer.put_entry(_SIZE, "", _encode(Size(size.bytes + len(raw), size.answers + 1)))
    return True


def remove(writer: Writer, digest: str) -> bool:
    """Remove an answer; tell whether it was there."""
    raw = writer.entry(_ANSWERS, digest)
    if raw is None:
        return False
    writer.remove_entry(_ANSWERS, digest)
    try:
        answer = _answer(raw)
    except StoreCorrupt:  # it does not tell where it is listed
        for register in (_ENDS, _TOOLS):
            for key in [key for key, _ in writer.entries(register) if key.endswith(f"/{digest}")]:
                writer.remove_entry(register, key)
    else:
        writer.remove_entry(_ENDS, _end_key(answer, digest))
        writer.remove_entry(_TOOLS, _listed_as(answer.tool, answer.scope) + digest)
    size = _size(writer)
    writer.put_entry(_SIZE, "", _encode(Size(size.bytes - len(raw), size.answers - 1)))
    return True


def _sweep(writer: Writer, now_us: int) -> None:
    """Remove some answers that have ended."""
    for end, _ in list(writer.entries(_ENDS, limit=_SWEPT)):
        moment, _, digest = end.partition("/")
        if int(moment, 16) > now_us:
            return
        remove(writer, digest)


def _end_key(answer: Answer, digest: str) -> str:
    return f"{answer.ends_us:016x}/{digest}"


def _listed_as(tool: str | None, scope: str | None) -> str:
    """Return what the keys begin with under which answers are listed."""
    if tool is None:
        return ""
    return f"{quote(tool, safe='')}/" + ("" if scope is None else f"{quote(scope, safe='')}/")


def listed(reader: Reader, tool: str | None = None, scope: str | None = None) -> Iterator[tuple[str, str, int]]:
    """Yield (digest, tool, bytes) of the answers of a tool, of a scope, or of all."""
    for key, raw in reader.entries(_TOOLS, _listed_as(tool, scope)):
        name, whom, digest = key.split("/")
        if scope is None or whom == quote(scope, safe=""):
            yield digest, unquote(name), int.from_bytes(raw)


def _size(reader: Reader) -> Size:
    raw = reader.entry(_SIZE, "")
    return Size() if raw is None else _decoded(raw, Size)


def count(writer: Writer, uses: dict[str, Use]) -> None:
    """Add to what is known of how tools are used."""
    for tool, use in uses.items():
        raw = writer.entry(_USE, quote(tool, safe=""))
        known = Use() if raw is None else _decoded(raw, Use)
        known.add(use)
        writer.put_entry(_USE, quote(tool, safe=""), _encode(known))


def used(reader: Reader) -> dict[str, Use]:
    """Return how tools were used, by their names."""
    return {unquote(name): _decoded(raw, Use) for name, raw in reader.entries(_USE)}
