"""Searches for words, as people write them: what is asked, as a tree of phrases.

What comes out is the same for all four ways to write one (`WordSyntax`). A phrase is handed to the index between
quotes, so that nothing in it is syntax there. And, or and not are computed from what the phrases find, so that no
combination is beyond the index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.core.types import ColumnType, Kind, encode
from holdfast.engine.contract import WordSyntax
from holdfast.errors import InvalidValue, Unsupported

CONFIGS: dict[str, tuple[str, ...]] = {"english": ("porter", "unicode61"), "simple": ("unicode61",)}
"""How a text index takes texts apart, by the name that PostgreSQL has for it."""

DEPTH_MAX = 50
PHRASES_MAX = 1_000
_TEXT = ColumnType(Kind.TEXT)

_STOP_WORDS = frozenset(
    """
    a an the i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers
    herself it its itself they them their theirs themselves this that these those who whom which what
    am is are was were be been being have has had having do does did doing can will just don should now s t
    and but if or because as until while of at by for with about against between into through during before after
    above below to from up down in out on off over under
    again further then once here there when where why how all any both each few more most other some such no nor not
    only own same so than too very
    """.split()  # noqa: SIM905 - a list that is read as a text
)
"""Words that "english" does not look for, as PostgreSQL does not; in a phrase they count."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that follow each other; the last one may be the beginning of a word."""

    text: str
    prefix: bool = False

    @property
    def quoted(self) -> str:
        """The phrase in the language of FTS5."""
        return '"' + self.text.replace('"', '""') + '"' + (" *" if self.prefix else "")


@dataclass(frozen=True, slots=True)
class All:
    """What all of the parts find."""

    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """What one of the parts finds."""

    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What the part does not find."""

    part: Query


Query = Phrase | All | Either | Not


class Reading:
    """How searches are read for one index.

    Args:
        config: one of `CONFIGS`.
        words: returns the words of a text, as a tokenizer takes it apart.
    """

    def __init__(self, config: str, words: Callable[[Sequence[str], str], list[str]]) -> None:
        self._stops = _STOP_WORDS if config == "english" else frozenset[str]()
        self._words = words
        self._phrases = 0

    def parsed(self, words: str, syntax: WordSyntax) -> Query | None:
        """Return what is asked; None if nothing is left of it, which finds nothing.

        Raises:
            InvalidValue: the text is not well formed, is too long, or could not be stored as TEXT.
            Unsupported: a part of it has no meaning here.
        """
        encode(words, _TEXT, f"{syntax}()")
        if syntax is WordSyntax.QUERY:
            return _Parser(words, self.phrase).parsed()
        if syntax is WordSyntax.PHRASE:
            return self.phrase(words, stops=False)
        if syntax is WordSyntax.WEB:
            return self._web(words)
        return _joined(All, [self.phrase(word) for word in words.split()])

    def phrase(self, text: str, *, stops: bool = True, prefix: bool = False) -> Query | None:
        """Return the phrase; None without a word in it or, if `stops`, with none but stop words."""
        self._phrases += 1
        if self._phrases > PHRASES_MAX:
            raise InvalidValue(f"a search has at most {PHRASES_MAX} words and phrases; this one has more")
        found = self._words(("unicode61",), text)
        if not found or (stops and all(word in self._stops for word in found)):
            return None
        return Phrase(text, prefix)

    def _web(self, words: str) -> Query | None:
        """OR binds less than the space between words, and means nothing where it joins nothing."""
        ways: list[list[Query | None]] = [[]]
        for minus, phrase, word in re.findall(r'(-?)(?:"([^"]*)"?|(\S+))', words):
            if word.lower() == "or" and not minus:
                ways.append([])
                continue
            found = self.phrase(word) if word else self.phrase(phrase, stops=False)
            ways[-1].append(Not(found) if minus and found else found)
        return _joined(Either, [_joined(All, way) for way in ways])


def _joined(kind: type[All | Either], parts: Sequence[Query | None]) -> Query | None:
    found = tuple(part for part in parts if part is not None)
    return kind(found) if len(found) > 1 else next(iter(found), None)


_TOKEN = re.compile(r"\s*(<->|<\d+>|[()&|!]|'(?:[^']|'')*'(?::[*A-Da-d]+)?|[^\s()&|!<':]+(?::[*A-Da-d]+)?)")


class _Parser:
    """to_tsquery: | binds least, then &, then <->, then !."""

    def __init__(self, text: str, phrase: Callable[..., Query | None]) -> None:
        self._text = text
        self._phrase = phrase
        self._tokens = self._split(text)
        self._at = 0
        self._depth = 0

    def _split(self, text: str) -> list[str]:
        tokens: list[str] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                raise self._refused(f"{text[at:].strip():.20} is not understood")
            tokens.append(found[1])
            at = found.end()
        return tokens

    def _refused(self, why: str) -> InvalidValue:
        return InvalidValue(
            f"to_tsquery({self._text!r:.100}): {why}; plainto_tsquery and websearch_to_tsquery take any text"
        )

    def parsed(self) -> Query | None:
        """Return the whole."""
        found = self._any() if self._tokens else None
        if self._at < len(self._tokens):
            raise self._refused(f"an operator (&, |, <->) is missing before {self._tokens[self._at]!r}")
        return found

    def _next_is(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _any(self) -> Query | None:
        parts = [self._all()]
        while self._next_is("|"):
            parts.append(self._all())
        return _joined(Either, parts)

    def _all(self) -> Query | None:
        parts = [self._following()]
        while self._next_is("&"):
            parts.append(self._following())
        return _joined(All, parts)

    def _following(self) -> Query | None:
        start = self._at
        found = self._one()
        texts = [self._tokens[start]]
        while self._at < len(self._tokens) and self._tokens[self._at].startswith("<"):
            if not self._next_is("<->"):
                raise Unsupported(
                    f"to_tsquery: {self._tokens[self._at]} is not supported; use <->, or & for any distance"
                )
            texts.append(self._tokens[self._at] if self._at < len(self._tokens) else "")
            self._one()
        if len(texts) == 1:
            return found
        words = [_word(text) for text in texts]
        if any(word is None for word in words) or any(word and word[1] for word in words[:-1]):
            raise Unsupported(
                "to_tsquery: <-> joins words here, and only the last of them may have :*; write it with &"
            )
        last = words[-1]
        return self._phrase(" ".join(word[0] for word in words if word), stops=False, prefix=bool(last and last[1]))

    def _one(self) -> Query | None:
        if self._at == len(self._tokens):
            raise self._refused("something is missing at its end")
        piece = self._tokens[self._at]
        self._at += 1
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._refused(f"it is nested deeper than {DEPTH_MAX}")
        found: Query | None
        if piece == "!":
            part = self._one()
            found = None if part is None else Not(part)
        elif piece == "(":
            found = self._any()
            if not self._next_is(")"):
                raise self._refused("a ) is missing")
        else:
            word = _word(piece)
            if word is None:
                raise self._refused(f"a word is missing before {piece!r}")
            found = self._phrase(word[0], prefix=word[1], stops=not piece.startswith("'") or " " not in word[0])
        self._depth -= 1
        return found


def _word(token: str) -> tuple[str, bool] | None:
    """Return the text of a word and whether it is a prefix; None for an operator."""
    if token[:1] in ("", "<", "(", ")", "&", "|", "!"):
        return None
    text, colon, flags = token.rpartition(":") if re.search(r":[*A-Da-d]+$", token) else (token, "", "")
    if colon and flags != "*":
        raise Unsupported(f"to_tsquery: weights such as :{flags} are not supported; a text has none here")
    if text.startswith("'"):
        text = text[1:-1].replace("''", "'")
    return text, bool(colon)
