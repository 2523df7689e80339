"""Removal effects by hand, by an oracle that walks the chain step by step, and by what must hold for any journeys."""

from collections import Counter, defaultdict
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.attribution.journeys import Journeys
from analysis.attribution.rules.chain import Chain, Sparse, solved
from analysis.attribution.rules.markov import Markov
from analysis.attribution.sums import N_GROUPS

ORDERS = [1, 2, 3]
ENDS = st.sampled_from([(0, 0.0), (0, 0.0), (1, 0.0), (1, 10.0), (1, 3.5), (1, 0.25)])
WALKS = st.lists(st.tuples(st.lists(st.sampled_from("abcd"), min_size=1, max_size=7), ENDS), min_size=1, max_size=25)


def journeys_of(walks):
    paths, ends = zip(*walks, strict=True)
    conversions, value = zip(*ends, strict=True)
    return Journeys.of(paths, conversions, value)


def long_journeys(seed, n, p):
    """Journeys of two touches and more, five on average, so that states of three come again."""
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(1 + rng.geometric(1 / 4, n))])
    touchpoint = rng.choice(p, starts[-1], p=np.arange(1, p + 1) / (p * (p + 1) / 2))
    won = (rng.random(n) < 0.1 + 0.5 * (touchpoint[starts[1:] - 1] == 0)).astype(float)
    names = tuple(map(str, range(p)))
    return Journeys(names, starts, touchpoint, won, won * rng.lognormal(2, 0.5, n), np.arange(n))


def credit(rule, journeys):
    sums = rule.sums(journeys)
    return rule.credit(sums.keys, sums.totals, len(journeys.touchpoints))


def everything(journeys):
    return np.array([journeys.conversions.sum(), journeys.value.sum()])


# --- by hand -------------------------------------------------------------------------------------------------------


def test_order_1_by_hand_and_the_null_state_is_kept():
    """Journeys: a b (converts, 30), b (converts, 10), a (does not), b a (does not).

    The start goes to a with 1/2 and to b with 1/2. From a (3 visits): to b 1/3, to nothing 2/3. From b (3 visits): to
    a 1/3, to a conversion 2/3. With x for the chance to convert: x_a = x_b / 3 and x_b = x_a / 3 + 2/3, so x_b = 3/4,
    x_a = 1/4, and from the start (3/4 + 1/4) / 2 = 1/2, as 2 of 4 journeys do.
    Without a: from the start to b 1/2, and 2/3 of it: 1/3. What is lost is 1/2 - 1/3 = 1/6, an effect of 1/3.
    Without b nothing is left: 1/2, an effect of 1. Shares 1/4 and 3/4 of 2 conversions.
    Value: b pays (30 + 10) / 3 on leaving; without a 20/3 of 10 per journey, so the same shares of 40.
    """
    journeys = Journeys.of([["a", "b"], ["b"], ["a"], ["b", "a"]], [1, 1, 0, 0], [30.0, 10.0, 0.0, 0.0])
    np.testing.assert_allclose(credit(Markov(), journeys), [[0.5, 10.0], [1.5, 30.0]], rtol=1e-12)
    # A peer drops the journeys that do not convert. Then a is left to b alone: without a 1/2 is lost, 2/3 and 4/3.
    kept = credit(Markov(), journeys.chosen(journeys.conversions > 0))
    np.testing.assert_allclose(kept[:, 0], [2 / 3, 4 / 3], rtol=1e-12)


def test_order_2_by_hand():
    """Journeys: a b (converts), b (does not), a (does not), c b (does not).

    Order 1 forgets where b came from. In order 2 the states are a, c, b, ab and cb, of which ab alone converts, always:
    without a, and without b, all is lost, without c nothing. Shares 1/2, 1/2, 0.
    In order 1 b is met 3 times and converts 1/3, so b brings 1/4 * 1/3 from itself, and from a and c with 1/2 * 1/2 *
    1/3 and 1/4 * 1/3: in all 1/12 + 1/12 + 1/12 = 1/4. Lost without a 1/12, b 1/4, c 1/12: shares 1/5, 3/5, 1/5.
    """
    journeys = Journeys.of([["a", "b"], ["b"], ["a"], ["c", "b"]], [1, 0, 0, 0])
    np.testing.assert_allclose(credit(Markov(2), journeys)[:, 0], [1 / 2, 1 / 2, 0], atol=1e-12)
    np.testing.assert_allclose(credit(Markov(1), journeys)[:, 0], [1 / 5, 3 / 5, 1 / 5], rtol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_one_touchpoint_alone_has_everything(order):
    journeys = Journeys.of([["a"], ["a", "a"], ["a", "a", "a", "a"]], [1, 0, 1], [5.0, 0.0, 7.0])
    np.testing.assert_allclose(credit(Markov(order), journeys), [[2, 12]], rtol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_without_a_touchpoint_of_every_journey_nothing_is_left(order):
    # Every journey ends with a. Of those with b a third converts by a: effects 1 and 1/2, 2/3 and 1/3 of 2.
    journeys = Journeys.of([["b", "a"], ["a"], ["b", "a"], ["a"]], [1, 1, 0, 0])
    np.testing.assert_allclose(credit(Markov(order), journeys)[:, 0], [2 / 3, 4 / 3], rtol=1e-12)
    sums = Markov(order).sums(journeys)
    chain = Chain.of(sums.keys, sums.totals, order, len(journeys.touchpoints))
    np.testing.assert_allclose(chain.brings(chain.last == 1), 0, atol=1e-15)


@pytest.mark.parametrize("order", ORDERS)
def test_where_nothing_converts_nothing_is_credited(order):
    journeys = Journeys.of([["a", "b"], ["b"]], [0, 0])
    rule = Markov(order)
    assert not credit(rule, journeys).any()
    assert not rule.influence(rule.sums(journeys), 2).any()
    nothing = rule.sums(Journeys.of([], []))
    assert rule.credit(nothing.keys, nothing.totals, 2).tolist() == [[0, 0], [0, 0]]
    assert rule.influence(nothing, 2).shape == (N_GROUPS, 2, 2)


def test_touchpoints_that_no_journey_met_have_nothing():
    rule, journeys = Markov(2), Journeys.of([["a"], ["b"]], [1, 1])
    sums = rule.sums(journeys.chosen(np.array([False, True])))
    assert rule.credit(sums.keys, sums.totals, 3).tolist() == [[0, 0], [1, 1], [0, 0]]
    assert not rule.sampling_error(sums.keys, sums.totals, 3).any()


# --- the oracle ----------------------------------------------------------------------------------------------------


def walked(journeys, order, removed=None):
    """What a journey brings: the chain is walked from the start until next to nobody is under way any more."""
    steps, ends, left = Counter(), defaultdict(lambda: np.zeros(2)), Counter()
    for a, b, *won in zip(journeys.starts, journeys.starts[1:], journeys.conversions, journeys.value, strict=False):
        path = tuple(journeys.touchpoint[a:b].tolist())
        states = [path[max(0, place - order) : place] for place in range(len(path) + 1)]
        steps.update(pairwise(states))
        left.update(states)
        ends[states[-1]] += won
    there, brought = {(): 1.0}, np.zeros(2)
    while sum(there.values()) > 1e-14:
        onward = defaultdict(float)
        for state, chance in there.items():
            brought += chance * ends[state] / left[state] if state in ends else 0
        for (state, after), n in steps.items():
            if state in there and after[-1] != removed:
                onward[after] += there[state] * n / left[state]
        there = onward
    return brought


@pytest.mark.parametrize("order", ORDERS)
@settings(max_examples=40, deadline=None)
@given(WALKS)
def test_credit_is_what_walking_the_chain_finds(order, walks):
    journeys = journeys_of(walks)
    p = len(journeys.touchpoints)
    lost = np.array([walked(journeys, order) - walked(journeys, order, each) for each in range(p)])
    lost[:, 1] = lost[:, 1] if journeys.value.any() else lost[:, 0]
    expected = lost / np.maximum(lost.sum(axis=0), 1e-300) * everything(journeys)
    found = credit(Markov(order), journeys)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found.sum(axis=0), everything(journeys), rtol=1e-9)


def test_many_states_are_solved_as_few_are():
    journeys = long_journeys(5, 600, 6)
    sums = Markov(3).sums(journeys)
    chain = Chain.of(sums.keys, sums.totals, 3, len(journeys.touchpoints))
    whole = np.eye(len(chain.last)) - chain.steps.toarray()
    assert isinstance(chain.solver, Sparse)
    for touchpoint in (0, 5):
        kept = chain.last != touchpoint
        worth = np.linalg.solve(whole[kept][:, kept], chain.pays[kept])
        visits = np.linalg.solve(whole[kept][:, kept].T, np.eye(1, kept.sum())[0])
        np.testing.assert_allclose(chain.solver.worth(~kept)[kept], worth, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(chain.solver.visits(~kept)[kept], visits, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(chain.brings(~kept), walked(journeys, 3, touchpoint), rtol=1e-10)


def test_a_system_that_is_hard_to_solve_step_by_step_is_solved_by_its_factors():
    """A ring of n states, each left for the next with q: the visits from the first are q**j / (1 - q**n)."""
    n, q = 300, 1 - 1e-7
    ring = Chain(np.arange(n), (np.arange(n) + 1) % n, np.full(n, q), np.ones(n), np.zeros((n, 2)), np.zeros(n)).steps
    system = (-ring.T).tolil()
    system.setdiag(1)
    found = solved(system.tocsr(), np.eye(1, n)[0])
    np.testing.assert_allclose(found, q ** np.arange(n) / (1 - q**n), rtol=1e-8)


# --- what holds for any journeys -----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(WALKS, st.permutations("abcd"))
def test_names_do_not_matter(walks, others):
    renamed = [([others["abcd".index(name)] for name in path], end) for path, end in walks]
    journeys = journeys_of(walks)
    # Names get their places as they are first met, so turning the journeys round changes the places too.
    turned = journeys_of(renamed[::-1])
    place = [turned.touchpoints.index(others["abcd".index(name)]) for name in journeys.touchpoints]
    for order in ORDERS:
        found = credit(Markov(order), turned)[place]
        np.testing.assert_allclose(found, credit(Markov(order), journeys), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_a_higher_order_finds_the_same_where_the_last_touch_says_all(seed):
    """Journeys go up from 0 to 1 to 2, leaving some out, each step drawn by the last touch alone.

    Of 4**4 journeys, each is there as often as the product of its steps' numbers, which add up to 4 from each state,
    and of four that end alike as many convert as their last touch says: so shares are those of the chain, exactly.
    """
    rng = np.random.default_rng(seed)
    onward = {-1: rng.multinomial(1, [1 / 3] * 3) + 1, 0: [0, 1, 1], 1: [0, 0, rng.integers(1, 4)], 2: [0, 0, 0]}
    converts = rng.integers(0, 5, 3)
    paths, conversions = [], []
    for chosen in product([False, True], repeat=3):
        path = [place for place in range(3) if chosen[place]]
        if path:
            states = [-1, *path]
            often = np.prod([onward[state][after] for state, after in zip(states, path, strict=False)])
            often *= 4 - sum(onward[path[-1]]) if path[-1] < 2 else 4
            often *= 4 ** (3 - len(path))
            paths += [list(map(str, path))] * (4 * often)
            conversions += [int(each % 4 < converts[path[-1]]) for each in range(4 * often)]
    journeys = Journeys.of(paths, conversions)
    first = credit(Markov(1), journeys)
    for order in (2, 3):
        np.testing.assert_allclose(credit(Markov(order), journeys), first, rtol=1e-10)


@pytest.mark.parametrize("order", ORDERS)
def test_blocks_add_up(order):
    journeys, rule = long_journeys(2, 200, 5), Markov(order)
    early = np.arange(len(journeys)) < 70
    sums = rule.sums(journeys.chosen(early)) + rule.sums(journeys.chosen(~early))
    np.testing.assert_allclose(rule.credit(sums.keys, sums.totals, 5), credit(rule, journeys), rtol=1e-12)


# --- refunds -------------------------------------------------------------------------------------------------------


def test_refunds_lower_a_touchpoints_value_below_nothing():
    # Effects by value: without a 20 of 20 - 5 are lost, without b -5: shares 4/3 and -1/3.
    journeys = Journeys.of([["a"], ["b"]], [1, 1], [20.0, -5.0])
    np.testing.assert_allclose(credit(Markov(), journeys), [[1, 20], [1, -5]], rtol=1e-12)


@pytest.mark.parametrize("value", [[2.0, -8.0, 0.0], [-1.0, -2.0, -3.0], [0.3, -0.2, -0.1], [0.0, 0.0, 0.0]])
@pytest.mark.parametrize("order", ORDERS)
def test_where_refunds_leave_nothing_to_share_by_value_is_shared_as_conversions_are(order, value):
    journeys, rule = Journeys.of([["a", "b"], ["b"], ["a"]], [1, 1, 1], value), Markov(order)
    found = credit(rule, journeys)
    np.testing.assert_allclose(found[:, 1], found[:, 0] / 3 * sum(value), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(rule.influence(rule.sums(journeys), 2).sum(axis=0), found, atol=1e-12)


# --- influence -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refunds", [0.0, 0.1, 3.0])
@pytest.mark.parametrize(("order", "p"), [(1, 4), (2, 4), (3, 6)])
def test_influence_is_the_derivative_by_each_groups_sums(order, p, refunds):
    """Against central differences: the sums of a group counted 1 + h and 1 - h times.

    Their error is of h**2 / 6 times the third derivative, and rounding of 1e-14 / h relative to the credit: at
    h = 1e-4 both are below 1e-8 of the credit. Influences of the groups are some 1/200 of it, and 1e-6 of that.
    """
    journeys, rule = long_journeys(order * p, 200, p), Markov(order)
    journeys.value[:] -= refunds * journeys.value.mean() * journeys.conversions
    sums = rule.sums(journeys)
    influence, found = rule.influence(sums, p), rule.credit(sums.keys, sums.totals, p)
    np.testing.assert_allclose(influence.sum(axis=0), found, rtol=1e-9, atol=1e-9)
    h, by_group = 1e-4, np.stack([sums.by_group(column).toarray() for column in range(3)], axis=2)
    groups = np.flatnonzero(by_group[:, :, 0].any(axis=1))[:12]
    up, down = (
        np.array([rule.credit(sums.keys, sums.totals + t * by_group[group], p) for group in groups]) for t in (h, -h)
    )
    scale = np.abs(influence[groups]).max()
    np.testing.assert_allclose(influence[groups], (up - down) / (2 * h), rtol=1e-6, atol=1e-6 * scale)
