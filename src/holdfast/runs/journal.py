"""The journal of a run that was entered: what is recorded, what was asked of it, and what comes next."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from holdfast.errors import InputMismatch
from holdfast.runs.tables import (
    ANSWERS,
    COMPLETE,
    CREATED,
    FAILED,
    STEP_DONE,
    STEP_FAILED,
    STEP_INTENT,
    SUSPENDED,
    Entry,
    label_of,
)

Asked = tuple[str, str]
"""The family of what was asked ("step", "wait", "sleep") and its name."""


class Question(msgspec.Struct, frozen=True):
    """Something that a run asks for.

    Attributes:
        family: "step", "wait" or "sleep".
        name: of the step or the signal.
        key: that of the caller, or of the how manieth of this name it is, such as "#2".
        given: whether the caller gave the key.
        digest: of what it is given.
        aside: whether it is asked beside others, so that "how manieth" says little.
        final: whether its last failure is an answer in any case: it is told to a model, or was allowed once.
    """

    family: str
    name: str
    key: str
    given: bool
    digest: str
    aside: bool = False
    final: bool = False

    @property
    def label(self) -> str:
        """How people name it."""
        return label_of(self.name, self.key)


class Journal:
    """What is recorded of a run, and what was asked so far. It is not safe to share by threads: the run has a lock.

    Args:
        entries: all of them, in order.
    """

    def __init__(self, run_id: str, entries: Iterable[Entry]) -> None:
        self.run_id = run_id
        self.seq = 0
        self.number = 0
        self.begun: Entry | None = None  # the first entry: of a fork that of the run that it goes on from
        self.created: Entry | None = None
        self.last: Entry | None = None
        self._answers: dict[Asked, dict[str, Entry]] = {}
        self._intents: dict[tuple[str, str], Entry] = {}
        self._suspensions: dict[tuple[str | None, str, str], Entry] = {}
        self._failed: dict[tuple[str, str], Entry] = {}
        self._ends: list[Entry] = []
        self._failures: Counter[tuple[str, str]] = Counter()
        self._tickets: Counter[Asked] = Counter()
        self._taken: dict[Asked, set[str]] = {}
        self._lowest: dict[Asked, int] = {}
        self.answered_last = 0
        self._suspended_last = 0
        self.add(entries)
        self._unasked: dict[tuple[Asked, str], deque[str]] = {}
        """Of what is recorded without a key of the caller's the keys, by the input: those first that were first."""
        for asked, answers in self._answers.items():
            for key, entry in answers.items():
                if key[0] == "#":
                    self._unasked.setdefault((asked, entry.digest or ""), deque()).append(key)

    def add(self, entries: Iterable[Entry]) -> None:
        """Take note of entries that are recorded."""
        for entry in entries:
            self.seq = entry.seq
            self.number = max(self.number, entry.number or 0)
            self.begun = self.begun or entry
            self.last = entry
            if entry.kind == CREATED:
                self.created = entry
            elif entry.kind in (FAILED, COMPLETE):
                self._ends.append(entry)
            elif entry.kind == SUSPENDED:
                self._suspended_last = entry.seq
            if entry.name is not None and entry.key is not None:
                self._add_asked(entry, entry.name, entry.key)

    def _add_asked(self, entry: Entry, name: str, key: str) -> None:
        """Take note of an entry that says what became of something that was asked for."""
        at = name, key
        if entry.kind in ANSWERS:
            self._answers.setdefault((entry.family, name), {})[key] = entry
            self.answered_last = entry.seq
        if entry.kind == SUSPENDED:
            self._suspensions.setdefault((entry.effect, *at), entry)
        elif entry.kind == STEP_INTENT:
            self._intents[at] = entry
        elif entry.kind in (STEP_DONE, STEP_FAILED):
            self._intents.pop(at, None)
            self._failed.pop(at, None)
            if entry.kind == STEP_FAILED:
                self._failures[at] += 1
                if entry.form is not None:  # it was the last attempt
                    self._failed[at] = entry

    def numbered(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return entries with the numbers that they have if they are written next."""
        numbered: list[Entry] = []
        number = self.number
        for at, entry in enumerate(entries, 1):
            number += entry.kind == STEP_DONE
            numbered.append(replace(entry, seq=self.seq + at, number=number if entry.kind == STEP_DONE else None))
        return numbered

    def ticket(self, family: str, name: str) -> int:
        """Return how often this was asked, this time included."""
        self._tickets[family, name] += 1
        return self._tickets[family, name]

    def follow(self, other: Journal) -> None:
        """Take all for asked that was asked of another run."""
        self._tickets = Counter(other._tickets)
        self._taken = {asked: set(keys) for asked, keys in other._taken.items()}

    def skip_all(self) -> None:
        """Take all that is recorded for asked: what is asked next is new."""
        for asked, answers in self._answers.items():
            self._taken[asked] = set(answers)
            self._tickets[asked] = len(answers)

    def find(self, question: Question, *, lenient: bool = False) -> tuple[Question, Entry | None]:
        """Return what answers a question, and the question with the key that it has from now on.

        Without a key of the caller's that is the one with the same input that was asked as the how manieth, else the
        first one with the same input that was not asked for yet.

        Args:
            lenient: whether what is recorded with another input answers, too.

        Raises:
            InputMismatch: it is recorded with another input.
        """
        asked = question.family, question.name
        answers, taken = self._answers.get(asked, {}), self._taken.setdefault(asked, set())
        entry = answers.get(question.key)
        if not question.given:
            if entry is None or entry.digest != question.digest or question.key in taken:
                same = self._same(asked, question.digest, taken)
                if same is not None:
                    question, entry = replace(question, key=same), answers[same]
            if entry is not None and (question.key in taken or (question.aside and entry.digest != question.digest)):
                entry = None
            if entry is None:
                question = self._fresh(question, answers, taken)
        intent = self._intents.get((question.name, question.key)) if question.family == "step" else None
        recorded = entry or intent
        if recorded is not None and recorded.digest != question.digest and not lenient:
            raise InputMismatch(
                f"{question.family} {question.label!r} of run {self.run_id!r} is recorded with another input; what it"
                " was given is in steps(). Give the step a key of its own, options(key=…), fork the run before it"
                ' (on_change="fork"), or take what is recorded (on_change="warn")',
                recorded.number,
            )
        taken.add(question.key)
        return question, entry or self._caught(question)

    def _same(self, asked: Asked, digest: str, taken: set[str]) -> str | None:
        """Return the key of the first one with the same input that was not asked for yet."""
        keys = self._unasked.get((asked, digest))
        while keys and keys[0] in taken:
            keys.popleft()
        return keys[0] if keys else None

    def _fresh(self, question: Question, answers: dict[str, Entry], taken: set[str]) -> Question:
        """Return a question with the lowest number that none of its name has."""
        asked = question.family, question.name
        at = self._lowest.get(asked, 1)
        while f"#{at}" in answers or f"#{at}" in taken:
            at += 1
        self._lowest[asked] = at
        return replace(question, key=f"#{at}")

    def is_answered(self, family: str, name: str, key: str) -> bool:
        """Tell whether something is recorded."""
        return key in self._answers.get((family, name), ())

    def intent(self, question: Question) -> Entry | None:
        """Return the entry that says that a step was about to be done, if nothing says what became of it."""
        return self._intents.get((question.name, question.key))

    def suspension(self, question: Question) -> Entry | None:
        """Return the entry that says that the run began to wait for this."""
        return self._suspensions.get((question.family, question.name, question.key))

    def _caught(self, question: Question) -> Entry | None:
        """Return the failure of a step that the run's function has caught, and gone on: something is recorded after it.

        That may be that the run waits for something else.

        One that ended the run, which says so in the same words, may be tried again.
        """
        failed = self._failed.get((question.name, question.key)) if question.family == "step" else None
        if failed is None or (question.name, question.key) in self._intents:
            return None
        if question.final:
            return failed
        later = [entry for entry in self._ends if entry.seq > failed.seq]
        if any(entry.kind == FAILED and entry.error == failed.error for entry in later):
            return None
        last = max(self.answered_last, self._suspended_last)
        is_passed = last > failed.seq or any(entry.kind == COMPLETE for entry in later)
        return failed if is_passed else None

    def in_doubt(self) -> dict[str, Entry]:
        """Return the intents of the steps of which nobody knows whether they happened, by their labels."""
        return {label_of(name, key): entry for (name, key), entry in self._intents.items()}

    def failures(self, question: Question) -> int:
        """Return how often a step failed."""
        return self._failures[question.name, question.key]

    def unused(self) -> list[str]:
        """Return what is recorded and was not asked for, by its labels."""
        return [
            label_of(name, key)
            for (family, name), answers in self._answers.items()
            for key in answers
            if key not in self._taken.get((family, name), ())
        ]
