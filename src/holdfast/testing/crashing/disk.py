"""SQLite's way to the file system, with a crash point before each step on it."""

from __future__ import annotations

import random
import resource
from pathlib import Path
from typing import Any, cast

import apsw

from holdfast.testing.crashing.points import CrashPoints, Loss, kill
from holdfast.testing.crashing.power import Unsynced

_BASE = "unix"
_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


class CrashingDisk:
    """A file system that reaches a point before each step that changes it, and there loses what it is told to.

    Args:
        points: is told of each step.
        loss: what happens at the point that `points` strikes at.
        seed: chooses what of that is left.
        kept: how likely a sector that was not synced is left; None lets the seed choose.
        checkpoint_pages: after how many pages of log SQLite writes them into the file; None for its own default.
    """

    def __init__(
        self,
        points: CrashPoints,
        loss: Loss = Loss.PROCESS,
        *,
        seed: int = 0,
        kept: float | None = None,
        checkpoint_pages: int | None = None,
    ) -> None:
        self._points = points
        self._loss = loss
        self._choose = random.Random(seed)  # noqa: S311 - a test that can be repeated
        self._kept = kept
        self._checkpoint_pages = checkpoint_pages
        self._files: dict[str, Unsynced] = {}
        self._vfs: apsw.VFS | None = None

    def install(self) -> None:
        """Let every connection that this process opens from now on use this disk. There is no way back."""
        self._vfs = _Vfs(self)
        apsw.connection_hooks.append(self._watch_statements)
        if self._loss is Loss.POWER:
            self._points.strike = self.lose_power
        elif self._loss is Loss.ROOM:
            self._points.strike = self.fill_up

    def fill_up(self) -> None:
        """Let there be no room from now on, for any file of this process.

        Where SQLite passes over such an error, in a checkpoint after a commit and in closing, its driver reports it
        all the same, because this disk is written in Python. So make room before a connection is closed.
        """
        self._limit_files(0)

    def make_room(self) -> None:
        """Let there be room again."""
        self._limit_files(resource.RLIM_INFINITY)

    @staticmethod
    def _limit_files(size_bytes: int) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size_bytes == resource.RLIM_INFINITY else size_bytes, hard))

    def lose_power(self) -> None:
        """Leave in the files what a failure of power leaves, and kill the process."""
        for name, file in sorted(self._files.items()):
            file.lose(self._choose, self._kept)
            shared = Path(name + "-shm")  # memory, never synced
            if shared.exists():
                shared.write_bytes(self._choose.randbytes(shared.stat().st_size))
        kill()

    def reach(self, step: str, name: str) -> None:
        """Come to the point before a step on a file."""
        self._points.reach(f"{step} {Path(name).name}")

    def file(self, name: str) -> Unsynced:
        """Return what is known of a file, of which all that is there now counts as synced."""
        if name not in self._files:
            self._files[name] = Unsynced(Path(name))
        return self._files[name]

    def forget(self, name: str) -> None:
        """Note that a file was removed."""
        self._files.pop(name, None)

    def _watch_statements(self, connection: apsw.Connection) -> None:
        def before(cursor: apsw.Cursor, sql: str, _: object) -> bool:
            if not cursor.is_readonly or sql.startswith(_CONTROL):
                self._points.reach(f"statement {' '.join(sql.split())[:60]}")
            return True

        connection.exec_trace = before
        if self._checkpoint_pages is not None:
            connection.wal_autocheckpoint(self._checkpoint_pages)


class _Vfs(apsw.VFS):
    def __init__(self, disk: CrashingDisk) -> None:
        self._disk = disk
        super().__init__("holdfast-crashing", base=_BASE, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: ANN401, N802 - SQLite's name
        if name is None:  # a temporary file, which nobody looks for after a death
            return apsw.VFSFile(_BASE, name, flags)
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802
        self._disk.reach("remove", filename)
        super().xDelete(filename, syncdir)
        self._disk.forget(filename)


class _File(apsw.VFSFile):
    def __init__(self, disk: CrashingDisk, name: Any, flags: list[int]) -> None:  # noqa: ANN401
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._unsynced = disk.file(self._name)
        super().__init__(_BASE, name, flags)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: ANN401, N802
        self._disk.reach(f"write {len(data)} bytes at {offset} of", self._name)
        cast("Any", super()).xWrite(data, offset)  # apsw's own types leave it half unknown
        self._unsynced.write(offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._disk.reach(f"truncate to {newsize}", self._name)
        super().xTruncate(newsize)
        self._unsynced.truncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.reach("sync", self._name)
        super().xSync(flags)
        self._unsynced.sync()
        self._disk.reach("after the sync of", self._name)
