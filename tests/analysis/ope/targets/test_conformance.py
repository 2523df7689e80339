"""What every target holds to: distributions over what was eligible, and of each draw always the same one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from analysis.ope.logged import Logged
from analysis.ope.stores.reading import read
from analysis.ope.targets.always import always
from analysis.ope.targets.base import Target
from analysis.ope.targets.functions import function
from analysis.ope.targets.given import given
from analysis.ope.targets.logged import logged, tilted
from analysis.ope.targets.served import Served, of_file
from analysis.ope.targets.shadows import shadow
from analysis.ope.targets.uniform import uniform
from engine.experiments import Experiment, Variant
from engine.records import Context
from engine.snapshots import verify
from engine.specs import ContextualSpec, FixedSpec, PolicySpec, Rule, SegmentsSpec, ThompsonSpec
from tests.analysis.ope.targets.test_served import NEWS
from tests.analysis.ope.targets.visits import came, closed, rewards_of
from tests.engine.house import House, experiment

CONTEXTS: Sequence[Context] = [{"country": "NO", "visits": 1.0}, {"country": "SE"}, {"visits": 8.0}, {}]
ZEROS = SegmentsSpec((Rule({"country": "NO"}, {"bold": 1.0}),), {"plain": 0.75, "quiet": 0.25})
SHADOW = ContextualSpec()
LOGS: Mapping[str, Experiment] = {
    "a test": experiment(shadow=SHADOW),
    "rules with zeros": experiment(policy=ZEROS, shadow=SHADOW),
    "a bandit": experiment(policy=ThompsonSpec(control_share=0.2), shadow=SHADOW),
    "slates": experiment(policy=ThompsonSpec(), slots=2, shadow=SHADOW),
    "candidates": replace(NEWS, policy=ContextualSpec(), shadow=SHADOW),
}


def by_reading(context: Context, eligible: Sequence[Variant]) -> list[float]:
    """Give the first of the eligible what the context says, and the others the rest."""
    first = min(0.9, float(context.get("visits", 1.0)) / 10 + 0.1) if len(eligible) > 1 else 1.0
    return [first] + [(1 - first) / (len(eligible) - 1) for _ in eligible[1:]]


def policy_like(house: House, spec: PolicySpec) -> Experiment:
    """Return the log's own experiment with another policy, that knows candidates where there are any."""
    own = house.engine.catalog.find("hero").experiment
    return replace(own, policy=spec if own.candidates is None else ContextualSpec(floor=0.1), shadow=None)


def file_of(house: House, _: Logged) -> Target:
    return of_file(policy_like(house, ZEROS))


def learned(house: House, _: Logged) -> Target:
    defined = policy_like(house, ThompsonSpec(floor=0.1))
    other = House()
    other.run(defined)
    return Served(defined, verify(other.teach("hero", rewards_of(came(other, 20))), defined), "learned")


TARGETS: Mapping[str, Callable[[House, Logged], Target]] = {
    "always": lambda _, log: always(str(log.variants[0])),
    "uniform": lambda *_: uniform(),
    "logged": lambda *_: logged(),
    "sharper": lambda *_: tilted(0.05),
    "flatter": lambda *_: tilted(20.0),
    "given": lambda _, log: given(uniform().probabilities(log), log),
    "function": lambda *_: function(by_reading),
    "fixed file": lambda house, _: of_file(replace(policy_like(house, FixedSpec()), policy=FixedSpec())),
    "file": file_of,
    "learned": learned,
    "shadow": lambda house, _: shadow(house.store, "hero"),
}


@pytest.fixture(params=LOGS, scope="module")
def house(request: pytest.FixtureRequest) -> House:
    """A log of each kind."""
    made = House()
    made.run(LOGS[request.param])
    came(made, 60, contexts=CONTEXTS)
    closed(made)
    return made


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_gives_distributions_over_what_was_eligible_and_always_the_same(house: House, name: str) -> None:
    log = read(house.store, "hero", metric="click")
    target = TARGETS[name](house, log)
    found = target.probabilities(log)
    assert found.shape == (len(log), log.k)
    assert found.dtype == np.float64
    assert np.abs(found.sum(axis=1) - 1).max() < 1e-12
    assert found.min() >= 0
    assert (found[~log.could_be] == 0).all()
    assert str(target.name)
    assert target.since is None
    assert (target.probabilities(log) == found).all()


@pytest.mark.parametrize("name", TARGETS)
def test_slicing_the_log_slices_the_answer(house: House, name: str) -> None:
    log = read(house.store, "hero", metric="click")
    target = TARGETS[name](house, log)
    found = target.probabilities(log)
    for block, rows in zip(log.blocks(7), np.split(found, np.cumsum([len(b) for b in log.blocks(7)])), strict=False):
        assert (target.probabilities(block) == rows).all()
    shuffled = np.random.default_rng(3).permutation(len(log))[:20]
    assert (target.probabilities(log[shuffled]) == found[shuffled]).all()
    assert target.probabilities(log[:0]).shape == (0, log.k)


def test_the_logs_have_what_could_go_wrong() -> None:
    """Variants that were not eligible, and in one log some that were and had no chance."""
    has_zeros = 0
    for defined in LOGS.values():
        made = House()
        made.run(defined)
        came(made, 60, contexts=CONTEXTS)
        closed(made)
        log = read(made.store, "hero", metric="click")
        assert not log.could_be.all()
        has_zeros += bool((log.could_be & (log.probabilities == 0)).any())
    assert has_zeros == 1
