"""Predictions by earlier draws alone, in the order of the log: for adaptive logs, and for those that are read once.

As `analysis.adaptive.models` does it: at first means of the draws before each, and from draw 256 on models that are
refitted at draws that double, each of which predicts the draws up to the next. A slate stays in one piece.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.adaptive.models import FIRST, MeansSoFar
from analysis.arrays import Floats
from analysis.ope.logged import Logged
from analysis.ope.models.base import Fitted, RewardModel
from analysis.ope.models.rows import Names
from analysis.texts import Text, text


class Earlier:
    """Predicts each draw by what came before it; what it keeps is bounded.

    A block is cut where a model is refitted. So each piece is learned as soon as it was predicted, and `learn` sees
    only blocks that were not.
    """

    def __init__(self, model: RewardModel) -> None:
        self._model = model
        self._memory = model.memory()
        self._means = _Means()
        self._fitted: Fitted | None = None
        self._n_seen = 0
        self._refit_at = FIRST
        self._last: tuple[Logged, Floats] | None = None

    @property
    def name(self) -> Text:
        """By which model, and from which draws."""
        return text("ope.model.by_earlier", model=self._model.name)

    def predict(self, block: Logged) -> Floats:
        """Return the reward that is expected of each variant, (n, k), each row by earlier rows alone."""
        if self._last is None or self._last[0] is not block:
            self._last = block, self._predicted(block)
        return self._last[1]

    def learn(self, block: Logged) -> None:
        """See a block; one that was predicted has been seen."""
        self.predict(block)
        self._last = None

    def _predicted(self, block: Logged) -> Floats:
        found, start = [], 0
        for stop in self._cuts(block):
            piece = block[start:stop]
            found.append(self._of(piece))
            self._memory.add(piece)
            start = stop
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _cuts(self, block: Logged) -> Iterator[int]:
        """Yield where pieces of a block end; refit in between, once all before the cut was seen."""
        begin = self._n_seen
        self._n_seen += len(block)
        while self._refit_at < self._n_seen:
            cut = _slate_start(block, self._refit_at - begin)
            yield cut
            self._fitted = self._memory.fitted()
            self._refit_at *= 2
        yield len(block)

    def _of(self, piece: Logged) -> Floats:
        return self._means.before(piece) if self._fitted is None else self._fitted.predict(piece)


class _Means:
    """The means of variants so far, by name."""

    def __init__(self) -> None:
        self._names = Names()
        self._means = MeansSoFar(0)

    def before(self, log: Logged) -> Floats:
        """Return the means before each of these draws, (n, k), and take the draws in."""
        self._names.meet(log)
        self._means.widen(self._names.k)
        places = self._names.places(log)
        found = self._means.before(places[log.variant], log.reward)
        return found if np.array_equal(places, np.arange(self._names.k)) else found[:, places]


def _slate_start(block: Logged, place: int) -> int:
    """Return the place of the first draw of the slate that a draw is in."""
    return int(np.flatnonzero(block.slate[: place + 1] == block.slate[place])[0])
