"""The key that signs pickles: one file of the user's own, outside any store, so that no store can bring its own trust.

    $HOLDFAST_HOME/signing.key     32 random bytes, made at the first signature; only its owner can read it
    $HOLDFAST_HOME/trusted.keys    further keys that are believed: a former one, a colleague's; a line is `id hex`

A code is HMAC-SHA256 over the id of the key and the data. Whoever has a key can make codes with it: trusting a key is
letting its owner run code here.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from holdfast.errors import Untrusted

KEY_BYTES = 32
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def key_id(key: bytes) -> str:
    """Return the id of a key: 16 hexadecimal digits that tell nothing about it."""
    return hashlib.sha256(key).hexdigest()[:16]


class KeyFile:
    """Signs with the key of the user, and verifies with it and with the trusted ones. Files are read when first needed.

    Args:
        home: the folder of the key files; HOLDFAST_HOME, or else `~/.holdfast`, if it is not given.

    Any method raises `Untrusted` if a file of keys can be read by others, or is damaged; the message says how to mend
    it.
    """

    def __init__(self, home: str | os.PathLike[str] | None = None) -> None:
        self._home = home
        self._key: bytes | None = None

    @property
    def path(self) -> Path:
        """The file of the user's key."""
        return self._folder / "signing.key"

    @property
    def trusted_path(self) -> Path:
        """The file of the other keys that are believed."""
        return self._folder / "trusted.keys"

    def sign(self, data: Iterable[bytes]) -> tuple[str, bytes]:
        """Return the id of the user's key and the code of the data. The first call ever makes the key, durably.

        Raises:
            Untrusted: the file of the key can be read by others, or holds no key.
        """
        key = self._own() or self._make()
        name = key_id(key)
        return name, _code(key, name, data)

    def verify(self, key_id: str, mac: bytes, data: Iterable[bytes]) -> bool:
        """Return whether the user's key or a trusted one of that id made this code of this data. Makes no key.

        Raises:
            Untrusted: a file of keys can be read by others, or is damaged.
        """
        key = self._find(key_id)
        return key is not None and hmac.compare_digest(_code(key, key_id, data), mac)

    def knows(self, key_id: str) -> bool:
        """Tell whether a key is the user's, or a trusted one. Makes no key. Raises Untrusted as `verify`."""
        return self._find(key_id) is not None

    def line(self) -> str:
        """Return the user's key as the line `id hex` that makes another trust it. It is a secret; makes no key.

        Raises:
            Untrusted: there is no key yet, or its file is damaged.
        """
        key = self._own()
        if key is None:
            raise Untrusted(f"there is no key {str(self.path)!r} yet; it is made when the first pickle is stored")
        return f"{key_id(key)} {key.hex()}"

    @property
    def _folder(self) -> Path:
        return Path(self._home or os.environ.get("HOLDFAST_HOME") or Path.home() / ".holdfast")

    def _find(self, name: str) -> bytes | None:
        own = self._own()
        if own is not None and hmac.compare_digest(key_id(own).encode(), name.encode("utf-8", "replace")):
            return own
        return _trusted(self.trusted_path).get(name)

    def _own(self) -> bytes | None:
        if self._key is None:
            found = _read(self.path)
            if found is not None and len(found) != KEY_BYTES:
                raise Untrusted(
                    f"{str(self.path)!r} holds {len(found)} bytes, and a key has {KEY_BYTES}; restore it, "
                    "or move it away, and what it signed cannot be loaded any more"
                )
            self._key = found
        return self._key

    def _make(self) -> bytes:
        """Make the key. It appears whole or not at all, and of two processes that make one, both use the same."""
        path = self.path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".signing.key.{secrets.token_hex(8)}")
        _write_new(draft, secrets.token_bytes(KEY_BYTES))
        try:
            os.link(draft, path)  # unlike rename, it never replaces a key
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        _sync_folder(path.parent)
        key = self._own()
        assert key is not None
        return key


def _code(key: bytes, name: str, data: Iterable[bytes]) -> bytes:
    code = hmac.new(key, digestmod=hashlib.sha256)
    code.update(f"{len(name)} {name} ".encode())
    for part in data:
        code.update(part)
    return code.digest()


def _read(path: Path) -> bytes | None:
    """Return the contents of a file that only its owner can read, or None if there is none."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & _OTHERS:
                raise Untrusted(f"{str(path)!r} can be read by others; run: chmod 600 {str(path)!r}")
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Untrusted(f"{str(path)!r} cannot be read: {error.strerror}") from error


def _trusted(path: Path) -> dict[str, bytes]:
    """Return the keys of a file of lines `id hex` by id. Empty lines, and what follows a `#`, are notes."""
    keys: dict[str, bytes] = {}
    lines = (_read(path) or b"").decode("utf-8", "replace").splitlines()
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            name, digits = words
            key = bytes.fromhex(digits)
        except ValueError:
            name, key = "", b""
        if len(key) != KEY_BYTES or key_id(key) != name:
            raise Untrusted(
                f"line {number} of {str(path)!r} is no key; a line is the id of a key and its {KEY_BYTES} bytes in hex"
            )
        keys[name] = key
    return keys


def _write_new(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Make the name of a new file durable. Windows has no such thing, and needs none."""
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
