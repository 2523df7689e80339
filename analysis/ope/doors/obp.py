"""Open Bandit Pipeline's bandit feedback: a dictionary of arrays, without obp itself.

`n_rounds` n and `n_actions` k; `action`, `reward`, `pscore` and `position` (n,), the last from 0 or None; `context`
(n, d) and `action_context` (k, e) of numbers; and in some, `pi_b` (n, k, n_positions), whole distributions. A target
as obp has it, `action_dist` (n, k, n_positions), is `analysis.ope.targets.given.given(action_dist)`.

Source: obp/dataset/base.py, real.py and synthetic.py, obp 0.5.7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np

from analysis.adaptive.drawn import Context
from analysis.arrays import LARGEST, Flags, Floats, Ints
from analysis.ope.doors.leaving_out import LeftOut, Why, are_wrong, divided
from analysis.ope.logged import Ask, Collection, Logged, Question
from engine.errors import InvalidRequest
from engine.experiments import Variant
from engine.records import Context as Fields

_LARGEST_SLOT = 1 << 31

Feedback = Mapping[str, Any]
"""What obp calls bandit feedback."""


def read(feedback: Feedback, collection: Collection | None = None) -> Logged:
    """Return bandit feedback as a log. A round is a row, numbered from 0, a unit and a slate by itself.

    Actions are called by their numbers, columns of the contexts x0, x1 and so on. obp does not say whether a policy
    learned while it drew: the log is adaptive, unless `collection` says otherwise.

    Raises:
        InvalidRequest: an array is missing or of another shape, or no round can be used.

    >>> log = read({"n_rounds": 2, "n_actions": 3, "action": [0, 2], "reward": [1, 0], "pscore": [0.5, 0.2]})
    >>> log.variants, log.propensity.tolist(), feedback_of(log)["action"].tolist()
    (('0', '1', '2'), [0.5, 0.2], [0, 2])
    """
    n, k = (_whole(feedback, name) for name in ("n_rounds", "n_actions"))
    action, reward, pscore = (_array(feedback, name, (n,)) for name in ("action", "reward", "pscore"))
    slot = np.zeros(n) if feedback.get("position") is None else _array(feedback, "position", (n,))
    context = np.zeros((n, 0)) if feedback.get("context") is None else _array(feedback, "context", (n, -1))
    is_drawn = _are_places(action, k) & _are_places(slot, _LARGEST_SLOT)
    drawn, at = (np.where(is_drawn, places, 0).astype(np.int64) for places in (action, slot))
    patterns, is_one = _patterns(feedback, n, k, at)
    p = pscore if patterns is None else patterns[np.arange(n), drawn]
    wrong = {
        Why.VARIANT: ~is_drawn,
        Why.NO_PROPENSITY: np.isnan(pscore),
        Why.DISTRIBUTION: ~is_one,
        Why.PROPENSITY: are_wrong(pscore, p),
        Why.REWARD: ~(np.abs(reward) <= LARGEST),
    }
    log = Logged.of(
        tuple(str(place) for place in range(k)),
        drawn,
        reward,
        p,
        probabilities=patterns,
        collection=collection,
        context=Context(np.where(np.abs(context) <= LARGEST, context, np.nan), np.zeros((n, 0), np.int64)),
    )
    everything = None if patterns is None else np.broadcast_to(np.True_, (n, k))
    asked = replace(log, slot=at, eligible=everything, ask=_asking(context, _actions(feedback, k)))
    return _kept(replace(asked, numbers=_named(context)), wrong)


def _kept(log: Logged, wrong: Mapping[Why, Flags]) -> Logged:
    left_out = LeftOut()
    is_kept = left_out.sift(wrong, log.row)
    if not is_kept.any():
        raise InvalidRequest(f"there is no draw to evaluate from: {left_out.said()}")
    return replace(log[is_kept], left_out=left_out.counts())


def _patterns(feedback: Feedback, n: int, k: int, slot: Ints) -> tuple[Floats | None, Flags]:
    """Return the distribution of each round at its position, (n, k), and whether it can be used, (n,)."""
    if feedback.get("pi_b") is None:
        return None, np.ones(n, np.bool_)
    found = _array(feedback, "pi_b", (n, k, -1))
    if slot.max(initial=0) >= found.shape[2]:
        raise InvalidRequest(f"`pi_b` has {found.shape[2]} positions, and `position` goes up to {slot.max()}")
    return divided(found[np.arange(n), :, slot])


def _whole(feedback: Feedback, name: str) -> int:
    value = feedback.get(name)
    if not isinstance(value, Integral) or int(value) < 1:
        raise InvalidRequest(f"bandit feedback must say `{name}`, a whole number above 0, and has {value!r}")
    return int(value)


def _array(feedback: Feedback, name: str, shape: tuple[int, ...]) -> Floats:
    """Return an array of numbers of a shape, in which -1 is any."""
    if feedback.get(name) is None:
        raise InvalidRequest(f"bandit feedback has no `{name}`: it has {', '.join(feedback)}")
    try:
        found = np.asarray(feedback[name], np.float64)
    except (TypeError, ValueError):
        raise InvalidRequest(f"`{name}` must be an array of numbers") from None
    if found.ndim != len(shape) or any(size not in (-1, there) for size, there in zip(shape, found.shape, strict=True)):
        raise InvalidRequest(f"`{name}` must be {shape}, where -1 is any size, and is {found.shape}")
    return found


def _are_places(numbers: Floats, n: int) -> Flags:
    return np.asarray((numbers >= 0) & (numbers < n) & (np.floor(numbers) == numbers))


def _named(context: Floats) -> tuple[str, ...]:
    return tuple(f"x{place}" for place in range(context.shape[1]))


def _actions(feedback: Feedback, k: int) -> tuple[Variant, ...]:
    given = feedback.get("action_context")
    features = np.zeros((k, 0)) if given is None else _array(feedback, "action_context", (k, -1))
    return tuple(Variant(str(place), features=_fields(row)) for place, row in enumerate(features))


def _fields(row: Floats) -> Fields:
    return {f"x{place}": number for place, number in enumerate(row.tolist()) if np.isfinite(number)}


def _asking(context: Floats, actions: tuple[Variant, ...]) -> Ask:
    def ask(rows: Ints) -> Iterator[Question]:
        for row in rows.tolist():
            yield Question(_fields(context[row]), actions)

    return ask


def feedback_of(log: Logged) -> dict[str, Any]:
    """Return a log as obp's bandit feedback; `read` makes the same log of it where its context has numbers alone.

    A text of the context becomes a column for each word, 1 where it is that word. `position` is None where every draw
    has the first slot. `pi_b` is there where the log has whole distributions: (n, k, n_positions), NaN at the other
    positions of a draw, which nothing says. `action_context` are the numbers among the features of the variants.
    """
    n_slots = int(log.slot.max(initial=0)) + 1
    found: dict[str, Any] = {
        "n_rounds": len(log),
        "n_actions": log.k,
        "action": log.variant.copy(),
        "position": log.slot.copy() if n_slots > 1 else None,
        "reward": log.reward.copy(),
        "pscore": log.propensity.copy(),
        "context": np.column_stack([log.context.numbers, *_one_hot(log)]),
        "action_context": _features(log),
    }
    if (p := log.probabilities) is not None:
        found["pi_b"] = np.full((len(log), log.k, n_slots), np.nan)
        found["pi_b"][np.arange(len(log)), :, log.slot] = p
    return found


def _one_hot(log: Logged) -> Iterator[Floats]:
    for codes, words in zip(log.context.codes.T, log.words, strict=True):
        yield (codes[:, None] == np.arange(len(words))).astype(np.float64)


def _features(log: Logged) -> Floats:
    """Return the numbers among the features of what the first draw was among, (k, e), NaN where there is none."""
    first = next(log[:1].questions(), Question({}, ()))
    known = {variant.name: variant.features for variant in first.eligible}
    names = sorted(
        {name for each in known.values() for name, value in each.items() if isinstance(value, int | float)},
        key=lambda name: (len(name), name),
    )
    rows = [[_number(known.get(str(variant), {}).get(name)) for name in names] for variant in log.variants]
    return np.array(rows, np.float64).reshape(log.k, len(names))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
