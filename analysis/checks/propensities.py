"""Are the logged propensities those of the draws? Rows that are sound and made again, and counts that fit.

All are needed. Making a draw again finds what was logged wrongly: a distribution that was rounded, one of another
snapshot than the row names, a forced answer that was logged as a draw. Counting finds what is no longer in the log:
rows that were thinned out, or a variant's rows that were lost on the way. A log from elsewhere can be counted alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from analysis.checks import counting, invariants, recomputing
from analysis.checks.counting import Counts
from analysis.checks.faults import Fault, Faults
from analysis.checks.predicting import Learned
from analysis.checks.recomputing import Again
from analysis.logs import frames
from analysis.logs.sources import LogSource
from analysis.texts import Text, count, plain, text

_SAID = {
    *(invariants.SUM, invariants.OUTSIDE, invariants.NEVER, invariants.WEIGHT, invariants.TWICE),
    *(recomputing.RECORD, recomputing.DIFFERENT, recomputing.HOLES),
    *("distribution", "snapshot", "number", "draw", "shadow"),
}
"""Faults that have sentences of their own: the last ones are steps of a decision."""


@dataclass(frozen=True, slots=True)
class Propensities:
    """What was found of a log's propensities; `again` is None where its rows cannot be made again.

    `n_unmatched` outcomes name assignments that the log does not have, and `n_missing` numbers are missing in a copy.
    Neither need be wrong: the one can be a caller's mistake, and the erasures stay in the store.
    """

    rows: Faults
    again: Again | None
    counts: Counts
    n_unmatched: int = 0
    n_missing: int = 0

    @property
    def hold(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.rows or self.counts.alarms or (self.again and self.again.faults))


def propensities(
    source: LogSource,
    experiment_id: str,
    learned: Learned | None,
    *,
    looked: Callable[[int], object] = lambda seq: seq,
) -> Propensities:
    """Return whether an experiment's draws are what the log says; nothing is made again without rows and snapshots.

    Raises:
        UnknownExperiment: the log has none of this id.
        InvalidRequest: its columns are damaged, so that nothing can be read from them.
    """
    frame = frames.read(source, experiment_id)
    again = recomputing.again(learned, experiment_id, looked=looked) if learned else None
    is_readable = again is None or recomputing.RECORD not in again.faults.by_what
    return Propensities(
        invariants.faults(source, experiment_id),
        again,
        counting.counts(source, frame, with_segments=is_readable),
        invariants.n_unmatched(source, experiment_id),
        0 if again else invariants.n_missing(source),
    )


def said(found: Propensities) -> Iterator[Text]:
    """Yield what was found, in sentences, the verdict first."""
    yield text("propensities.hold" if found.hold else "propensities.do_not_hold")
    for what, fault in [*found.rows, *(found.again.faults if found.again else ())]:
        yield _said_fault(what, fault)
    yield from counting.said(found.counts)
    yield from _said_again(found.again)
    for key, n in (("unmatched", found.n_unmatched), ("missing", found.n_missing)):
        if n:
            yield text(f"propensities.{key}", n=count(n))


def _said_fault(what: str, fault: Fault) -> Text:
    seqs = tuple(plain(seq) for seq in fault.first)
    if what in _SAID:
        return text(f"propensities.fault_{what}", n=count(fault.n), seqs=seqs)
    return text("propensities.fault_other", n=count(fault.n), step=what, seqs=seqs)


def _said_again(again: Again | None) -> Iterator[Text]:
    if again is None:
        yield text("propensities.not_again")
        return
    yield text("propensities.again", n=count(again.n_same))
    for key, n in (("undrawn", again.n_undrawn), ("forgotten", again.n_forgotten), ("imported", again.n_imported)):
        if n:
            yield text(f"propensities.{key}", n=count(n))
