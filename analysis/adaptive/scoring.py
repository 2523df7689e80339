"""AIPW scores: what each draw says of each variant, whatever was drawn.

    score_t(a) = m_t(a) + 1{a_t = a} * (y_t - m_t(a)) / p_t(a)

with m_t the model of earlier rows and p_t the logged distribution (Robins, Rotnitzky and Zhao 1994; for adaptive
logs Hadad, Hirshberg, Zhan, Wager and Athey 2021, PNAS 118(15)).

Why the score is fair whatever the policy learned, and however late outcomes come: take everything as given but the
number of draw t: what each variant would have brought in every row, and the draws and outcomes of all rows before t,
also those outcomes that came after draw t was made. The number of draw t is a keyed hash that depends on none of it, so
given all that the draw is still a with the probability p_t(a), which was fixed before, and m_t is fixed too, being made
of rows before t. So the score's expected value is what a would have brought, and score less that is a martingale
difference in the order of the log. Delays change nothing as long as a row's value is taken at a fixed age: which rows
are in (those whose window has closed) then depends on their times and not on what they were or brought.
What it does need is that a draw does not change what earlier rows bring.
"""

from __future__ import annotations

import numpy as np

from analysis.adaptive import models
from analysis.adaptive.drawn import Drawn
from analysis.arrays import Floats


def scores(drawn: Drawn, predicted: Floats) -> Floats:
    """Return the scores (n, n_variants) by the predictions (n, n_variants); of no use where it could not be drawn.

    >>> drawn = Drawn.of(np.array([0]), np.array([1.]), np.array([0]), np.array([[.25, .75]]))
    >>> scores(drawn, np.array([[.5, .5]])).tolist()
    [[2.5, 0.5]]
    """
    found = predicted.copy(order="K")
    rows = np.arange(len(drawn))
    found[rows, drawn.variant] += (drawn.values - predicted[rows, drawn.variant]) / drawn.propensity
    return found


def of(drawn: Drawn) -> Floats:
    """Return the scores (n, n_variants), with models of earlier rows."""
    return scores(drawn, models.predictions(drawn))


def effective_size(weights: Floats) -> float:
    """Return how many equal weights would say as much: (sum w)**2 / sum w**2 (Kish 1965); 0 for none.

    >>> effective_size(np.array([1., 1., 0.])), effective_size(np.array([9., 1.]))
    (2.0, 1.2195121951219512)
    """
    square = float((weights**2).sum())
    return float(weights.sum()) ** 2 / square if square else 0.0
