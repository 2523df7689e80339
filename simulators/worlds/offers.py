"""What requests bring along where an experiment takes candidates: a few of a stock whose members come and go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from numpy.random import Generator

from engine.clock import EPOCH
from engine.experiments import Experiment
from engine.records import Candidate
from simulators import made_up
from simulators.environment import Visit

_N_OFFERED = 10
_N_IN_STOCK = 30
_STAYS = timedelta(days=15)
"""How long each is in stock; they come one after the other."""


class Stock:
    """Articles with the features that an experiment declares of candidates; the same name always has the same ones."""

    def __init__(self, experiment: Experiment) -> None:
        self._fields = experiment.candidates
        self._n_offered = max(_N_OFFERED, 2 * experiment.slots)
        self._n_in_stock = max(_N_IN_STOCK, 3 * self._n_offered)
        self._between = _STAYS / self._n_in_stock
        self._articles: dict[int, Candidate] = {}

    def offered(self, visit: Visit, rng: Generator) -> Sequence[Candidate]:
        """Return ten articles, or twice as many as there are slots; none where the experiment takes no candidates."""
        if self._fields is None:
            return ()
        oldest = (visit.at - EPOCH) // self._between
        places: list[int] = rng.permutation(self._n_in_stock)[: self._n_offered].tolist()
        return [self._article(oldest + place) for place in places]

    def _article(self, number: int) -> Candidate:
        found = self._articles.get(number)
        if found is None:
            name = f"article-{number}"
            features = {field.name: made_up.value(field, name) for field in self._fields or ()}
            found = self._articles[number] = Candidate(name, features)
        return found
