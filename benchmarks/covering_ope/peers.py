"""What others say of the same log's value: their formulas, written out.

- the normal interval of IPS: mean of w r, and its standard error as if draws were alike;
- obp's bootstrap interval of SNIPS (Saito et al. 2021, Open Bandit Pipeline; `estimate_interval`): the means of
  w r / mean(w), drawn again, and their percentiles. The denominator is not drawn again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from covering_ope.drawing import Made
from covering_ope.worlds import Floats

N_SAMPLES = 200


@dataclass(frozen=True)
class Peer:
    """Whether an interval misses the true value, and its width."""

    misses: bool
    width: float


def asked(drawn: Made, seed: int) -> dict[str, Peer]:
    """Return each peer's answer."""
    place = np.arange(len(drawn)), drawn.log.variant
    weight = drawn.target[place] / drawn.log.propensity
    gain, truth = weight * drawn.log.reward, drawn.truth("value")
    found = {"IPS, normal": ips(gain), "SNIPS, obp's bootstrap": snips(gain / weight.mean(), seed)}
    return {name: Peer(not low <= truth <= high, high - low) for name, (low, high) in found.items()}


def ips(gain: Floats) -> tuple[float, float]:
    """Return the normal interval of a mean."""
    reach = 1.959964 * gain.std(ddof=1) / np.sqrt(len(gain))
    return float(gain.mean() - reach), float(gain.mean() + reach)


def snips(each: Floats, seed: int) -> tuple[float, float]:
    """Return obp's interval: percentiles of means that were drawn again."""
    rng, n = np.random.default_rng(seed), len(each)
    means = [each[rng.integers(0, n, n)].mean() for _ in range(N_SAMPLES)]
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)
