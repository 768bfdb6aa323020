"""What a run of an agent may use, and has used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.errors import LimitReached


@dataclass(slots=True)
class Spent:
    """What an agent and those that it called have used in this run."""

    turns: int = 0
    tokens: int = 0
    cost: float = 0.0

    def add(self, usage: Mapping[str, Any]) -> None:
        """Count an answer."""
        self.turns += 1
        self.tokens += usage.get("tokens", 0)
        self.cost += usage.get("cost", 0.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run of an agent may use; None is as much as it likes.

    Attributes:
        turns: how often models are asked, those of agents that it calls included.
        tokens: how many tokens all answers may have used before the next is asked for.
        cost: the same of what they cost.
        mistakes: how often in a row a model may say what nobody can take.
    """

    turns: int | None = 50
    tokens: int | None = None
    cost: float | None = None
    mistakes: int = 3

    def check(self, spent: Spent, turn: int, mistakes: int) -> None:
        """Raise LimitReached unless the model may be asked once more."""
        for name, used, most in (
            ("turns", spent.turns, self.turns), ("tokens", spent.tokens, self.tokens), ("cost", spent.cost, self.cost),
        ):  # fmt: skip
            if most is not None and used >= most:
                raise LimitReached(
                    f"the agent has used {used:g} of {most:g} {name} after turn {turn}; raise its limit, and run it"
                    " again with the same run_id to go on"
                )
        if mistakes > self.mistakes:
            raise LimitReached(
                f"the model said {mistakes} times in a row what could not be taken; see the run's messages, and run it"
                " again with the same run_id to go on with a higher limit of mistakes"
            )
