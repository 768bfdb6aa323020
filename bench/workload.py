"""What is done with states, the same by whoever keeps them: Holdfast here, and each peer in its own process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any, Protocol

import numpy

ROUNDS = 50
"""How many steps of a conversation are compared, at its end and at the beginning of another."""

KEYS = 10_000
LARGE_BYTES = 50_000_000
ARRAY_BYTES = 20_000_000
TEXT_BYTES = 1_000_000
SMALL_DICTS = 100_000
PROSE = "\n\n".join(topics.values())
"""Half a megabyte of English: what messages are cut from."""

INSERTED = "0123456789"


class Kept(Protocol):
    """A state that is kept."""

    def get(self, key: str) -> Any:  # noqa: ANN401
        """Return the value of a key."""
        ...

    def set(self, key: str, value: object) -> None:
        """Let a key have a value."""
        ...

    def changed(self, key: str, value: object) -> None:
        """Tell that a value was changed in place, if that has to be told."""
        ...

    def commit(self) -> None:
        """Keep what changed."""
        ...

    def close(self) -> None:
        """Give back what this holds."""
        ...


def exchange(number: int) -> list[dict[str, str]]:
    """Return two messages of a conversation, of 1 to 2 KB."""
    at = number * 7919 % (len(PROSE) - 4_000)
    asked, answered = 1_000 + number * 37 % 400, 1_600 + number * 53 % 400
    return [
        {"role": "user", "content": PROSE[at : at + asked]},
        {"role": "assistant", "content": PROSE[at + asked : at + asked + answered]},
    ]


def live_bytes(steps: int) -> int:
    """Return how long the JSON text of a conversation is after some steps."""
    messages = [message for number in range(steps) for message in exchange(number)]
    state = {"messages": messages, "step": steps - 1}
    return len(json.dumps(state, separators=(",", ":"), ensure_ascii=False).encode())


def large_array(size: int) -> Any:  # noqa: ANN401
    """Return an array of random numbers of so many bytes."""
    return numpy.random.default_rng(1).standard_normal(size // 8)


def a_value(number: int) -> dict[str, object]:
    """Return a value of some hundred bytes."""
    return {"number": number, "text": PROSE[number % 100_000 :][:120]}


class Works:
    """The works, each on a state of its own in a folder.

    Args:
        opened: opens a state in a folder, or makes it there.
        steps: how long a conversation gets.
    """

    def __init__(self, opened: Callable[[Path], Kept], folder: Path, steps: int) -> None:
        self._opened = opened
        self._folder = folder
        self._steps = steps
        self._open: dict[str, Kept] = {}
        self._next: dict[str, int] = {}
        self.works: dict[str, Callable[[int], object]] = {
            "grow": self.grow,
            "late step": lambda _: self.step("long"),
            "early step": lambda _: self.step("short"),
            "reopen": self.reopen,
            "one of many": self.one_of_many,
            "open many": self.open_many,
            "untouched bytes": lambda number: self.untouched("bytes", number),
            "untouched array": lambda number: self.untouched("array", number),
            "untouched list": lambda number: self.untouched("list", number),
            "element": self.element,
            "text": self.text,
            "close": self.close,
        }

    def folder(self, name: str) -> Path:
        return self._folder / name

    def state(self, name: str, fill: Callable[[Kept], object]) -> Kept:
        """Return the state of a name; the first time it is made, and filled, which the round to warm up pays."""
        if name not in self._open:
            there = self.folder(name).exists()
            self.folder(name).mkdir(exist_ok=True)
            self._open[name] = self._opened(self.folder(name))
            if not there:
                fill(self._open[name])
                self._open[name].commit()
        return self._open[name]

    def close(self, _: int = 0) -> None:
        """Close all states."""
        while self._open:
            self._open.popitem()[1].close()

    # A conversation

    def step(self, name: str) -> None:
        number = self._next[name] = self._next.get(name, -1) + 1
        state = self.state(name, lambda state: state.set("messages", []))
        messages = state.get("messages")
        messages.extend(exchange(number))
        state.changed("messages", messages)
        state.set("step", number)
        state.commit()

    def grow(self, _: int) -> None:
        for _ in range(self._steps - ROUNDS - 1):
            self.step("long")

    def reopen(self, _: int) -> None:
        """Open a conversation that is closed, and read it."""
        state = self._opened(self.folder("long"))
        assert state.get("messages")[-1] == exchange(self._steps - 1)[-1]
        state.close()

    # Many keys

    @staticmethod
    def _fill_many(state: Kept) -> None:
        for number in range(KEYS):
            state.set(f"key{number}", a_value(number))

    def one_of_many(self, number: int) -> None:
        state = self.state("many", self._fill_many)
        state.set(f"key{number * 97 % KEYS}", a_value(number + 1))
        state.commit()

    def open_many(self, _: int) -> None:
        state = self._opened(self.folder("many"))
        assert state.get("key7") == a_value(7)
        state.close()

    # Large values

    def untouched(self, kind: str, number: int) -> None:
        """Read a value, and commit something else."""
        state = self.state(kind, lambda state: state.set("value", LARGE[kind]()))
        assert len(state.get("value"))
        state.set("step", number)
        state.commit()

    def element(self, number: int) -> None:
        state = self.state("element", lambda state: state.set("value", large_array(ARRAY_BYTES)))
        array = state.get("value")
        array[number * 10_007 % len(array)] = number
        state.changed("value", array)
        del array
        state.commit()

    def text(self, number: int) -> None:
        state = self.state("text", lambda state: state.set("value", (PROSE * 3)[:TEXT_BYTES]))
        text: str = state.get("value")
        at = number * 10_007 % len(text)
        state.set("value", text[:at] + INSERTED + text[at:])
        state.commit()


LARGE: dict[str, Callable[[], Any]] = {
    "bytes": lambda: numpy.random.default_rng(1).bytes(LARGE_BYTES),
    "array": lambda: large_array(LARGE_BYTES),
    "list": lambda: [{"number": at, "name": f"item {at}", "done": False} for at in range(SMALL_DICTS)],
}
