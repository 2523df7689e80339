"""What the tests of doors share: logs of all kinds, and whether two logs are the same."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from analysis.adaptive.drawn import Context
from analysis.ope.logged import Logged

DATA = Path(__file__).parents[5] / "shared" / "data"
"""Real logs, which are beside the repository or are not there."""

COLUMNS = ("variant", "reward", "propensity", "unit", "at", "slate", "slot", "logger", "could_be")

WORDS = st.text("abc ,\"'\n\rżш中", min_size=1, max_size=5)


def joined(blocks, name):
    return np.concatenate([getattr(block, name) for block in blocks])


def fields_of(blocks):
    """Return the context of each draw by name."""
    return [question.context for block in blocks for question in replace(block, ask=None).questions()]


def check_same(one, other, without=()):
    """Hold that two logs, as blocks, have the same draws; `row` is where they were read."""
    for name in set(COLUMNS) - set(without):
        assert joined(one, name).tolist() == joined(other, name).tolist(), name
    assert [str(name) for name in one[0].variants] == [str(name) for name in other[0].variants]
    assert (one[0].patterns is None) == (other[0].patterns is None)
    if one[0].patterns is not None:
        assert joined(one, "probabilities").tolist() == joined(other, "probabilities").tolist()
    if "context" not in without:
        assert fields_of(one) == fields_of(other)


@st.composite
def logs(draw, is_whole=None, has_texts=True, has_slates=True, has_sets=True):
    """Logs with all that a log can have, whose units and slates are numbered in the order of their coming.

    The slots of a slate have one context and one time, as the items of one request do.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, k = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    sets = rng.random((n, k)) < 0.7 if has_sets else np.ones((n, k), np.bool_)
    starts = rng.random(n) < (0.6 if has_slates else 1.1)
    starts[0] = True
    slate = np.cumsum(starts) - 1
    first = np.flatnonzero(starts)
    # What later slots can be, the first one can be: they choose among what is left.
    sets[first] |= np.array([sets[a:b].any(axis=0) for a, b in pairwise([*first, n])])
    sets[np.arange(n), rng.integers(0, k, n)] |= ~sets.any(axis=1)
    sets[first] |= np.array([sets[a:b].any(axis=0) for a, b in pairwise([*first, n])])
    weights = np.where(sets, rng.integers(1, 1000, (n, k)), 0)
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    variant = np.array([rng.choice(np.flatnonzero(row)) for row in sets])
    whole = draw(st.booleans()) if is_whole is None else is_whole
    words = draw(st.lists(WORDS, min_size=1, max_size=3, unique=True)) if has_texts else []
    codes = rng.integers(0, len(words), (n, 1)) if has_texts else np.zeros((n, 0), np.int64)
    numbers = np.where(rng.random((n, 2)) < 0.8, rng.normal(size=(n, 2)), np.nan)
    log = Logged.of(
        tuple(f"v{place}" for place in range(k)),
        variant,
        draw(st.sampled_from([1.0, 0.1, 3.7])) * rng.integers(0, 2, n),
        probabilities[np.arange(n), variant],
        probabilities=probabilities if whole else None,
        context=Context(numbers[first[slate]], codes[first[slate]]),
    )
    unit = slate if has_slates else np.cumsum(rng.random(n) < 0.7) - 1
    return replace(
        log,
        at=1_600_000_000_000_000 + rng.integers(0, 10**12) + slate,
        unit=unit - unit[0],
        slate=slate,
        slot=np.arange(n) - first[slate],
        logger=np.full(n, rng.integers(0, 3)),
        numbers=("age", "group.size"),
        texts=("group.day",) if has_texts else (),
        words=(tuple(words),) if has_texts else (),
        pattern=np.arange(n),
        eligible=sets,
    )


def in_pieces(log):
    """Return the log as an iterable of blocks of one slate each."""
    return log.blocks(1)
