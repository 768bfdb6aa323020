"""State: the values that an agent keeps, over any branch.

`from holdfast.state import Versioned, Live, events` works as `from holdfast import …` does.
"""

from __future__ import annotations

from holdfast.engine.kv import KVStore
from holdfast.state.differences import StateDiff
from holdfast.state.live import Live
from holdfast.state.objects.counter import Counter
from holdfast.state.rows.log import ActionEvent, Event
from holdfast.state.variables import State, events
from holdfast.state.versioned import Versioned
from holdfast.state.view import view

__all__ = ["ActionEvent", "Counter", "Event", "KVStore", "Live", "State", "StateDiff", "Versioned", "events", "view"]
