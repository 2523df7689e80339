"""Whether a ramp may go on: a guardrail that is worse sends it back, rows that are lost hold it.

It may be asked as often as anybody likes. The ratio tests are sequential (`sequential.ratio`), and guardrails are read
off intervals that hold at any look (`guardrails.at_any_look`), whatever the plan of the experiment is: each of them
sends a ramp back by chance with a probability of at most what its interval may miss, at all looks together.

Only the current epoch is looked at. What was rolled back and mended begins anew, and is not sent back for what it did.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from analysis import adaptive, designs
from analysis.arrays import distinct
from analysis.checks import balance
from analysis.deciding import guardrails
from analysis.designs import parts
from analysis.document import Check, Row, Table, Word
from analysis.estimate import Estimate, Scale
from analysis.logs import epochs, frames
from analysis.logs.frames import Frame
from analysis.logs.sources import LogSource
from analysis.texts import Number, Style, count, probability, share
from engine.experiments import Looking
from engine.metrics import Metric, Role
from engine.ramping import place

_STYLES = {Scale.RELATIVE: Style.SIGNED_SHARE, Scale.POINTS: Style.POINTS}
"""How an estimate's ends are written; others are amounts with their sign."""


class Decision(Enum):
    """What a ramp is to do."""

    GO_ON = "go on"
    WAIT = "wait"
    """Too few units were exposed yet."""
    HOLD = "hold"
    """Counts do not fit their propensities, so that nothing can be read off the log."""
    ROLL_BACK = "roll back"
    """A guardrail is worse by more than its margin."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a ramp is to do, and the evidence in one sentence."""

    decision: Decision
    evidence: str


@dataclass(frozen=True, slots=True)
class _Guarded:
    """What a guardrail says of a variant or group, and the estimate that it says so by."""

    metric: Metric
    name: str
    estimate: Estimate
    word: Word


def judge(log: LogSource, experiment_id: str) -> Finding:
    """Return what the log says of a ramp at its current step; how long the step has lasted is not asked here.

    A guardrail comes before a mismatch: what breaks a product may lose rows too. A guardrail that is not clear yet lets
    the ramp go on, and the evidence says so.

    Raises:
        UnknownExperiment: the log has no such experiment.
    """
    frame = _at_any_look(frames.read(log, experiment_id))
    state, ramp = frame.state, frame.experiment.funnel.ramp
    n_units = _n_exposed(frame)
    checks, guarded = _checks(frame), list(_guarded(frame))
    step = ramp[min(state.step, len(ramp) - 1)]
    said = [_units(n_units, step.n_units), *map(_check, checks), *map(_guardrail, guarded)]
    return Finding(_decision(n_units >= step.n_units, checks, guarded), f"{place(state)}: {', '.join(said)}")


def _at_any_look(frame: Frame) -> Frame:
    """Return the current epoch, to be read at any look."""
    experiment = frame.experiment
    often = replace(experiment, plan=replace(experiment.plan, looking=Looking.ANY))
    return epochs.only(replace(frame, state=replace(frame.state, experiment=often)), frame.state.epoch)


def _decision(is_enough: bool, checks: list[Check], guarded: list[_Guarded]) -> Decision:
    if any(each.word is Word.BREACHED for each in guarded):
        return Decision.ROLL_BACK
    if any(check.holds is False for check in checks):
        return Decision.HOLD
    return Decision.GO_ON if is_enough else Decision.WAIT


def _n_exposed(frame: Frame) -> int:
    rows = frame.assignments
    return len(distinct(rows.unit_key[rows.is_usable & rows.is_exposed]))


def _checks(frame: Frame) -> list[Check]:
    """Return the sequential ratio tests. What differed before the start is no such test, and is the report's."""
    checks, _ = parts.ratio_checks(frame, adaptive.draws(frame), in_full=False)
    groups = [balance.groups(frame)] if frame.assignments.is_control_group.any() else []
    return [*checks, *groups]


def _guarded(frame: Frame) -> Iterator[_Guarded]:
    asked = [metric for metric in frame.experiment.metrics if metric.role is Role.GUARDRAIL]
    if not asked or not len(frame.assignments):
        return
    find = designs.learned if frame.experiment.policy.learns else designs.tested
    found = find(frame, in_full=False).metrics
    for metric in asked:
        table = next((table for table in found[metric.name].tables if table.baseline), None)
        yield from _rows(metric, table) if table else ()


def _rows(metric: Metric, table: Table) -> Iterator[_Guarded]:
    baseline = next(row.value for row in table.rows if row.name == table.baseline)
    for row in table.rows:
        if row.name != table.baseline:
            yield _Guarded(metric, str(row.name), *_read(metric, row, baseline))


def _read(metric: Metric, row: Row, baseline: Estimate) -> tuple[Estimate, Word]:
    """Return the estimate of a guardrail that holds at any look, and its word."""
    margin, relative = metric.margin or 0.0, guardrails.at_any_look(row, baseline)
    said = guardrails.word(relative, margin, metric.better)
    if said is Word.NOT_EVALUABLE and guardrails.is_worse_outright(row, baseline, margin, metric.better):
        assert row.anytime is not None, "it has shown it"
        return row.anytime, Word.BREACHED
    return relative, said


def _units(n: int, enough: int) -> str:
    return f"{count(n)} units" if n >= enough else f"{count(n)} of {count(enough)} units"


def _check(check: Check) -> str:
    if check.p_value is None:
        return "too few draws to check their counts"
    said = "no mismatch" if check.holds else "a mismatch"
    return f"{said} ({check.title}: p {probability(check.p_value)})"


def _guardrail(of: _Guarded) -> str:
    named = f"guardrail {of.metric.name} of {of.name}"
    if of.estimate.interval is None:
        return f"{named}: not known yet"
    words = {Word.HOLDS: "no worse than its margin", Word.BREACHED: "worse than its margin"}
    ends = [Number(end, _STYLES.get(of.estimate.scale, Style.SIGNED)) for end in of.estimate.interval]
    interval = f"{ends[0]} to {ends[1]} at {share(of.estimate.level)}, margin {share(of.metric.margin or 0.0)}"
    return f"{named}: {words.get(of.word, 'not clear yet')} ({interval})"
