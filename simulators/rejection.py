"""Replay by rejection: a policy is asked about logged rows, and meets the rows that agree with it.

Li, Chu, Langford and Wang, "Unbiased Offline Evaluation of Contextual-bandit-based News Article Recommendation
Algorithms", 2011; for unequal logging, matches are thinned so that every variant is accepted at one rate, as in Dudik,
Erhan, Langford and Li, "Sample-efficient Nonstationary Policy Evaluation for Contextual Bandits", 2012.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from armlift import Answer, Ask, Event

from engine.experiments import Experiment
from engine.randomness import integer, request_id, share_weight
from engine.records import Group, Reason
from simulators.doors import Door
from simulators.rows import Row, span
from simulators.traffic import batches

_ROWS_A_CALL = 100
_SETTLE_EVERY = 500


def replay(
    door: Door, experiment: Experiment, rows: Sequence[Row], advance: Callable[[int], None] = lambda _: None
) -> list[Row]:
    """Return the rows that were accepted, in order: their variant is what the policy drew.

    An accepted row is exposed and gets its outcomes. The others are never exposed, so they never mature. `advance`
    counts rows.
    """
    lowest = min(row.propensity for row in rows)
    accepted: list[Row] = []
    n_until_settled = _SETTLE_EVERY
    # A row that waits longer for its exposure than for its maturity would count as never exposed.
    for batch in batches(rows, lambda row: row.at, _ROWS_A_CALL, experiment.maturity_age / 2):
        answers = door.assign([_ask(experiment, row) for row in batch])
        met = [
            (row, answer)
            for row, answer in zip(batch, answers, strict=True)
            if _agrees(row, answer) and accepts(experiment.experiment_id, row, lowest)
        ]
        _report(door, met, batch[-1].at)
        accepted += [row for row, _ in met]
        n_until_settled -= len(batch)
        if n_until_settled <= 0:
            door.settle()
            n_until_settled = _SETTLE_EVERY
        advance(len(batch))
    door.tick(span(rows, experiment.metrics)[1])
    door.settle()
    return accepted


def accepts(experiment_id: str, row: Row, lowest: float) -> bool:
    """Whether a match is kept: with probability lowest / p_log(logged variant), drawn under a tag of its own."""
    return integer("replay-accept", experiment_id, row.key) < share_weight(lowest / row.propensity)


def _agrees(row: Row, answer: Answer) -> bool:
    is_draw = answer.reason == Reason.DRAWN.name and answer.group == Group.POLICY.value
    return is_draw and answer.variant == row.variant


def _ask(experiment: Experiment, row: Row) -> Ask:
    return Ask(
        experiment.experiment_id,
        units={experiment.unit: row.unit_id},
        context=row.context,
        request_id=request_id(row.at, row.key),
        at=row.at,
    )


def _report(door: Door, met: Sequence[tuple[Row, Answer]], at: datetime) -> None:
    events = [event for row, answer in met for event in _events(row, answer, at)]
    if met:
        door.expose([answer for _, answer in met], at)
    if events:
        door.record(events, at)


def _events(row: Row, answer: Answer, at: datetime) -> list[Event]:
    return [
        Event(
            metric,
            None if value == 1.0 else value,
            assignment_id=answer.assignment_id,
            outcome_id=f"{answer.assignment_id} {metric}",
            occurred_at=at,
        )
        for metric, value in row.outcomes.items()
    ]
