"""Estimates beside those of obp 0.5.7 (obp/ope/estimators.py), with the same predictions: equal to 1e-12.

Its formulas are written out here by its names. A round has one action at one position; whatever has three axes is by
round, action and position.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from analysis import ope
from analysis.ope.doors import obp, open_bandit
from analysis.ope.estimators import (
    Clipped,
    ClippedDr,
    Dm,
    Dr,
    DrOs,
    Ips,
    Replay,
    Sndr,
    Snips,
    SubGaussian,
    SubGaussianDr,
    SwitchDr,
)
from analysis.ope.weighed import weighed
from analysis.texts import text
from engine.errors import InvalidRequest
from tests.analysis.ope.estimators.making import DATA

LEVELS = [0.0, 1.0, 10.0, 100.0, np.inf]
SHARES = [0.0, 0.05, 0.5, 0.99, 1.0]


def quotient(above, below):
    """Return a weight: obp divides 0 by 0 where it is 0 and levels are at their end, and has no estimate then."""
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)


@dataclass(frozen=True)
class Obp:
    """What obp's estimators are given."""

    reward: np.ndarray
    action: np.ndarray
    position: np.ndarray
    pscore: np.ndarray
    action_dist: np.ndarray
    estimated_rewards_by_reg_model: np.ndarray

    @property
    def rows(self):
        return np.arange(len(self.action))

    @property
    def iw(self):
        return self.action_dist[self.rows, self.action, self.position] / self.pscore

    @property
    def direct(self):
        """DirectMethod."""
        q_hat, pi_e = (
            each[self.rows, :, self.position] for each in (self.estimated_rewards_by_reg_model, self.action_dist)
        )
        return np.average(q_hat, weights=pi_e, axis=1)

    def ipw(self, iw):
        return (self.reward * iw).mean()

    def dr(self, iw):
        q_hat = self.estimated_rewards_by_reg_model[self.rows, self.action, self.position]
        return (self.direct + iw * (self.reward - q_hat)).mean()

    def every(self):
        """Yield ours, and what obp makes of it."""
        w = self.iw
        yield Ips(), self.ipw(w)
        yield Snips(), (self.reward * w / w.mean()).mean()
        yield Dm(), self.direct.mean()
        yield Dr(), self.dr(w)
        yield Sndr(), self.dr(w / w.mean())
        for lambda_ in LEVELS:
            yield Clipped(lambda_), self.ipw(np.minimum(w, lambda_))
            yield ClippedDr(lambda_), self.dr(np.minimum(w, lambda_))
            yield SwitchDr(lambda_), self.dr((w <= lambda_) * w)
            yield DrOs(lambda_), self.dr(quotient(lambda_ * w, w**2 + lambda_) if lambda_ < np.inf else w)
        for lambda_ in SHARES:
            shrunk = quotient(w, 1 - lambda_ + lambda_ * w)
            yield SubGaussian(lambda_), self.ipw(shrunk)
            if lambda_ < 1:
                yield SubGaussianDr(lambda_), self.dr(shrunk)

    @property
    def feedback(self):
        """obp's bandit feedback."""
        n, k, _ = self.action_dist.shape
        given = {"action": self.action, "reward": self.reward, "pscore": self.pscore, "position": self.position}
        return {"n_rounds": n, "n_actions": k, **given}

    def meets(self, log):
        """Hold that our estimates are obp's, and so is what an evaluation shows beside its own."""
        target, model = ope.given(self.action_dist), ope.models.predicted(self.estimated_rewards_by_reg_model)
        known = {}
        for estimator, theirs in self.every():
            ours = ope.point(estimator, log, target, model)
            assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-12), estimator
            known[str(estimator.method)] = theirs
        for whole_or_stream in (log, log.blocks(700)):
            shown = ope.evaluate(whole_or_stream, target, model=model, forced=True).panel
            by_name = {str(each.method).removesuffix(", normal interval"): each.value for each in shown}
            both = by_name.keys() & known.keys()
            assert len(both) == len(shown) - 1  # all but the one by Cressie-Read
            for name in both:
                assert by_name[name] == pytest.approx(known[name], rel=1e-12, abs=1e-12), name


def synthetic(n=2_000, k=6, n_slots=3):
    rng = np.random.default_rng(1)
    action, position = rng.integers(0, k, n), rng.integers(0, n_slots, n)
    pscore = rng.uniform(0.02, 1, n)
    action_dist = np.moveaxis(rng.dirichlet(np.full(k, 0.5), (n, n_slots)), 1, 2)
    action_dist[:100] = np.eye(k)[rng.integers(0, k, 100)][:, :, None]
    return Obp(rng.normal(size=n), action, position, pscore, action_dist, rng.normal(size=(n, k, n_slots)))


def test_on_made_up_feedback():
    of = synthetic()
    of.meets(obp.read(of.feedback))


def test_without_positions_obp_reads_the_first_one():
    of = synthetic(n_slots=1)
    of.meets(obp.read({**of.feedback, "position": None}))


def test_rounds_that_cannot_be_used_do_not_move_the_others():
    of = synthetic()
    broken = of.pscore.copy()
    broken[7] = np.nan
    log = obp.read({**of.feedback, "pscore": broken})
    target = ope.given(of.action_dist)
    assert ope.point(Ips(), log, target) == pytest.approx(np.delete(of.reward * of.iw, 7).mean(), rel=1e-12)


def test_replay_is_obps_where_a_uniform_log_meets_a_target_that_is_sure():
    rng = np.random.default_rng(2)
    n, k = 3_000, 5
    sure = np.eye(k)[rng.integers(0, k, n)][:, :, None]
    zeros = np.zeros(n, np.int64)
    of = Obp(rng.random(n), rng.integers(0, k, n), zeros, np.full(n, 1 / k), sure, np.zeros((n, k, 1)))
    log = obp.read(of.feedback)
    replay = Replay.of(most=k, seed=1)
    replay.add(weighed(log, ope.given(sure).probabilities(log)))
    matches = of.action_dist[of.rows, of.action, of.position] == 1
    theirs = (matches * of.reward / matches.mean()).mean()
    assert replay.estimate(text("ope.reward")).value == pytest.approx(theirs, rel=1e-12)


def test_what_is_modelled_needs_a_model():
    of = synthetic(n=200)
    with pytest.raises(InvalidRequest, match=r"direct method \(DM\) needs a model of the reward"):
        ope.point(Dm(), obp.read(of.feedback), ope.given(of.action_dist))


@pytest.mark.skipif(not DATA.exists(), reason="the Open Bandit sample is not beside the repository")
@pytest.mark.parametrize(("policy", "target"), [("random", "thompson"), ("bts", "uniform"), ("random", "uniform")])
def test_on_the_open_bandit_sample(policy, target):
    blocks = list(open_bandit.read(DATA / policy, "men", n=3_000))
    variant, reward, propensity, slot = (
        np.concatenate([getattr(block, name) for block in blocks])
        for name in ("variant", "reward", "propensity", "slot")
    )
    assert (len(reward), int(reward.sum())) == (10_000, 46 if policy == "random" else 69)
    k = blocks[0].k
    uniform = np.full((k, 3), 1 / k)
    pi = uniform if target == "uniform" else open_bandit.thompson(DATA / "prior_bts.yaml", "men")
    q = np.random.default_rng(3).beta(1, 100, (10_000, k, 3))
    of = Obp(reward, variant, slot, propensity, np.broadcast_to(pi, q.shape), q)
    of.meets(obp.read(of.feedback))
    # The file's own door says the same, block by block: its rows are numbered as its lines are.
    tables = pi.T[slot], q[np.arange(10_000), :, slot]
    for estimator, theirs in of.every():
        assert ope.point(estimator, blocks, *tables) == pytest.approx(theirs, rel=1e-12, abs=1e-12), estimator
