from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.deciding import guardrails
from analysis.document import Row, Word
from analysis.estimate import Estimate, Holds, Scale, Validity, not_evaluable
from analysis.texts import text
from engine.metrics import Better

NO_WORDS = text("method.none")


def estimate(low, high, value=None, scale=Scale.RELATIVE, **changes):
    return Estimate((low + high) / 2 if value is None else value, low, high, 900, NO_WORDS, NO_WORDS, scale, **changes)


@pytest.mark.parametrize(
    ("low", "high", "better", "word"),
    [
        (-0.04, 0.02, Better.HIGHER, Word.HOLDS),
        (-0.06, 0.02, Better.HIGHER, Word.NOT_CLEAR),
        (-0.09, -0.06, Better.HIGHER, Word.BREACHED),
        (-0.04, -0.02, Better.HIGHER, Word.HOLDS),
        (-0.05, 0.02, Better.HIGHER, Word.NOT_CLEAR),
        (-0.02, 0.04, Better.LOWER, Word.HOLDS),
        (-0.02, 0.06, Better.LOWER, Word.NOT_CLEAR),
        (0.06, 0.09, Better.LOWER, Word.BREACHED),
    ],
)
def test_the_word_is_read_off_the_interval_and_the_margin(low, high, better, word):
    assert guardrails.word(estimate(low, high), 0.05, better) is word


def test_the_limit_is_on_the_worse_side():
    assert guardrails.limit(0.05, Better.HIGHER) == -0.05
    assert guardrails.limit(0.05, Better.LOWER) == 0.05


@given(st.floats(-1, 1), st.floats(0.001, 1), st.floats(0, 0.5))
def test_lower_is_the_mirror_of_higher(low, width, margin):
    found = guardrails.word(estimate(low, low + width), margin, Better.HIGHER)
    assert guardrails.word(estimate(-low - width, -low), margin, Better.LOWER) is found


def test_a_relative_lift_that_is_not_identified_is_not_evaluable():
    assert guardrails.word(not_evaluable(NO_WORDS, NO_WORDS), 0.05, Better.HIGHER) is Word.NOT_EVALUABLE


def row(**changes):
    made = Row(
        "b",
        Word.NOT_CLEAR,
        estimate(1.8, 2.2, scale=Scale.AMOUNT),
        absolute=estimate(-0.1, 0.3, scale=Scale.DIFFERENCE),
        relative=estimate(-0.05, 0.16, 0.05),
        anytime=estimate(-0.2, 0.4, scale=Scale.DIFFERENCE, holds=Holds.ALWAYS),
    )
    return replace(made, **changes)


BASE = estimate(1.8, 2.2, scale=Scale.AMOUNT)


def test_at_any_look_the_interval_is_wider_by_the_differences_factor():
    found = guardrails.at_any_look(row(), BASE)
    assert found.interval == pytest.approx((0.05 - 1.5 * 0.10, 0.05 + 1.5 * 0.11))
    assert found.holds is Holds.ALWAYS_IN_THE_LIMIT
    assert "any look" in str(found.method)


def test_it_is_never_narrower():
    narrow = estimate(0.0, 0.1, scale=Scale.DIFFERENCE, holds=Holds.ALWAYS)
    assert guardrails.at_any_look(row(anytime=narrow), BASE).interval == pytest.approx(row().relative.interval)


@pytest.mark.parametrize(
    "changes",
    [
        {"anytime": None},
        {"absolute": None},
        {"relative": None},
        {"anytime": not_evaluable(NO_WORDS, NO_WORDS)},
        {"absolute": not_evaluable(NO_WORDS, NO_WORDS)},
        {"relative": not_evaluable(NO_WORDS, NO_WORDS)},
    ],
)
def test_what_is_missing_is_said(changes):
    found = guardrails.at_any_look(row(**changes), BASE)
    assert found.validity is Validity.NOT_EVALUABLE
    assert found.note is not None


@pytest.mark.parametrize("base", [estimate(0.1, 1.0), not_evaluable(NO_WORDS, NO_WORDS)])
def test_a_control_near_zero_is_not_identified(base):
    assert "may be zero" in str(guardrails.at_any_look(row(), base).note)


def test_a_sequence_of_relative_lifts_misses_at_most_its_share():
    # Ratios of means of normals at 20 looks, as wide as the asymptotic sequence is over its fixed interval (eq. 9 of
    # arXiv 2103.06476 with rho tightest at the last look). The truth must be outside at any look in at most 5 %.
    rng = np.random.default_rng(7)
    runs, looks, per = 600, 20, 500
    n = per * np.arange(1, looks + 1)
    means = [
        np.cumsum(rng.normal(mean, np.sqrt(per), (runs, looks)) + (per - 1) * mean, axis=1) / n for mean in (2.0, 2.2)
    ]
    n_all, alpha = 2 * n, 0.05
    rho2 = (-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / n_all[-1]
    width = np.sqrt((n_all * rho2 + 1) / (n_all * rho2) * np.log((n_all * rho2 + 1) / alpha**2))
    relative = means[1] / means[0] - 1
    error = np.sqrt((1 + (relative + 1) ** 2) / n) / means[0]
    missed = (np.abs(relative - 0.1) > width * error).any(axis=1).mean()
    assert missed <= alpha + stats.norm.isf(0.001) * np.sqrt(alpha * (1 - alpha) / runs)
