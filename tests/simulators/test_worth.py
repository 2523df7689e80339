"""What an event is worth: exactly what the engine would reward, where an amount is cut by a cap."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest

from engine.files import load
from simulators.deeds import Wait, deeds_of
from simulators.worth import Event, Worth

MEAN = 40.0
AT_ONCE = Wait(hold=timedelta(0), mean=timedelta(microseconds=1))


@pytest.mark.parametrize("limits", ["cap: 30", "cap: 30, range: [0, 500]", "range: [0, 30]", "range: [-30, 30]"])
def test_an_amount_is_cut_where_the_engine_cuts_it(limits):
    """The mean of min(X, c) / c of an exponential X with mean m is m (1 - exp(-c / m)) / c."""
    metric = f"{{paid: {{kind: revenue, window: 1d, {limits}}}}}"
    experiment = load(f"{{experiment: shop, variants: [a, b], metrics: {metric}, reward: {{paid: 1}}}}")
    paid = deeds_of(experiment, {"paid": MEAN})["paid"]
    low, high = experiment.reward_scale
    expected = (MEAN * (1 - math.exp(-30 / MEAN)) / 30 - low) / (high - low)
    worth = Worth(experiment, [Event((paid,), (AT_ONCE,))])
    assert worth.of([np.array([1.0])]) == pytest.approx(expected, abs=1e-12)
