"""One run of a cell: a log is drawn, evaluated at one look or at thirty while it grows, and compared with the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from covering.running import LOOKS, chance, ends
from covering_ope import peers, requiring
from covering_ope.drawing import ESTIMANDS, Made, made
from covering_ope.peers import Peer
from covering_ope.worlds import Cell

from analysis import ope
from analysis.estimate import Estimate, Scale
from analysis.ope.evaluation import Diagnostics
from analysis.ope.gathering import Asked, Gathered
from analysis.ope.models.predicting import predictor
from analysis.ope.models.ridge import Ridge
from analysis.texts import text

REWARDED, WEIGHT = 100, 20.0
"""Widths are held to a limit where so many rewarded draws matched, and no weight could be above this."""

_TWO_SIDES = 2 * 1.959964
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Told:
    """What one log said of one estimand, at `n_looks` looks: at `n_said` of them something, at `n_must` it had to.

    It `misses` where any interval that was said leaves out the truth, `misses_forced` where any does that the verdict
    withheld or not. The `width` of the last one and its `error`, which is that of the value, are None where there is
    none, be it forced. `oracle` is the width of the normal interval with the oracle's variance. `is_judged` says
    whether the width is held to a limit, and `is_sure` whether draws of each kind, for and against, of a share also
    those without a reward, weigh as much as REWARDED equal ones.
    """

    method: str
    n_looks: int
    n_said: int
    n_must: int
    misses: bool
    misses_forced: bool
    width: float | None
    error: float | None
    oracle: float
    is_judged: bool
    is_sure: bool


@dataclass(frozen=True)
class Run:
    """What a log said of each estimand, and what peers say of its value, where they were asked."""

    told: dict[str, Told]
    peers: dict[str, Peer]


@dataclass(frozen=True)
class Read:
    """An estimand at a look: what was estimated, whether the verdict lets it pass, whether it must, and the truth."""

    estimate: Estimate
    is_let_pass: bool
    must: bool
    truth: float

    @property
    def is_said(self) -> bool:
        """Whether there is an interval."""
        return self.is_let_pass and self.estimate.interval is not None

    @property
    def misses(self) -> bool:
        """Whether the interval, be it forced, leaves out the truth."""
        if self.estimate.interval is None:
            return False
        low, high = self.estimate.interval
        return not low - _ROUNDING <= self.truth <= high + _ROUNDING


def once(cell: Cell, seed: int, number: int, *, with_peers: bool) -> Run:
    """Return a run that is evaluated once, through the front door."""
    drawn = made(cell, chance(cell.name, seed, number))
    found = ope.evaluate(drawn.log, drawn.asked, forced=True)
    lets_pass = found.verdict.word is not ope.Evaluable.NO
    told = {}
    for estimand in ESTIMANDS:
        read = Read(getattr(found, estimand), lets_pass, requiring.once(drawn, estimand), drawn.truth(estimand))
        told[estimand] = _told([read], drawn, estimand, found.diagnostics)
    return Run(told, peers.asked(drawn, seed + number) if with_peers else {})


def often(cell: Cell, seed: int, number: int) -> Run:
    """Return a run that is looked at thirty times while its log grows.

    What `evaluate` gathers of a log that comes block by block is asked after each block: as it says of a log that ends
    there, without reading all from the start again (tests/statistical/test_ope_coverage_smoke.py).
    """
    drawn = made(cell, chance(f"{cell.name}, often", seed, number))
    gathered = begun(drawn)
    truths = {estimand: drawn.truths(estimand) for estimand in ESTIMANDS}
    reads: dict[str, list[Read]] = {estimand: [] for estimand in ESTIMANDS}
    start = 0
    for end in ends(len(drawn), LOOKS):
        gathered.add(drawn.log[start:end])
        lets_pass = gathered.evidence.verdict().word is not ope.Evaluable.NO
        for estimand in ESTIMANDS:
            must = requiring.at_look(drawn, estimand, end)
            truth = float(truths[estimand][end - 1])
            reads[estimand].append(Read(estimated(gathered, estimand), lets_pass, must, truth))
        start = end
    found = gathered.evidence.diagnostics()
    return Run({estimand: _told(reads[estimand], drawn, estimand, found) for estimand in ESTIMANDS}, {})


def begun(drawn: Made) -> Gathered:
    """Return what `evaluate` gathers a log with that comes in blocks, before the first."""
    earlier = predictor(None, Ridge(), is_adaptive=True)
    return Gathered.by(Asked(drawn.asked), drawn.log.collection, None, earlier)


def estimated(gathered: Gathered, estimand: str) -> Estimate:
    """Return the interval for any look of what was gathered until now."""
    always = gathered.always
    asked = always.value if estimand == "value" else always.difference
    return asked.estimate(text("ope.reward"), Scale.AMOUNT)


def _told(reads: Sequence[Read], drawn: Made, estimand: str, found: Diagnostics) -> Told:
    last = reads[-1]
    interval = last.estimate.interval
    return Told(
        next((str(each.estimate.method) for each in reversed(reads) if each.is_said), ""),
        len(reads),
        sum(each.is_said for each in reads),
        sum(each.must for each in reads),
        any(each.is_said and each.misses for each in reads),
        any(each.misses for each in reads),
        None if interval is None else interval[1] - interval[0],
        None if last.estimate.value is None else last.estimate.value - last.truth,
        _TWO_SIDES * drawn.oracle(estimand),
        last.is_said and _is_judged(found),
        last.is_said and _is_judged(found) and requiring.least_effective(drawn, estimand, len(drawn)) >= REWARDED,
    )


def _is_judged(found: Diagnostics) -> bool:
    largest = found.largest if found.possible is None else found.possible
    return found.n_rewarded >= REWARDED and largest <= WEIGHT and not found.unsupported
