"""What a URL says: which server, and where on it the store is."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from holdfast.errors import InvalidValue

WORKSPACE = "holdfast"
"""The workspace of those who name none."""

SCHEMES = {
    "valkey": "valkey",
    "redis": "valkey",
    "valkeys": "valkeys",
    "rediss": "valkeys",
    "valkey+unix": "unix",
}
"""The beginnings of our URLs, and what the client calls them."""

_OWN = ("workspace", "settings", "replicas")
_CLIENTS = ("db", "client_name", "socket_keepalive", "health_check_interval", "username", "password")
"""Parameters of the client that change nothing of what its answers are."""

_WORKSPACE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is.

    Attributes:
        client: the URL that the client connects with, password included.
        url: the store for messages, without a password.
        workspace: stands in every key of the store, as its hash tag: a cluster keeps all of them on one node.
        checked: whether the settings of the server are looked at.
        replicas: so many replicas must have a commit before it is acknowledged.
    """

    client: str = field(repr=False)
    url: str
    workspace: str
    checked: bool = True
    replicas: int = 0

    @classmethod
    def of(cls, url: str) -> Address:
        """Read a URL such as `valkey://user:password@host:6379/0?workspace=acme`.

        Raises:
            InvalidValue: it is none. The message does not show it: it may have a password in it.
        """
        parts = _parts(url)
        asked = parse_qsl(parts.query, keep_blank_values=True)
        for name, _ in asked:
            if name not in _OWN and name not in _CLIENTS and not name.startswith("ssl_"):
                raise InvalidValue(
                    f"a Valkey URL has no parameter {name!r}; it has {', '.join((*_OWN, *_CLIENTS))} and ssl_…"
                )
        own = {name: value for name, value in asked if name in _OWN}
        rest = urlencode([(name, value) for name, value in asked if name not in _OWN], quote_via=quote)
        at = parts.netloc.rpartition("@")[2]
        user = f"{parts.username}@{at}" if parts.username else at
        return cls(
            _url(SCHEMES[parts.scheme], parts.netloc, parts.path, rest),
            _url(parts.scheme, user, parts.path, urlencode(own)),
            _workspace(own.get("workspace", WORKSPACE)),
            _checked(own.get("settings", "checked")),
            _replicas(own.get("replicas", "0")),
        )


def _parts(url: str) -> SplitResult:
    """Take a URL apart. What was meant as a part of a password may look like another part of the URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = None
    if parts is None or ("@" not in parts.netloc and "@" in f"{parts.path}{parts.query}{parts.fragment}"):
        raise InvalidValue(
            "a Valkey URL cannot be read; write special characters of the user and the password as %XX, as"
            " urllib.parse.quote does"
        )
    if parts.scheme not in SCHEMES:
        raise InvalidValue(
            f"a Valkey URL begins with {', '.join(f'{each}://' for each in SCHEMES)}, not with {parts.scheme}://"
        )
    return parts


def _url(scheme: str, host: str, path: str, query: str) -> str:
    return f"{scheme}://{host}{path}{'?' if query else ''}{query}"


def _workspace(name: str) -> str:
    if not _WORKSPACE.fullmatch(name):
        raise InvalidValue(
            f"workspace={name!r} would stand in the keys of a cluster between braces: use letters, digits, '.', '_' and"
            " '-', 64 at most"
        )
    return name


def _checked(said: str) -> bool:
    if said not in ("checked", "unchecked"):
        raise InvalidValue(f"settings= is checked (as without it) or unchecked, not {said!r}")
    return said == "checked"


def _replicas(said: str) -> int:
    if not said.isdecimal() or int(said) > 100:
        raise InvalidValue(f"replicas= is how many replicas have to have a commit, such as 1, not {said!r}")
    return int(said)
