"""Operations on containers, done to one of a state and to its model alike."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.property.state_values import ELEMENTS, KEYS, plain, unaliased, value_of

Draws = tuple[int, int, Any, Any, Any]
"""Two indexes, a value, a key and an element."""


def drawn(choose: random.Random) -> Draws:
    """Draw what an operation needs."""
    places = choose.randint(-6, 6), choose.randint(-6, 6)
    return (*places, value_of(choose, 1), choose.choice(KEYS), choose.choice(ELEMENTS))


Act = Callable[[Any, Draws], object]


def _cut(value: list[Any], draws: Draws) -> None:
    del value[draws[0] : draws[1]]


def _replace_slice(value: list[Any], draws: Draws) -> None:
    value[draws[0] : draws[1]] = [draws[2], draws[4]]


def _every_other(value: list[Any], draws: Draws) -> None:
    if draws[0] % 2:
        value[::2] = value[::-2] if len(value) % 2 else value[::2]
    else:
        del value[1::2]


def _set_item(value: list[Any], draws: Draws) -> None:
    if value:
        value[draws[0] % len(value)] = draws[2]


def _del_item(value: list[Any], draws: Draws) -> None:
    if value:
        del value[draws[0] % len(value)]


def _remove(value: list[Any], draws: Draws) -> None:
    item = value[draws[0] % len(value)] if value else None
    if type(item) in (str, int):  # in others there may be NaN, which is equal to itself in memory alone
        value.remove(item)


def _times(value: list[Any], draws: Draws) -> None:
    if len(value) < 8 or draws[0] <= 0:
        value *= max(draws[0], 0) % 3


def _add_all(value: list[Any], draws: Draws) -> None:
    value += [draws[2], None]


def _swap(value: list[Any], draws: Draws) -> None:
    if value:
        i, j = draws[0] % len(value), draws[1] % len(value)
        value[i], value[j] = value[j], value[i]


LIST_ACTS: Sequence[Act] = (
    lambda value, draws: value.append(draws[2]),
    lambda value, draws: value.extend([draws[4], draws[2]]),
    lambda value, draws: value.insert(draws[0], draws[2]),
    lambda value, draws: value.pop(draws[0] % len(value)) if value else None,
    lambda value, _: value.pop() if value else None,
    lambda value, _: value.sort(key=lambda item: len(repr(item))),
    lambda value, _: value.reverse(),
    lambda value, _: value.clear(),
    _cut, _replace_slice, _every_other, _set_item, _del_item, _remove, _times, _add_all, _swap,
)  # fmt: skip


def _reinsert(value: dict[Any, Any], draws: Draws) -> None:
    if value:
        key = list(value)[draws[0] % len(value)]
        value[key] = value.pop(key)


def _rename(value: dict[Any, Any], draws: Draws) -> None:
    if value:
        value[draws[3]] = value.pop(list(value)[draws[0] % len(value)])


def _pop_last_and_back(value: dict[Any, Any], draws: Draws) -> None:
    if value:
        key, item = value.popitem()
        value.pop(draws[3], None)
        value[draws[3]] = draws[2]
        value[key] = item


def _edit_text(value: Any, draws: Draws) -> None:
    """Edit the first text or bytes that are long in the middle, in several places."""
    for at in list(value) if isinstance(value, dict) else range(len(value)):
        text = value[at]
        if isinstance(text, (str, bytes)) and len(text) > 1_000:
            middle: Any = "*" * 9 if isinstance(text, str) else b"*" * 9
            place = (draws[0] + 6) * len(text) // 13
            value[at] = text[:place] + middle + text[place + (draws[1] + 6) * 3_000 :] + middle
            return


DICT_ACTS: Sequence[Act] = (
    lambda value, draws: value.__setitem__(draws[3], draws[2]),
    lambda value, draws: value.setdefault(draws[3], draws[2]),
    lambda value, draws: value.pop(draws[3], None),
    lambda value, _: value.popitem() if value else None,
    lambda value, draws: value.update({draws[3]: draws[2], "z": draws[4]}),
    lambda value, draws: value.update(z=draws[2]),
    lambda value, draws: value.__ior__({draws[3]: draws[2]}),
    lambda value, draws: value.clear() if draws[0] > 3 else None,
    _reinsert, _rename, _pop_last_and_back, _edit_text,
)  # fmt: skip

SET_ACTS: Sequence[Act] = (
    lambda value, draws: value.add(draws[4]),
    lambda value, draws: value.discard(draws[4]),
    lambda value, draws: value.update({draws[4], "z"}),
    lambda value, draws: value.__ixor__({draws[4], "a"}),
    lambda value, draws: value.__iand__({draws[4], "a", "b"}),
    lambda value, draws: value.__isub__({draws[4]}),
    lambda value, _: value.clear(),
)

_ACTS: dict[type, Sequence[Act]] = {list: (*LIST_ACTS, _edit_text), dict: DICT_ACTS, set: SET_ACTS}

SIZE_MAX = 400
"""How many parts a value may have; a larger one is cleared."""


def both(real: Any, model: Any, choose: random.Random) -> None:
    """Do the same to both; what is put into them is no object of the other's."""
    act, draws = choose.choice(_ACTS[plain(model)]), drawn(choose)
    act(real, unaliased(draws))
    act(model, unaliased(draws))


def walk(real: Any, model: Any, choose: random.Random) -> tuple[Any, Any] | None:
    """Return a container at some depth of both; None if there is none."""
    if plain(model) not in _ACTS:
        return None
    while choose.random() < 0.75:
        places: list[Any] = [] if plain(model) is set else list(model if plain(model) is dict else range(len(model)))
        places = [at for at in places if plain(model[at]) in _ACTS]
        if not places:
            break
        at = choose.choice(places)
        real, model = real[at], model[at]
    return real, model
