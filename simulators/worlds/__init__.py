"""Simulated worlds, each of which knows what every variant is worth for every visit; one world a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.errors import InvalidRequest
from simulators.environment import World
from simulators.worlds.articles import Articles
from simulators.worlds.by_chance import ByChance
from simulators.worlds.channels import Channels
from simulators.worlds.classified import Digits, Wine
from simulators.worlds.linear import Delayed, Linear, Logistic, Sparse
from simulators.worlds.rates import Bernoulli, Drifting, Indifferent, LateLoser
from simulators.worlds.storefront import Storefront

__all__ = [
    "WORLDS",
    "Articles",
    "Bernoulli",
    "ByChance",
    "Channels",
    "Delayed",
    "Digits",
    "Drifting",
    "Indifferent",
    "LateLoser",
    "Linear",
    "Logistic",
    "Sparse",
    "Storefront",
    "Wine",
    "make",
]

WORLDS: Mapping[str, Callable[[], World]] = {
    "storefront": Storefront,
    "bernoulli": Bernoulli,
    "linear": Linear,
    "logistic": Logistic,
    "sparse": Sparse,
    "drifting": Drifting,
    "delayed": Delayed,
    "indifferent": Indifferent,
    "late-loser": LateLoser,
    "articles": Articles,
    "channels": Channels,
    "digits": Digits,
    "wine": Wine,
}
"""The worlds by name."""


def make(name: str) -> World:
    """Return a new world of this name.

    Raises:
        InvalidRequest: there is none of this name, or what it needs is not installed.
    """
    if name not in WORLDS:
        raise InvalidRequest(f"there is no world {name!r}: there are {', '.join(WORLDS)}")
    return WORLDS[name]()
