"""Key-value stores as users write them, and some that go wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from holdfast.engine.kv import KVStore, Memory


class SixMethods(KVStore):
    """What a user has to write, and not a method more."""

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}

    def get(self, key: str) -> bytes | None:
        return self.entries.get(key)

    def set(self, key: str, value: bytes) -> None:
        self.entries[key] = value

    def get_many(self, *keys: str) -> Mapping[str, bytes]:
        return {key: self.entries[key] for key in keys if key in self.entries}

    def set_many(self, **values: bytes) -> None:
        self.entries.update(values)

    def items(self) -> Iterable[tuple[str, bytes]]:
        return list(self.entries.items())

    def __contains__(self, key: object) -> bool:
        return key in self.entries


class Counting(Memory):
    """Counts the nodes and bytes that are written."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes = self.bytes = self.calls = 0

    def set_many(self, **values: bytes) -> None:
        self.calls += 1
        self.nodes += sum(key.startswith("hf/n/") for key in values)
        self.bytes += sum(len(key) + len(value) for key, value in values.items())
        super().set_many(**values)

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        self.bytes += len(value)
        return super().compare_and_set(key, expected, value)


class BrokenError(Exception):
    """What a store of somebody else's raises."""


class Failing(Memory):
    """Fails half way through the call that is given by its number, counted from 1 since `fail_at` was set."""

    def __init__(self) -> None:
        super().__init__()
        self.fail_at = 0

    def _count(self) -> bool:
        self.fail_at -= 1
        return self.fail_at == 0

    def set_many(self, **values: bytes) -> None:
        if self._count():
            super().set_many(**dict(list(values.items())[: len(values) // 2]))
            raise BrokenError("half way")
        super().set_many(**values)

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes) -> bool:
        if self._count():
            raise BrokenError("not reached")
        return super().compare_and_set(key, expected, value)
