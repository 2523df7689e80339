"""The Open Bandit sample: real logs of two policies, and estimates that are the formulas' to 1e-12."""

import csv
from pathlib import Path

import numpy as np
import pytest

from analysis.ope.estimators.clipped import Clipped
from analysis.ope.estimators.dm import Dm
from analysis.ope.estimators.dr import Dr
from analysis.ope.estimators.dros import DrOs
from analysis.ope.estimators.ips import Ips
from analysis.ope.estimators.layout import Layout
from analysis.ope.estimators.sndr import Sndr
from analysis.ope.estimators.snips import Snips
from analysis.ope.estimators.sub_gaussian import SubGaussian
from analysis.ope.estimators.switch_dr import SwitchDr
from analysis.ope.logged import Logged
from analysis.ope.weighed import weighed
from tests.analysis.ope.estimators.making import names

DATA = Path(__file__).parents[5] / "shared" / "data" / "obd"
ITEMS = 34
SLOTS = 3
SAMPLES = 20_000

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the Open Bandit sample is not beside the repository")


def logged(policy):
    """Return the log of the men's campaign, and each row's position, 0 to 2."""
    with (DATA / policy / "men.csv").open() as lines:
        rows = [
            [float(row[name]) for name in ("item_id", "click", "propensity_score", "position")]
            for row in csv.DictReader(lines)
        ]
    item, click, propensity, position = np.array(rows).T
    whole = np.full((len(rows), ITEMS), 1 / ITEMS) if policy == "random" else None
    log = Logged.of(names(ITEMS), item.astype(np.int64), click, propensity, probabilities=whole)
    return log, position.astype(np.int64) - 1


def prior():
    """Return alpha and beta of each item in the men's campaign, (34,) each."""
    found, campaign, side = {}, "", ""
    for line in (DATA / "prior_bts.yaml").read_text().splitlines():
        word = line.strip()
        if word.startswith("- "):
            found[campaign, side].append(float(word[2:]))
        elif line.startswith(" "):
            side = word.rstrip(":")
            found[campaign, side] = []
        else:
            campaign = word.rstrip(":")
    return np.array(found["men", "alpha"]), np.array(found["men", "beta"])


def thompson():
    """Return how often Thompson sampling by the prior has each item in each position, (3, 34), from 20,000 draws."""
    alpha, beta = prior()
    draws = np.random.default_rng(12345).beta(alpha, beta, (SAMPLES, ITEMS))
    ranked = np.argsort(-draws, axis=1)[:, :SLOTS]
    return np.stack([np.bincount(ranked[:, place], minlength=ITEMS) for place in range(SLOTS)]) / SAMPLES


def predictions(log, position):
    """Return the click rate of each item in each position with one pseudo-click in a hundred, by row, (n, 34)."""
    cell = position * ITEMS + log.variant
    clicks, n = (np.bincount(cell, each, SLOTS * ITEMS) for each in (log.reward, None))
    return ((clicks + 1) / (n + 100)).reshape(SLOTS, ITEMS)[position]


def formulas(log, target, q):
    rows = np.arange(len(log))
    r, w = log.reward, target[rows, log.variant] / log.propensity
    own, mean = q[rows, log.variant], np.average(q, weights=target, axis=1)
    return {
        Ips(): (r * w).mean(),
        Snips(): (r * w / w.mean()).mean(),
        Clipped(5.0): (r * np.minimum(w, 5.0)).mean(),
        SubGaussian(0.1): (r * w / (0.9 + 0.1 * w)).mean(),
        Dm(): mean.mean(),
        Dr(): (mean + w * (r - own)).mean(),
        Sndr(): (mean + w * (r - own) / w.mean()).mean(),
        SwitchDr(5.0): (mean + w * (w <= 5.0) * (r - own)).mean(),
        DrOs(25.0): (mean + 25.0 * w / (w**2 + 25.0) * (r - own)).mean(),
    }


def targets(position):
    return {"thompson": thompson()[position], "uniform": np.full((len(position), ITEMS), 1 / ITEMS)}


@pytest.mark.parametrize(("policy", "target"), [("random", "thompson"), ("bts", "uniform"), ("random", "uniform")])
def test_estimates_are_the_formulas(policy, target):
    log, position = logged(policy)
    pi, q = targets(position)[target], predictions(log, position)
    expected = formulas(log, pi, q)
    layout = Layout.of(*expected)
    totals = None
    for start in range(0, len(log), 3_000):
        rows = slice(start, start + 3_000)
        found = layout.totals(weighed(log[rows], pi[rows], q[rows]))
        totals = found if totals is None else totals + found
    for estimator, number in expected.items():
        assert layout.value(estimator, totals) == pytest.approx(number, rel=1e-12, abs=1e-12)


def test_both_logs_are_read_whole():
    for policy, clicks in (("random", 46), ("bts", 69)):
        log, _ = logged(policy)
        assert (len(log), int(log.reward.sum())) == (10_000, clicks)


def test_of_a_uniform_target_the_random_log_says_what_it_earned():
    log, position = logged("random")
    part = weighed(log, targets(position)["uniform"])
    assert part.weight == pytest.approx(np.ones(10_000), rel=1e-12)
    assert Layout.of(Ips()).totals(part).mean[0] == pytest.approx(log.reward.mean(), rel=1e-12)
