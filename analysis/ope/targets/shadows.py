"""The shadow policy: what it would have drawn from is logged beside what was drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from analysis.arrays import Flags, Floats, Ints, places
from analysis.document import Count
from analysis.logs.patterns import patterns
from analysis.logs.sources import LogSource
from analysis.ope.logged import Logged
from analysis.ope.stores.asking import opening
from analysis.texts import Text, text
from engine.columns import Coded
from engine.errors import InvalidRequest
from engine.randomness import ONE


@dataclass(frozen=True, slots=True, eq=False)
class Shadow:
    """Gives what the shadow would have drawn from, `eligible` and `distribution` of the rows `seq`, (n,) each.

    Each was fixed before its draw, whatever the shadow learned meanwhile.
    """

    seq: Ints
    eligible: Coded
    distribution: Coded
    since: ClassVar[int | None] = None

    @property
    def name(self) -> Text:
        """What it is called."""
        return text("ope.target.shadow")

    def only(self, log: Logged) -> Logged:
        """Return the draws of which a shadow's distribution is logged; how many others there are is told beside."""
        has = self._has(log)
        others = Count(int((~has).sum()), text("ope.target.no_shadow"))
        beside = (*log.beside, others) if others.n else log.beside
        return replace(log[has], left_out=log.left_out, beside=beside, n_open=log.n_open)

    def probabilities(self, log: Logged) -> Floats:
        """Return the shadow's distributions, (n, k).

        Raises:
            InvalidRequest: for some draw none is logged.
        """
        has = self._has(log)
        if not has.all():
            first = int(log.row[~has][0])
            raise InvalidRequest(f"the log has no shadow of {int((~has).sum())} draws, as row {first}: leave them out")
        at = places(log.row, self.seq)
        eligible, distribution = self.eligible.codes[at], self.distribution.codes[at]
        if all(isinstance(name, str) for name in log.variants):
            both = Coded(eligible, self.eligible.words), Coded(distribution, self.distribution.words)
            found = patterns(*both, log.variants)
            return np.asarray(found.probabilities[found.index])
        return np.asarray(_padded(self.distribution.words, log.k)[distribution])

    def _has(self, log: Logged) -> Flags:
        return np.asarray(places(log.row, self.seq) >= 0)


def shadow(log: str | Path | LogSource, experiment_id: str) -> Shadow:
    """Return the shadow policy of an experiment, by what is logged of it.

    Raises:
        InvalidRequest: no shadow is logged.
    """
    with opening(log)() as source:
        found = source.shadows(experiment_id)
    if not len(found["seq"]):
        raise InvalidRequest(f"no shadow of {experiment_id!r} is logged: name another policy")
    return Shadow(found["seq"], found["eligible"], found["distribution"])


def _padded(words: tuple[bytes, ...], k: int) -> Floats:
    """Return packed weights as probabilities of the first places of k, (n_words, k)."""
    found = np.zeros((len(words), k))
    for code, word in enumerate(words):
        weights = np.frombuffer(word, "<i8")[:k]
        found[code, : len(weights)] = weights / ONE
    return found
