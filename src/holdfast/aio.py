"""The async twin of `holdfast`: `async with holdfast.aio.connect(url) as db: await db.execute(…)`.

See `holdfast.store.aio` for what cancelling a call means, and to whom a transaction belongs.
"""

from holdfast.store.aio import Store, connect
from holdfast.store.aio_copying import copy
from holdfast.store.aio_runs import Run

__all__ = ["Run", "Store", "connect", "copy"]
