"""Stands between a client and a server, and cuts what goes on between them."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import holdfast


class Proxy:
    """Stands before a server that listens on a socket of a path, and cuts connections when it is told to.

    Attributes:
        message: what a client says when it is cut; None to let all through.
        delivered: whether the server still gets that.
        cuts: how often it was cut.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.message: bytes | None = None
        self.delivered = False
        self.cuts = 0
        self._swallows = False
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._path))
                self._sockets += [client, server]
                threading.Thread(target=self._answers, args=(server, client), daemon=True).start()
                threading.Thread(target=self._says, args=(client, server), daemon=True).start()

    def _says(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while said := client.recv(1 << 16):
                if self.message is not None and self.message in said:
                    self.message = None
                    self.cuts += 1
                    if not self.delivered:
                        client.shutdown(socket.SHUT_RDWR)
                        return  # the server is not told: it keeps the transaction open until somebody ends that
                    self._swallows = True
                server.sendall(said)
            server.shutdown(socket.SHUT_RDWR)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while said := server.recv(1 << 16):
                if self._swallows:  # the answer comes to nobody
                    self._swallows = False
                    break
                client.sendall(said)
            client.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Cut all connections now."""
        for each in self._sockets[1:]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for each in self._sockets:
            each.close()


def check_recorded_once(proxy: Proxy, through: str, url: str, said: bytes, *, delivered: bool) -> None:
    """Cut the connection within a step: its function runs once, it is recorded once, and nobody hears of it."""
    with holdfast.connect(through) as db:
        calls: list[int] = []
        with db.run("r") as run:
            run.state["n"] = []
            for number in range(6):
                if number == 3:
                    proxy.message, proxy.delivered = said, delivered
                run.state["n"].append(number)
                run.step("one", calls.append, number)
        assert proxy.cuts == 1
        assert calls == list(range(6))
    with holdfast.connect(url) as db:
        assert [step.status for step in db.run("r").steps()] == ["done"] * 6
        assert db.run("r").state["n"] == list(range(6))
        assert db.verify().commits
