"""Bad input: an error that says which rows and what to do, or a verdict, and nothing else."""

import math
import warnings
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from analysis.adaptive.drawn import Context
from analysis.ope.checking import check, check_next, check_target
from analysis.ope.evaluation import Evaluable
from analysis.ope.logged import Collection, Logged
from analysis.ope.support import Evidence
from analysis.ope.weighed import weighed
from engine.errors import InvalidRequest
from tests.analysis.ope.drawn_logs import CLICKS, drawn, even, with_numbers, with_texts

N, K = 12, 3


def sound(n=N, **kwargs):
    """Draws in rows 100, 101 and so on, that nothing is wrong with."""
    log = drawn(even(n, K), 0.5, **kwargs)
    return replace(log, row=100 + np.arange(n))


def but(column, changes):
    """Return a column with some places changed."""
    found = np.array(column, float if any(isinstance(each, float) for each in changes.values()) else None)
    for place, value in changes.items():
        found[place] = value
    return found


def refused(log, *words):
    with pytest.raises(InvalidRequest) as raised:
        check(log)
    assert all(word in str(raised.value) for word in words), str(raised.value)


def test_sound_draws_pass():
    check(sound())
    check(sound(with_all=False))
    check(sound(0))
    check_target(sound(), even(N, K), "uniform")


@pytest.mark.parametrize("wrong", [0.0, 1.1, -0.2, math.nan, math.inf, 1e-13])
def test_a_propensity_that_is_none_is_refused(wrong):
    log = sound(with_all=False)
    found = replace(log, propensity=but(log.propensity, {3: wrong, 7: wrong}))
    refused(found, "rows 103, 107: the propensity is", f"{wrong:.6g}", "leave the row out")


def test_many_wrong_rows_are_counted_and_the_first_named():
    log = sound(with_all=False)
    refused(replace(log, propensity=np.zeros(N)), f"rows 100, 101, 102 and {N - 3} more")


def test_a_propensity_below_the_declared_least_is_refused():
    log = sound(with_all=False)
    refused(replace(log, collection=replace(CLICKS, least=0.4)), "the propensity is 0.333333", "0.4 as the least")


@pytest.mark.parametrize("wrong", [-1, K, 99])
def test_a_drawn_variant_outside_of_the_set_is_refused(wrong):
    log = sound()
    refused(replace(log, variant=but(log.variant, {5: wrong})), f"row 105: the drawn variant is {wrong}", "from 0 to 2")


@pytest.mark.parametrize("wrong", [[0.5, 0.5, 0.5], [-0.5, 0.5, 1.0], [math.nan, 0.5, 0.5], [math.inf, -math.inf, 1.0]])
@pytest.mark.parametrize("is_shared", [True, False])
def test_a_logged_distribution_that_is_none_is_refused(wrong, is_shared):
    log = sound()
    if is_shared:
        patterns, pattern = np.array([[1 / 3] * 3, wrong]), np.where(np.arange(N) == 4, 1, 0)
    else:
        patterns, pattern = log.patterns.copy(), log.pattern
        patterns[4] = wrong
    refused(replace(log, patterns=patterns, pattern=pattern), "row 104: the logged distribution has", "sum to 1")


def test_distributions_that_no_draw_is_of_do_not_matter():
    check(replace(sound(), patterns=np.array([[1 / 3] * 3, [math.nan] * 3]), pattern=np.zeros(N, np.int64)))


def test_a_block_is_checked_by_the_distributions_of_its_own_draws():
    log = sound(200)
    log.patterns[150] = 0.5
    check(log[:100])
    refused(log[100:], "row 250")


def test_distributions_may_miss_1_by_the_rounding_of_32_bits():
    p = np.random.default_rng(0).dirichlet(np.ones(K), N).astype(np.float32)
    log = drawn(p.astype(float), 0.5)
    check(replace(log, patterns=p, propensity=log.propensity.astype(np.float32)))


def test_a_propensity_that_the_distribution_does_not_give_is_refused():
    log = sound()
    refused(replace(log, propensity=but(log.propensity, {2: 0.34})), "row 102", "its propensity, but 0.333333")


def test_a_small_propensity_must_be_right_in_its_own_measure():
    p = np.tile([1 - 4e-7, 4e-7], (N, 1))
    log = Logged.of(("a", "b"), np.ones(N, np.int64), np.ones(N), np.full(N, 1e-7), probabilities=p)
    refused(log, "its propensity, but 4e-07")


def test_what_was_not_eligible_can_neither_be_drawn_nor_have_a_probability():
    log = sound()
    eligible = np.ones((N, K), np.bool_)
    eligible[6, (log.variant[6] + 1) % K] = False
    refused(replace(log, eligible=eligible), "row 106", "not eligible 0.333333")
    p = np.array([[1 - 1e-7, 1e-7]])
    rare = Logged.of(("a", "b"), np.array([1]), np.ones(1), np.array([1e-7]), probabilities=p)
    refused(replace(rare, eligible=np.array([[True, False]])), "the drawn variant was not eligible")


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1e61])
def test_a_reward_that_is_no_number_is_refused(wrong):
    log = sound(collection=Collection())
    refused(replace(log, reward=but(log.reward, {1: wrong})), f"row 101: the reward is {wrong:.6g}", "a finite reward")


def test_a_reward_outside_of_what_is_declared_is_refused():
    ranged = sound(collection=Collection(value_range=(0.0, 2.0)))
    refused(replace(ranged, reward=but(ranged.reward, {1: 2.5})), "row 101: the reward is 2.5", "from 0 to 2")
    check(replace(ranged, reward=but(ranged.reward, {1: 1.3})))
    share = sound(collection=Collection(is_share=True))
    refused(replace(share, reward=but(share.reward, {1: 0.5})), "row 101: the reward is 0.5", "0 or 1")


def test_a_draw_that_is_there_twice_is_refused():
    log = sound()
    refused(replace(log, row=but(log.row, {8: 103})), "row 103: there before", "once")
    refused(replace(log, slate=but(log.slate, {8: 7})), "row 108: its slate has that slot already")
    torn = replace(log, slate=but(log.slate, {8: 3}), slot=but(log.slot, {8: 1}))
    refused(torn, "row 108: other draws stand between")
    check(replace(log, slate=but(log.slate, {8: 7}), slot=but(log.slot, {8: 1})))
    check(log[np.random.default_rng(0).permutation(N)])


def test_blocks_go_on_from_each_other():
    log = sound()
    check_next(log[:5], log[5:])
    check_next(log[:0], log)
    with pytest.raises(InvalidRequest, match=r"row 100 comes after row 111: give every draw once"):
        check_next(log, log)
    with pytest.raises(InvalidRequest, match=r"from row 105 on the log has other variants"):
        check_next(log[:5], replace(log[5:], variants=("x", "y", "z")))
    with pytest.raises(InvalidRequest, match=r"other ways of being collected"):
        check_next(log[:5], replace(log[5:], collection=Collection(is_adaptive=True)))


@pytest.mark.parametrize("name", ["reward", "propensity", "unit", "at", "row", "slate", "slot", "logger", "pattern"])
def test_columns_of_different_lengths_and_kinds_are_refused(name):
    log = sound()
    column = getattr(log, name)
    refused(replace(log, **{name: column[:-1]}), f"`{name}`", "(11,)", "(12,)")
    refused(replace(log, **{name: column[:, None]}), f"`{name}`", "(12, 1)")
    refused(replace(log, **{name: column.tolist()}), f"`{name}`", "numpy array", "list")
    refused(replace(log, **{name: column.astype(str)}), f"`{name}`", "numpy array")


def test_tables_that_do_not_fit_are_refused():
    log = sound()
    refused(replace(log, variants=()), "names no variants")
    refused(replace(log, variant=log.variant.astype(float)), "`variant` must be a numpy array of whole numbers")
    refused(replace(log, patterns=log.patterns[:, :2]), "logged distributions", "(any, 3)")
    refused(replace(log, pattern=log.pattern + 1), "row 111: the column `pattern` is 12")
    refused(replace(log, pattern=None), "no `pattern`")
    refused(replace(log, eligible=np.ones((N, 2), np.bool_)), "`eligible`")
    refused(replace(log, eligible=np.ones((N, K))), "true or false")


def test_a_context_that_does_not_fit_is_refused():
    log = sound()
    refused(replace(with_texts(log, np.full(N, 2), ("a", "b"))), "code of device is 2", "from -1 to 1")
    refused(replace(with_texts(log, np.zeros(N, np.int64), ("a",)), words=()), "words for 0")
    refused(with_numbers(log, but(np.zeros(N), {2: math.inf})), "row 102: the context's flag is infinite")
    refused(replace(log, context=Context.none(3)), "context's numbers", "(3, 0)")
    check(with_numbers(log, np.full(N, math.nan)))


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"value_range": (1.0, 0.0)}, "rewards are declared from 1.0 to 0.0"),
        ({"value_range": (math.nan, 1.0)}, "rewards are declared from nan"),
        ({"value_range": (0.0, math.inf)}, "name the least, then the most"),
        ({"least": 0.0}, "the least probability is declared as 0.0"),
        ({"least": 1.5}, "above 0, at most 1"),
        ({"n_planned": 0}, "0 draws are planned"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(declared, words):
    refused(replace(sound(), collection=Collection(**declared)), words)


def refused_target(log, target, *words):
    with pytest.raises(InvalidRequest) as raised:
        check_target(log, target, "mine")
    assert all(word in str(raised.value) for word in ("mine", *words)), str(raised.value)


def test_answers_that_are_no_distributions_are_refused():
    log = sound()
    refused_target(log, even(N, 2), "(12, 2)", "(12, 3)")
    refused_target(log, even(N, K).tolist(), "list")
    for wrong in ([0.5, 0.5, 0.1], [-0.1, 0.6, 0.5], [math.nan, 0.5, 0.5], [2.0, -1.0, 0.0]):
        refused_target(log, but(even(N, K), {9: wrong}), "row 109: the distribution of mine has")


def test_wanting_what_was_not_eligible_is_an_error_and_what_had_no_probability_is_not():
    p = np.tile([0.5, 0.5, 0.0], (N, 1))
    log = replace(drawn(p, 0.5), row=100 + np.arange(N))
    wants = even(N, K)
    check_target(log, wants, "mine")
    check_target(replace(log, eligible=np.ones((N, K), np.bool_)), wants, "mine")
    eligible = np.ones((N, K), np.bool_)
    eligible[[1, 2], 2] = False
    refused_target(replace(log, eligible=eligible), wants, "rows 101, 102", "not eligible", "0.333333, 0.333333")


ANY = st.floats(width=64) | st.sampled_from([0.0, 0.5, 1.0, 1e-13, 5e-324, 1e300, -1.0])
FAIR = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@st.composite
def garbage(draw):
    """Logs of a few draws, of which every column may hold anything."""
    n, k = draw(st.integers(0, 6)), draw(st.integers(1, 3))
    probability = draw(st.sampled_from([FAIR, ANY, st.just(1 / k)]))
    whole = st.integers(-1, 3) if draw(st.booleans()) else st.just(0)
    log = Logged.of(
        tuple("abc"[:k]),
        draw(arrays.arrays(np.int64, n, elements=whole)),
        draw(arrays.arrays(np.float64, n, elements=draw(st.sampled_from([FAIR, ANY])))),
        draw(arrays.arrays(np.float64, n, elements=probability)),
        probabilities=draw(st.none() | arrays.arrays(np.float64, (n, k), elements=probability)),
        collection=draw(st.sampled_from([Collection(), CLICKS])),
    )
    name = draw(st.sampled_from(["unit", "row", "slate", "slot", "at", "nothing"]))
    changed = (
        {} if name == "nothing" else {name: draw(arrays.arrays(np.int64, n, elements=st.integers(-(2**63), 2**63 - 1)))}
    )
    return replace(log, **changed), draw(arrays.arrays(np.float64, (n, k), elements=probability))


@settings(max_examples=400, deadline=None)
@given(garbage())
def test_any_garbage_is_refused_or_has_finite_diagnostics(made):
    log, target = made
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            check(log)
            check_target(log, target, "mine")
        except InvalidRequest:
            return
        found = Evidence(log.collection)
        found.add(log, weighed(log, target))
        numbers = found.diagnostics()
        assert found.verdict().word is Evaluable.NO
    values = [getattr(numbers, each.name) for each in fields(numbers)]
    assert all(value is None or math.isfinite(value) for value in values)


@settings(max_examples=100, deadline=None)
@given(
    p=st.floats(1e-320, 1.0, exclude_max=True),
    pi=st.floats(0.0, 1.0),
    reward=st.floats(-1e60, 1e60),
    times=st.integers(1, 200),
)
def test_extremes_that_pass_have_finite_diagnostics(p, pi, reward, times):
    log = Logged.of(
        ("a", "b"),
        np.zeros(times, np.int64),
        np.full(times, reward),
        np.full(times, 1 - p),
        probabilities=np.tile([1 - p, p], (times, 1)),
    )
    target = np.tile([pi, 1 - pi], (times, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            check(log)
        except InvalidRequest:
            assert 1 - p < 1e-12 or p > 0.999
            return
        check_target(log, target, "mine")
        found = Evidence(log.collection)
        found.add(log, weighed(log, target))
        numbers = found.diagnostics()
        found.verdict()
    values = [getattr(numbers, each.name) for each in fields(numbers)]
    assert all(value is None or math.isfinite(value) for value in values)


def test_a_variant_that_is_named_twice_is_refused() -> None:
    twice = Logged.of(("a", "b", "a"), np.zeros(3, np.int64), np.zeros(3), np.full(3, 0.5))
    with pytest.raises(InvalidRequest, match="names the variant 'a' more than once"):
        check(twice)
