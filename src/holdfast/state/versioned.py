"""`Versioned`: variables that are kept."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from holdfast.core.codec import Codec
from holdfast.engine.urls import open_engine
from holdfast.state.ground import EngineGround
from holdfast.state.rows import Name
from holdfast.state.working import WorkingCopy


class Versioned(MutableMapping[str, Any]):
    def __init__(self, source=None, *, branch="main", verify=False, **options):
        engine = open_engine(source or ":memory:", **options)
        self._copy = WorkingCopy(EngineGround(engine, branch, owns_engine=True), Codec(), verify=verify)
        self._namespace = ""

    def _name(self, key):
        return Name(self._namespace, key)

    def __getitem__(self, key):
        return self._copy.get(self._name(key))

    def __setitem__(self, key, value):
        self._copy.set(self._name(key), value)

    def __delitem__(self, key):
        self._copy.delete(self._name(key))

    def __iter__(self) -> Iterator[str]:
        return iter([n.key for n in self._copy.names(self._namespace)])

    def __len__(self):
        return len(self._copy.names(self._namespace))

    def __contains__(self, key):
        return self._copy.has(self._name(key))

    def commit(self, message="", metadata=None):
        return self._copy.commit(message, metadata)

    def close(self):
        self._copy.close()
