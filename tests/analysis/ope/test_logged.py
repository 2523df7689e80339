"""Draws in their columns: parts of a log, its blocks, and the questions that columns make."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.adaptive.drawn import Context
from analysis.ope.logged import Logged

WHOLE = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])


def slates(sizes: list[int]) -> Logged:
    """Return draws that fill so many slots each."""
    n = sum(sizes)
    slate = np.repeat(np.arange(len(sizes)), sizes)
    log = Logged.of(("a", "b"), np.zeros(n, np.int64), np.ones(n), np.full(n, 0.5))
    return replace(log, slate=slate)


@given(st.lists(st.integers(1, 5), max_size=30), st.integers(1, 12))
def test_blocks_are_the_log_in_pieces_and_cut_no_slate(sizes: list[int], n: int) -> None:
    log = slates(sizes)
    blocks = list(log.blocks(n))
    assert np.concatenate([np.zeros(0, np.int64), *(block.row for block in blocks)]).tolist() == log.row.tolist()
    assert all(len(block) for block in blocks)
    assert all(one.slate[-1] != other.slate[0] for one, other in pairwise(blocks))
    assert all(len(block) < n + max(sizes, default=0) for block in blocks)


def test_a_part_keeps_its_distributions_and_says_nothing_of_what_was_left_out() -> None:
    log = Logged.of(("a", "b", "c"), np.array([0, 1]), np.ones(2), np.array([0.5, 0.3]), probabilities=WHOLE)
    part = replace(log, n_open=7)[np.array([False, True])]
    assert part.probabilities is not None
    assert part.probabilities.tolist() == [[0.2, 0.3, 0.5]]
    assert (part.n_open, part.left_out, part.row.tolist()) == (0, (), [1])


def test_all_could_be_but_for_what_is_said_not_to() -> None:
    log = Logged.of(("a", "b", "c"), np.array([0, 1]), np.ones(2), np.array([0.5, 0.3]), probabilities=WHOLE)
    assert log.could_be.all(), "what was never drawn may have been eligible"
    narrow = replace(log, eligible=WHOLE > 0)
    assert narrow.could_be.tolist() == [[True, True, False], [True, True, True]]
    assert Logged.of(("a", "b"), np.array([0]), np.ones(1), np.ones(1)).could_be.all()


@pytest.mark.parametrize("has_whole", [True, False])
def test_columns_make_questions_without_what_is_missing(has_whole: bool) -> None:
    context = Context(np.array([[1.0, np.nan], [np.nan, 2.0]]), np.array([[0], [-1]]))
    log = Logged.of(
        ("a", "b", "c"),
        np.array([0, 1]),
        np.ones(2),
        np.array([0.5, 0.3]),
        probabilities=WHOLE if has_whole else None,
        context=context,
    )
    named = replace(
        log,
        numbers=("x", "y"),
        texts=("t",),
        words=(("red",),),
        eligible=WHOLE > 0 if has_whole else None,
    )
    first, second = named.questions()
    assert (dict(first.context), dict(second.context)) == ({"x": 1.0, "t": "red"}, {"y": 2.0})
    assert [variant.name for variant in first.eligible] == (["a", "b"] if has_whole else ["a", "b", "c"])
    assert [variant.name for variant in second.eligible] == ["a", "b", "c"]
