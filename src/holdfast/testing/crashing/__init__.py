"""A process that dies at a chosen point of its writing, and a disk that loses power there.

A *point* is a moment just before something is written: a statement that writes, or a write, a sync, a truncation or a
removal of the file system, each with a label that names it. A child process installs `CrashPoints` and
`CrashingDisk`, does what is to be tested, and is killed by SIGKILL at the point that was chosen. Run again and again
with the next point until it survives, an operation has died everywhere it can; what it left is looked at by a process
without any of this.

    points = CrashPoints(at=7)
    CrashingDisk(points, Loss.POWER, seed=1).install()
    with holdfast.connect(path) as db:
        db.execute("INSERT INTO steps VALUES (1)")
    points.reach("returned")

Both change how SQLite opens files in the whole process, for good: never install them in one that is to live on.
"""

from holdfast.testing.crashing.disk import CrashingDisk
from holdfast.testing.crashing.points import CrashPoints, Loss
from holdfast.testing.crashing.power import Unsynced

__all__ = ["CrashPoints", "CrashingDisk", "Loss", "Unsynced"]
