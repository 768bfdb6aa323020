"""What a server must be set to for what it acknowledges to stay."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.engine.contract import Durability
from holdfast.errors import Unsupported

ASKED = ("appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory", "maxmemory-policy")

OLDEST = {"valkey": 8, "redis": 7}
"""The oldest versions that are used."""

_UNCHECKED = "; or say &settings=unchecked in the URL, if what is lost then may be lost"


def check_version(said: Mapping[str, object], url: str) -> None:
    """Raise Unsupported for a server that is too old."""
    name = str(said.get("server_name", "redis"))
    version = str(said.get(f"{name}_version") or said.get("redis_version") or "0")
    oldest = OLDEST.get(name, OLDEST["redis"])
    if int(version.partition(".")[0] or 0) < oldest:
        raise Unsupported(f"{url} is {name.capitalize()} {version}; Holdfast needs Valkey 8, or Redis 7, or newer")


def check_settings(found: Mapping[str, str], durability: Durability, url: str) -> None:
    """Raise Unsupported if a server may lose what `durability` promises to keep; the message has what mends it."""
    if found.get("appendonly") != "yes":
        raise Unsupported(
            f"{url} keeps what is committed in memory alone (appendonly is {found.get('appendonly')!r}) and loses it"
            f" when it ends. On the server: CONFIG SET appendonly yes, then CONFIG REWRITE{_UNCHECKED}"
        )
    if durability is Durability.FULL and found.get("appendfsync") != "always":
        raise Unsupported(
            f"{url} acknowledges commits before they are on its disk (appendfsync is {found.get('appendfsync')!r})."
            " On the server: CONFIG SET appendfsync always, then CONFIG REWRITE; or connect with durability='process',"
            f" and the last second may be lost with its machine{_UNCHECKED}"
        )
    if durability is Durability.PROCESS and found.get("appendfsync") not in ("always", "everysec"):
        raise Unsupported(
            f"{url} leaves it to its system when commits reach the disk (appendfsync is {found.get('appendfsync')!r})."
            f" On the server: CONFIG SET appendfsync everysec, then CONFIG REWRITE{_UNCHECKED}"
        )
    if durability is Durability.FULL and found.get("no-appendfsync-on-rewrite", "no") != "no":
        raise Unsupported(
            f"{url} does not wait for its disk while it rewrites its log (no-appendfsync-on-rewrite is 'yes'). On the"
            f" server: CONFIG SET no-appendfsync-on-rewrite no, then CONFIG REWRITE{_UNCHECKED}"
        )
    if found.get("maxmemory", "0") != "0" and found.get("maxmemory-policy", "").startswith("allkeys"):
        raise Unsupported(
            f"{url} drops entries when its memory is full (maxmemory-policy is {found['maxmemory-policy']!r}), commits"
            f" among them. On the server: CONFIG SET maxmemory-policy noeviction, then CONFIG REWRITE{_UNCHECKED}"
        )
