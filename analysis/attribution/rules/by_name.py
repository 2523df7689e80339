"""The rules of attribution by their names, each with its usual parameters."""

from __future__ import annotations

from typing import Final

from analysis.attribution.rules.base import Rule
from analysis.attribution.rules.markov import Markov
from analysis.attribution.rules.positional import First, Last, LastNonDirect, Linear, Position
from analysis.attribution.rules.shapley import ShapleyConversions, ShapleyRate
from analysis.attribution.rules.time_decay import TimeDecay
from engine.errors import InvalidRequest

_MADE: Final[tuple[Rule, ...]] = (
    First(),
    Last(),
    LastNonDirect(),
    Linear(),
    Position(),
    TimeDecay(),
    Markov(1),
    Markov(2),
    Markov(3),
    ShapleyConversions(),
    ShapleyRate(),
)

_BY_NAME: Final = {rule.name: rule for rule in _MADE}

RULES = tuple(_BY_NAME)
"""The names of all rules."""

DEFAULT = tuple(name for name in RULES if name not in ("markov_2", "markov_3"))
"""The rules that are asked where none are named: not the chains whose states grow with the touchpoints' power."""


def rule(name: str) -> Rule:
    """Return the rule of a name.

    Raises:
        InvalidRequest: there is none.

    >>> rule("markov_2")
    Markov(order=2)
    """
    if name not in _BY_NAME:
        raise InvalidRequest(f"there is no rule {name!r}: choose among {', '.join(RULES)}")
    return _BY_NAME[name]
