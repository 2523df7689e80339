"""Are the logged propensities those of the draws? Rows that are made again, and counts that fit.

Both are needed. Making a draw again finds what was logged wrongly: a distribution that was rounded, one of another
snapshot than the row names, a forced answer that was logged as a draw. Counting finds what is no longer in the log:
rows that were thinned out, or a variant's rows that were lost on the way. A log from elsewhere can be counted alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from analysis.checks import counting, recomputing
from analysis.checks.counting import Counts
from analysis.checks.predicting import Learned
from analysis.checks.recomputing import Again, Fault
from analysis.logs.frames import Frame
from analysis.logs.sources import LogSource
from analysis.texts import Text, amount, count, plain, probability, text

_FAULTS = {
    recomputing.COLUMNS: "columns",
    recomputing.SUM: "sum",
    recomputing.HOLES: "holes",
    "distribution": "distribution",
    "snapshot": "snapshot",
    "number": "number",
    "draw": "draw",
}


@dataclass(frozen=True, slots=True)
class Propensities:
    """What was found of a log's propensities; `again` is None where its rows cannot be made again."""

    counts: Counts
    again: Again | None

    @property
    def hold(self) -> bool:
        """Whether nothing is wrong."""
        return not self.counts.alarms and not (self.again and self.again.faults)


def propensities(
    source: LogSource,
    frame: Frame,
    learned: Learned | None,
    *,
    looked: Callable[[int], object] = lambda seq: seq,
) -> Propensities:
    """Return whether the draws of a frame are what the log says; without rows and snapshots their counts alone."""
    name = frame.experiment.experiment_id
    again = recomputing.again(learned, name, looked=looked) if learned else None
    return Propensities(counting.counts(source, frame), again)


def said(found: Propensities) -> Iterator[Text]:
    """Yield what was found, in sentences."""
    if found.again is None:
        yield text("propensities.not_again")
    else:
        yield from _said_again(found.again)
    yield from _said_counts(found.counts)


def _said_again(again: Again) -> Iterator[Text]:
    yield text("propensities.again", n=count(again.n_reproduced))
    if again.n_forgotten:
        yield text("propensities.forgotten", n=count(again.n_forgotten))
    if again.n_imported:
        yield text("propensities.imported", n=count(again.n_imported))
    for step, fault in again.faults.items():
        yield _said_fault(step, fault)


def _said_fault(step: str, fault: Fault) -> Text:
    seqs = tuple(plain(seq) for seq in fault.first)
    return text(f"propensities.fault_{_FAULTS.get(step, 'other')}", n=count(fault.n), step=step, seqs=seqs)


def _said_counts(counts: Counts) -> Iterator[Text]:
    if counts.p_value is None:
        yield text("propensities.too_few", n=count(counts.n), enough=count(counting.FEWEST))
        return
    tested = {"n": count(counts.n), "sets": count(counts.n_sets), "p": probability(counts.p_value)}
    yield text("propensities.do_not_fit" if counts.alarms else "propensities.fit", **tested)
    for alarm in counts.alarms:
        yield text(
            "propensities.alarm",
            variant=alarm.variant,
            among=alarm.among,
            observed=count(alarm.observed),
            expected=amount(alarm.expected),
            p=probability(alarm.p_value),
        )
