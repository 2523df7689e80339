"""What assignments earned, as the learner saw it: by what had come when they matured, and not by what came later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from analysis.arrays import Flags, Floats, Ints
from analysis.logs import crediting
from analysis.logs.crediting import Subjects, micros
from analysis.logs.frames import Frame
from engine.metrics import Metric
from engine.rewards import reward_of


@dataclass(frozen=True, slots=True)
class Told:
    """Outcomes within a metric's window, (n,), in the order in which they occurred: places among the frame's outcomes.

    `owner` is the subject of each, and `is_late` whether it came when that one had matured.
    """

    metric: Metric
    index: Ints
    owner: Ints
    is_late: Flags


def earned(frame: Frame, subjects: Subjects) -> Floats:
    """Return the rewards of the assignments that had matured at the log's end, the first ones in their order, (n,)."""
    age = micros(frame.experiment.maturity_age)
    n = int(np.searchsorted(subjects.since, frame.end - age, side="right"))
    values: dict[int, dict[str, list[float]]] = {}
    for found in told(frame, subjects):
        counts = ~found.is_late & (found.owner < n)
        worth = frame.outcomes.value[found.index[counts]].tolist()
        for owner, value in zip(found.owner[counts].tolist(), worth, strict=True):
            values.setdefault(owner, {}).setdefault(found.metric.name, []).append(value)
    rewards = np.full(n, reward_of(frame.experiment, {}))
    for owner, by_metric in values.items():
        rewards[owner] = reward_of(frame.experiment, by_metric)
    return rewards


def told(frame: Frame, subjects: Subjects) -> Iterator[Told]:
    """Yield what was told of each metric that the reward is made of."""
    age = micros(frame.experiment.maturity_age)
    for term in frame.experiment.reward:
        metric = frame.experiment.metric(term.metric)
        assert metric is not None, "definition.define checked it"
        index, owner = _held(frame, subjects, metric)
        # Outcomes are in the order of seq, and a stable sort keeps it.
        order = np.argsort(frame.outcomes.occurred_at[index], kind="stable")
        index, owner = index[order], owner[order]
        yield Told(metric, index, owner, frame.outcomes.received_at[index] >= subjects.since[owner] + age)


def _held(frame: Frame, subjects: Subjects, metric: Metric) -> tuple[Ints, Ints]:
    """Return the outcomes within a metric's window, and whose they are.

    What names a unit belongs to the latest assignment of which it can be an outcome: one that was exposed `after`
    before it. So they are dated back by that, as `engine.timeline` does.
    """
    if not metric.after:
        index = crediting.held(frame, subjects, metric)
        return index, subjects.credited[index]
    chosen = np.zeros(len(frame.assignments), np.bool_)
    chosen[subjects.row] = True
    dated_back = frame.outcomes.occurred_at - micros(metric.after)
    earlier = replace(frame, outcomes=replace(frame.outcomes, occurred_at=dated_back))
    again = crediting.assignments(earlier, chosen)
    index = crediting.held(earlier, again, replace(metric, after=timedelta(0), window=metric.window - metric.after))
    return index, again.credited[index]
