"""Poolers in transaction mode before a PostgreSQL server: PgBouncer, where it is installed, and a plain one.

The plain one is stricter: it forgets all of a session (DISCARD ALL) before the connection serves another transaction.
"""

from __future__ import annotations

import queue
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.postgresql import as_nobody

SERVER_CONNECTIONS = 2
POLL_SECONDS = 0.05
JOIN_SECONDS = 10.0
_ENCRYPTED = (80877103, 80877104)
_CANCEL = 80877102


class _Wire:
    """One side of a connection: whole messages of the protocol."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._left = b""

    def messages(self) -> list[bytes] | None:
        """Read what is there; return the messages that are whole by now, or None at the end."""
        said = self.sock.recv(1 << 16)
        if not said:
            return None
        self._left += said
        found = []
        while len(self._left) >= 5:
            size = 1 + struct.unpack("!I", self._left[1:5])[0]
            if len(self._left) < size:
                break
            found.append(self._left[:size])
            self._left = self._left[size:]
        return found

    def until_ready(self) -> list[bytes]:
        """Read up to the message that the server is ready."""
        found: list[bytes] = []
        while not found or found[-1][:1] != b"Z":
            more = self.messages()
            if more is None:
                raise ConnectionError("the server ended")
            found += more
        return found


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


class _Loan:
    """The connection that serves a client, from the first message to the end of what that began."""

    def __init__(self, pooler: Pooler, client: _Wire) -> None:
        self._pooler = pooler
        self._client = client
        self._owed = 0  # answers
        self._is_whole = True  # whether what was asked ends with what demands an answer
        self.server: _Wire | None = None

    def ask(self, message: bytes) -> None:
        """Pass on what the client says."""
        flushes, demands = message[:1] == b"H", message[:1] in (b"Q", b"S")
        if flushes and self.server is None:
            return  # all was answered
        self.server = self.server or self._pooler.borrow()
        self._owed += demands
        self._is_whole = demands or (self._is_whole and flushes)
        self.server.sock.sendall(message)

    def answer(self, message: bytes) -> None:
        """Pass on what the server says."""
        self._client.sock.sendall(message)
        if message[:1] != b"Z":
            return
        self._owed -= 1
        if self._owed == 0 and self._is_whole and message[-1:] == b"I":
            assert self.server is not None
            self._pooler.take_back(self.server)
            self.server = None

    def end(self) -> None:
        """Let the server take back what the client left open."""
        if self.server is not None:
            self._pooler.replace(self.server)


class Pooler:
    """Lends a connection of the server's to a client for one transaction."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._free: queue.Queue[_Wire] = queue.Queue()
        self._greeting = b""
        self._sockets: list[socket.socket] = []
        for _ in range(SERVER_CONNECTIONS):
            self._free.put(self._connected())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *given: object) -> None:
        thread = threading.Thread(target=work, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _connected(self) -> _Wire:
        wire = _Wire(socket.socket(socket.AF_UNIX))
        wire.sock.connect(str(self._place))
        self._sockets.append(wire.sock)
        body = struct.pack("!I", 196608) + b"user\0postgres\0database\0postgres\0\0"
        wire.sock.sendall(struct.pack("!I", len(body) + 4) + body)
        self._greeting = b"".join(wire.until_ready())
        return wire

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each message waits for an ACK
                self._sockets.append(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            while True:
                (size,) = struct.unpack("!I", client.recv(4, socket.MSG_WAITALL))
                (version,) = struct.unpack("!I", client.recv(size - 4, socket.MSG_WAITALL)[:4])
                if version == _CANCEL:
                    return
                if version not in _ENCRYPTED:
                    break
                client.sendall(b"N")
            client.sendall(self._greeting)
            self._lend(_Wire(client))

    def _lend(self, client: _Wire) -> None:
        """Pass on what both say, with a connection for as long as the server owes an answer or has a transaction."""
        loan = _Loan(self, client)
        try:
            while True:
                waiting = [client.sock] if loan.server is None else [client.sock, loan.server.sock]
                ready, _, _ = select.select(waiting, [], [])
                if client.sock in ready:
                    said = client.messages()
                    if said is None or any(each[:1] == b"X" for each in said):
                        return
                    for each in said:
                        loan.ask(each)
                if loan.server is not None and loan.server.sock in ready:
                    for each in loan.server.messages() or []:
                        loan.answer(each)
        finally:
            loan.end()

    def borrow(self) -> _Wire:
        """Return a connection that serves nobody, once there is one."""
        return self._free.get()

    def take_back(self, server: _Wire) -> None:
        """Let a connection forget its session, and serve others."""
        server.sock.sendall(_message(b"Q", b"DISCARD ALL\0"))
        server.until_ready()
        self._free.put(server)

    def replace(self, server: _Wire) -> None:
        """End a connection, and make another."""
        server.sock.close()
        self._free.put(self._connected())

    def close(self) -> None:
        """End all connections."""
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):  # one that ends may still have made another connection
            thread.join(JOIN_SECONDS)
        for each in (self._listener, *self._sockets):
            each.close()


@contextmanager
def plain(url: str) -> Iterator[str]:
    """Yield the URL of a store through a plain pooler."""
    asked = parse_qs(urlsplit(url).query)
    pooler = Pooler(Path(asked["host"][0]) / ".s.PGSQL.5432")
    try:
        yield _through(pooler.port, asked["workspace"][0])
    finally:
        pooler.close()


@contextmanager
def pgbouncer(url: str) -> Iterator[str]:
    """Yield the URL of a store through PgBouncer; skip where it is not installed."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip("no pgbouncer here: it is in the packages of most systems, and not in pip's")
    asked = parse_qs(urlsplit(url).query)
    folder = Path(tempfile.mkdtemp(prefix="pgb"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    lines = [
        "[databases]",
        f"postgres = host={asked['host'][0]} user=postgres",
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = any",
        "pool_mode = transaction",
        f"default_pool_size = {SERVER_CONNECTIONS}",
        f"logfile = {folder / 'log'}",
    ]
    (folder / "ini").write_text("\n".join(lines))
    prefix, environment = as_nobody(folder)
    folder.chmod(0o777)
    process = subprocess.Popen([*prefix, program, "-q", folder / "ini"], env=environment)
    try:
        found = _through(port, asked["workspace"][0])
        ready = threading.Event()
        while process.poll() is None and not ready.is_set():
            with suppress(psycopg.OperationalError), psycopg.connect(f"host=127.0.0.1 port={port} user=postgres"):
                ready.set()
            ready.wait(POLL_SECONDS)
        assert ready.is_set(), "pgbouncer ended"
        yield found
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _through(port: int, workspace: str) -> str:
    return f"postgresql://postgres@127.0.0.1:{port}/postgres?workspace={workspace}&sslmode=disable"


POOLERS = {"plain": plain, "pgbouncer": pgbouncer}
