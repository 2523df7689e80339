"""What the runs come to: whether intervals hold the truth, and how far each rule is from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from covering.judging import LEAST, covers
from covering_attribution.running import MEASURES, REACHED, RULES, Floats, Run, Told

from analysis.lifts.intervals import wilson

SAID = 0.95
"""An effect that randomisation proves must be told in so many runs, or refusing would buy coverage."""

_TWO_SIDES = 2 * 1.959964


@dataclass(frozen=True)
class Judged:
    """A row of the table of effects: `truth`, `estimate` and `width` are means over runs of what came in all.

    `coverage` is among the runs that said something, `lowest` the lower end of its Wilson interval; `own` is the mean
    width in those of the normal interval with the standard deviation that the estimates have. `why` is what failed.
    """

    name: str
    measure: str
    n_runs: int
    said: float
    truth: float
    estimate: float
    coverage: float
    lowest: float
    width: float
    own: float
    why: str


@dataclass(frozen=True)
class Misled:
    """A rule's row: its credit in what is true, by channel and of nobody, and which share of all it misplaces.

    That is half the sum of the distances of shares from the true ones: so much would have to change hands. `among` is
    the same of the channels alone, as if nothing came anyway.
    """

    rule: str
    measure: str
    ratios: Mapping[str, float]
    nobody: float
    misplaced: float
    among: float


def judged(runs: Sequence[Run]) -> list[Judged]:
    """Return the rows of all effects."""
    return [_judged(*key, [run.effects[key] for run in runs]) for key in runs[0].effects]


def misled(runs: Sequence[Run]) -> list[Misled]:
    """Return the rows of all rules, those of purchases first."""
    caused = np.mean([run.caused for run in runs], axis=0)
    return [
        _misled(rule, place, np.mean([run.credited[rule] for run in runs], axis=0), caused)
        for place in range(len(MEASURES))
        for rule in RULES
    ]


def verdict(found: Sequence[Misled], of: str) -> str:
    """Return in a sentence which rule misleads by how much, in a measure.

    >>> rows = [Misled("last", "euros", {"a": 9.0}, 0.5, 0.4, 0.2), Misled("first", "euros", {"a": 3.0}, 0.5, 0.4, 0.1)]
    >>> verdict(rows, "euros")
    'euros: rules misplace 40 to 40 % of all; among channels first 10 %, the least, and last 20 %, with 9 times for a'
    """
    rows = [each for each in found if each.measure == of]
    misplaced = [each.misplaced for each in rows]
    best, worst = (pick(rows, key=lambda each: each.among) for pick in (min, max))
    channel = max(worst.ratios, key=lambda name: worst.ratios[name])
    return (
        f"{of}: rules misplace {100 * min(misplaced):.0f} to {100 * max(misplaced):.0f} % of all; among channels "
        f"{best.rule} {100 * best.among:.0f} %, the least, and {worst.rule} {100 * worst.among:.0f} %, with "
        f"{worst.ratios[channel]:.0f} times for {channel}"
    )


def _judged(name: str, measure: str, told: Sequence[Told]) -> Judged:
    said = [each for each in told if each.value is not None]
    misses, n = sum(each.misses for each in said), len(said)
    values = np.array([each.value for each in said])
    width = float(np.mean([each.high - each.low for each in said])) if said else float("nan")
    spread = float(values.std(ddof=1)) if n > 1 else float("nan")
    coverage = 1 - misses / max(n, 1)
    return Judged(
        name,
        measure,
        len(told),
        n / len(told),
        float(np.mean([each.truth for each in told])),
        float(values.mean()) if said else float("nan"),
        coverage,
        float(wilson(np.array(coverage), np.array(max(n, 1)), 0.05)[0]),
        width,
        width / (_TWO_SIDES * spread),
        _why(misses, n, len(told)),
    )


def _why(misses: int, n: int, n_runs: int) -> str:
    if n < SAID * n_runs:
        return f"is told in less than {SAID:.0%} of the runs"
    return "" if covers(misses, n) else f"covers less than {LEAST:.0%}"


def _misled(rule: str, place: int, credited: Floats, caused: Floats) -> Misled:
    ratios = credited[:, place] / caused[:, place]
    by_channel = dict(zip(REACHED, ratios[:-1].tolist(), strict=True))
    of_all, among = (_misplaced(credited[:n, place], caused[:n, place]) for n in (len(caused), len(REACHED)))
    return Misled(rule, MEASURES[place], by_channel, float(ratios[-1]), of_all, among)


def _misplaced(credited: Floats, caused: Floats) -> float:
    return float(abs(credited / credited.sum() - caused / caused.sum()).sum() / 2)
