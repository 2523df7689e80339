"""The only hash and the only draw: pinned for ever, exact, independent, uniform."""

import json
import math
import runpy
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.errors import PolicyFailed
from engine.randomness import (
    ONE,
    assignment_id,
    assignment_number,
    digest,
    draw,
    feature_index,
    group_number,
    integer,
    new_secret,
    quantise,
    request_id,
    share_weight,
    unit_number,
)

GOLDEN = Path(__file__).parents[1] / "golden"
START = datetime(2026, 1, 5, tzinfo=UTC)
EVEN = quantise([0.5, 0.5])
THIRDS = quantise([1 / 3, 1 / 3, 1 / 3])
Z = 4.0
"""Six in a hundred thousand lie outside; the numbers are the same in every run, so a test passes for ever or never."""


# --- pinned --------------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_first_release():
    made = runpy.run_path(str(GOLDEN / "make_randomness.py"))
    pinned = json.loads((GOLDEN / "randomness.json").read_text())
    assert (pinned.pop("hash_version"), pinned.pop("draw_version")) == (1, 1)
    assert json.loads(json.dumps(made["vectors"]())) == pinned


# --- the hash ------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_parts_are_never_run_together(left, right):
    assert (digest("test", *left) == digest("test", *right)) == (left == right)


def test_the_length_of_a_part_counts():
    assert digest("test", "exp1", "23") != digest("test", "exp12", "3")
    assert digest("test", "a", "") != digest("test", "a") != digest("test", "", "a")


def test_purpose_and_key_separate():
    assert len({digest(purpose, "a", key=key) for purpose in ("traffic", "group") for key in (b"", b"k", b"l")}) == 6


def test_text_and_its_bytes_are_the_same_part():
    assert digest("test", "ä") == digest("test", "ä".encode())


@given(st.text())
def test_a_number_is_in_range(unit):
    assert 0 <= integer("test", unit) < ONE
    assert 0 <= feature_index("context", unit, 18) < 2**18


# --- quantising ----------------------------------------------------------------------------------------------------

raw_weights = st.lists(st.floats(0, 1e6), min_size=1, max_size=50).filter(lambda weights: sum(weights) > 1e-3)
floors = st.just(0.0) | st.floats(0, 1)


@given(raw_weights, floors)
def test_a_distribution_is_exact(weights, floor):
    """Against theory: largest remainder is within 1 of exact; where a variant is lifted to 1, the largest pays."""
    probabilities = [weight / math.fsum(weights) for weight in weights]
    distribution = quantise(probabilities, floor)
    assert sum(distribution) == ONE
    assert min(distribution) >= 1
    k = len(weights)
    exact = [((1 - floor) * probability + floor / k) * ONE for probability in probabilities]
    off = sorted(abs(weight - value) for weight, value in zip(distribution, exact, strict=True))
    assert off[-1] <= k
    assert all(each <= 1 + 1e-3 for each in off[:-1])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=150).filter(lambda raw: sum(raw) > 1e-3), floors, st.booleans())
def test_many_variants_are_rounded_to_the_same_integers_as_few(weights, floor, zeros):
    """Against the rule written out: the logged integers must not depend on how they were computed."""
    probabilities = [weight / math.fsum(weights) for weight in weights]
    total, spread = math.fsum(probabilities), floor / len(weights)
    exact = [((1.0 - floor) * probability / total + spread) * ONE for probability in probabilities]
    expected = [0 if zeros and not value else max(1, int(value)) for value in exact]
    spare = ONE - sum(expected)
    if spare < 0:
        expected[expected.index(max(expected))] += spare
    else:
        for index in sorted(range(len(exact)), key=lambda place: expected[place] - exact[place])[:spare]:
            expected[index] += 1
    assert quantise(probabilities, floor, zeros=zeros) == tuple(expected)


@given(st.integers(1, 500), floors)
def test_equal_probabilities_get_equal_weights_but_for_the_remainder(k, floor):
    distribution = quantise([1 / k] * k, floor)
    assert max(distribution) - min(distribution) <= 1


def test_a_floor_is_total_mass():
    assert quantise([1.0, 0.0], floor=0.5) == (3 * ONE // 4, ONE // 4)
    assert quantise([1.0, 0.0, 0.0, 0.0], floor=1.0) == (ONE // 4,) * 4


def test_a_variant_without_a_chance_gets_the_smallest_one():
    assert quantise([1.0, 0.0]) == (ONE - 1, 1)


@pytest.mark.parametrize(
    "answer", [[], [0.5, 0.4], [0.5, 0.6], [1.5, -0.5], [math.nan, 1.0], [math.inf, 0.0], [0.0, 0.0], [-0.0, -1.0]]
)
def test_what_is_no_distribution_is_refused(answer):
    with pytest.raises(PolicyFailed, match="not a distribution"):
        quantise(answer)


def test_a_sum_that_is_one_within_rounding_is_accepted():
    assert sum(quantise(list(np.float32([0.1] * 10)))) == ONE


# --- drawing -------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 100), min_size=1, max_size=6), st.data())
def test_ranges_are_half_open(parts, data):
    distribution = quantise([part / sum(parts) for part in parts])
    index = data.draw(st.integers(0, len(parts) - 1))
    first = sum(distribution[:index])
    assert draw(distribution, first) == index
    assert draw(distribution, first + distribution[index] - 1) == index


def test_a_number_outside_is_refused():
    assert draw(EVEN, ONE - 1) == 1
    with pytest.raises(PolicyFailed):
        draw(EVEN, ONE)


@given(st.floats(0, 1))
def test_a_share_is_a_weight(share):
    assert abs(share_weight(share) - share * ONE) <= 0.5


@pytest.mark.parametrize("keyed_by", ["unit", "assignment", "group"])
def test_the_draws_have_the_declared_frequencies(keyed_by):
    """Against theory: each frequency lies within z standard errors of its probability."""
    n = 20_000
    probabilities = [0.7, 0.2, 0.1]
    distribution = quantise(probabilities)
    number = {
        "unit": lambda i: unit_number("seed", "customer", f"c{i}", "abc", distribution),
        "assignment": lambda i: assignment_number(b"secret", "seed", f"{i:032x}", 0),
        "group": lambda i: group_number("seed", "customer", f"c{i}", share_weight(0.1)),
    }[keyed_by]
    counts = Counter(draw(distribution, number(i)) for i in range(n))
    for index, probability in enumerate(probabilities):
        assert abs(counts[index] / n - probability) < Z * math.sqrt(probability * (1 - probability) / n)


def test_the_draws_of_two_experiments_are_independent():
    """Against theory: over 200 pairs the sum of chi-squares on 2 degrees of freedom each is about 400 +- 28.3 z."""
    pairs, n = 200, 500
    units = [f"customer-{i}" for i in range(n)]
    statistics = []
    for pair in range(pairs):
        left = [draw(EVEN, unit_number(f"left-{pair}", "customer", unit, "ab", EVEN)) for unit in units]
        right = [draw(THIRDS, unit_number(f"right-{pair}", "customer", unit, "abc", THIRDS)) for unit in units]
        table = np.histogram2d(left, right, bins=(2, 3))[0]
        statistics.append(stats.chi2_contingency(table, correction=False).statistic)
    degrees = 2 * pairs
    assert abs(sum(statistics) - degrees) < Z * math.sqrt(2 * degrees)
    assert max(statistics) < stats.chi2.isf(1e-4 / pairs, 2)


def test_group_traffic_and_draw_of_one_unit_are_independent():
    n = 10_000
    halves = [
        [integer("traffic", "seed", f"c{i}") < ONE // 2 for i in range(n)],
        [group_number("seed", "customer", f"c{i}", ONE // 2) < ONE // 2 for i in range(n)],
        [unit_number("seed", "customer", f"c{i}", "ab", EVEN) < ONE // 2 for i in range(n)],
    ]
    correlations = np.corrcoef(halves)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < Z / math.sqrt(n)


def test_another_distribution_is_a_fresh_draw():
    tilted = quantise([0.5 + 1e-9, 0.5 - 1e-9])
    assert unit_number("s", "customer", "c", "ab", EVEN) != unit_number("s", "customer", "c", "ab", tilted)
    assert unit_number("s", "customer", "c", "ab", EVEN) != unit_number("s", "customer", "c", "ac", EVEN)
    assert unit_number("s", "customer", "c", "ab", EVEN) != unit_number("s", "session", "c", "ab", EVEN)


def test_nobody_chooses_its_luck_without_the_secret():
    assert assignment_number(new_secret(), "s", "a" * 32, 0) != assignment_number(new_secret(), "s", "a" * 32, 0)
    assert assignment_number(b"k", "s", "a" * 32, 0) != assignment_number(b"k", "s", "a" * 32, 1)


# --- ids -----------------------------------------------------------------------------------------------------------


def test_equal_requests_have_equal_assignment_ids():
    assert assignment_id("visit-1", "home") == assignment_id("visit-1", "home")
    assert len({assignment_id(request, of) for request in ("a", "b") for of in ("home", "cart")}) == 4


@given(st.text())
def test_an_assignment_id_is_32_hex_digits(request):
    assert len(bytes.fromhex(assignment_id(request, "home"))) == 16


def test_assignment_ids_of_uuid7_are_in_the_order_of_time():
    moments = [START + timedelta(milliseconds=step) for step in range(500)]
    ids = [assignment_id(request_id(moment), "home") for moment in moments]
    assert ids == sorted(ids)


@pytest.mark.parametrize("request_", ["", "x" * 36, "zzzzzzzz-zzzz-7zzz-zzzz-zzzzzzzzzzzz", str(uuid.UUID(int=0))])
def test_other_request_ids_have_no_time(request_):
    assert assignment_id(request_, "home") == digest("assignment", request_, "home").hex()


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)), st.text(min_size=1))
def test_a_named_request_id_is_a_uuid7_of_its_time(naive, name):
    at = naive.replace(tzinfo=UTC)
    made = uuid.UUID(request_id(at, name))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert request_id(at, name) == str(made)


def test_unnamed_request_ids_differ():
    assert len({request_id(START) for _ in range(1000)}) == 1000
