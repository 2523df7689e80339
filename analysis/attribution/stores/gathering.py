"""Goes through a log page by page, and leaves touches and conversions on disk by unit.

What names an assignment (an outcome, a reported exposure) may stand far behind it in the log. So these are read first
and put, on disk too, with the page of the assignment that they name; each page of assignments then finds its own.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import LARGEST, Flags, Floats, Ints, places
from analysis.attribution.incremental.identities import Identities
from analysis.attribution.stores.answers import Answers
from analysis.attribution.stores.asked import Asked
from analysis.attribution.stores.labelling import Labelling
from analysis.attribution.stores.logins import identities
from analysis.attribution.stores.paging import Page, Paging
from analysis.attribution.stores.spilling import Rows, Spill
from analysis.document import Count
from analysis.mixing import buckets
from analysis.texts import text
from engine.columns import Coded, Columns
from engine.records import Reason

_TOUCH = {"unit": "<i8", "at": "<i8", "code": "<i4"}
_CONVERSION = {"unit": "<i8", "at": "<i8", "value": "<f8"}
_REPORT = {"seq": "<i8", "at": "<i8"}
_CLAIM = {"seq": "<i8", "at": "<i8", "value": "<f8"}

_ASSIGNMENTS = ("assigned_at", "revision", "reason", "variant", "unit_key")
_EXPOSURES = ("assignment_seq", "exposed_at")
_OUTCOMES = ("seq", "metric", "value", "occurred_at", "void_of", "assignment_seq", "unit_key")

_NEVER = np.iinfo(np.int64).max
_SEED = 0x6172_6D6C_6966_7408

_WORDS = {
    "other_unit": text("attribution.reading.other_unit"),
    "qa": text("attribution.reading.qa"),
    "blank": text("attribution.reading.blank"),
    "unexposed": text("attribution.reading.unexposed"),
    "nobody": text("attribution.reading.nobody"),
    "unknown_report": text("attribution.reading.unknown_report"),
    "repeated_report": text("attribution.reading.repeated_report"),
    "taken_back": text("left_out.taken_back"),
    "not_finite": text("attribution.reading.not_finite"),
    "nobodys": text("attribution.reading.nobodys"),
    "of_qa": text("attribution.reading.of_qa"),
}


@dataclass(slots=True, eq=False)
class Gathered:
    """Touches and conversions by unit, on disk until it is closed, and what was left out on the way there.

    `first` and `last` are the times of the first and the last touch, in microseconds, if there is any.
    """

    touches: Spill
    conversions: Spill
    who: Identities
    answers: Answers = field(default_factory=Answers)
    counts: Counter[str] = field(default_factory=Counter)
    first: int = _NEVER
    last: int = -_NEVER

    @property
    def left_out(self) -> tuple[Count, ...]:
        """What was left out, and why."""
        return tuple(Count(self.counts[reason], words) for reason, words in _WORDS.items() if self.counts[reason])

    def add_touches(self, unit: Ints, at: Ints, code: Ints) -> None:
        """Keep touches, (n,) each."""
        if not len(unit):
            return
        self.answers.count(code)
        self.first, self.last = min(self.first, int(at.min())), max(self.last, int(at.max()))
        unit = self.who.of(unit)
        self.touches.put(buckets(unit, self.touches.n_parts, _SEED), unit=unit, at=at, code=code)

    def add_conversions(self, unit: Ints, at: Ints, value: Floats) -> None:
        """Keep conversions, (n,) each."""
        if len(unit):
            unit = self.who.of(unit)
            self.conversions.put(buckets(unit, self.conversions.n_parts, _SEED), unit=unit, at=at, value=value)

    def close(self) -> None:
        """Give up the files."""
        self.touches.close()
        self.conversions.close()


def gathered(log: Paging, asked: Asked, n_parts: int) -> Gathered:
    """Return the touches and the conversions of a log, in so many parts by unit.

    Raises:
        InvalidRequest: no experiment declares the outcome, and the log has none.
    """
    with ExitStack() as stack:
        found = Gathered(Spill(_TOUCH, n_parts), Spill(_CONVERSION, n_parts), identities(log))
        stack.callback(found.close)
        _Gathering(log, asked, found).run()
        stack.pop_all()
    return found


class _Gathering:
    def __init__(self, log: Paging, asked: Asked, found: Gathered) -> None:
        self.log = log
        self.asked = asked
        self.found = found
        self.labelling = Labelling(log, asked, found.answers)

    def run(self) -> None:
        """Go through the log: outcomes and reports first, then the assignments that they name."""
        pages = self.log.pages
        with Spill(_REPORT, len(pages)) as reports, Spill(_CLAIM, len(pages)) as claims:
            self._read_outcomes(claims)
            for page in pages if self.asked.reported else ():
                self._read_reports(page, reports)
            for number, page in enumerate(pages):
                self._read_answers(page, reports.part(number), claims.part(number))
        self.found.counts["other_unit"] = self.found.answers.n_of(self.asked.of_other_units)

    def _read_outcomes(self, claims: Spill) -> None:
        seen: set[str] = set()
        voided = self.log.source.voided()
        for page in self.log.pages:
            raw = self.log.columns("outcomes", _OUTCOMES, page)
            seen.update(raw["metric"].words)
            self._add_outcomes(raw, self._standing(raw, voided), claims)
        self.asked.refuse_unknown(seen)

    def _standing(self, raw: Columns, voided: Ints) -> Flags:
        """Whether each outcome is asked for, was not taken back, and has a value to compute with, (n,)."""
        ours = _is(raw["metric"], self.asked.outcome) & _is(raw["void_of"], "")
        taken_back = places(raw["seq"], voided) >= 0
        is_finite = np.abs(raw["value"]) <= LARGEST
        self.found.counts["taken_back"] += int((ours & taken_back).sum())
        self.found.counts["not_finite"] += int((ours & ~taken_back & ~is_finite).sum())
        return np.asarray(ours & ~taken_back & is_finite)

    def _add_outcomes(self, raw: Columns, stands: Flags, claims: Spill) -> None:
        """Keep outcomes with their units, or with the page of the assignment that they name."""
        named, unit, at, value = (raw[name] for name in ("assignment_seq", "unit_key", "occurred_at", "value"))
        by_unit, known = stands & (named == 0) & (unit != 0), stands & self._is_there(named)
        self.found.add_conversions(unit[by_unit], at[by_unit], value[by_unit])
        claims.put(self.log.page_of(named[known]), seq=named[known], at=at[known], value=value[known])
        self.found.counts["nobodys"] += int((stands & ~by_unit & ~known).sum())

    def _read_reports(self, page: Page, reports: Spill) -> None:
        raw = self.log.columns("exposures", _EXPOSURES, page)
        named, at = raw["assignment_seq"], raw["exposed_at"]
        known = self._is_there(named)
        reports.put(self.log.page_of(named[known]), seq=named[known], at=at[known])
        self.found.counts["unknown_report"] += int((~known).sum())

    def _is_there(self, named: Ints) -> Flags:
        # An assignment that came after the reading began is not read, and what names it neither.
        return np.asarray((named > 0) & (named <= self.log.last))

    def _read_answers(self, page: Page, reports: Rows, claims: Rows) -> None:
        raw = self.log.answers(_ASSIGNMENTS, page)
        is_test = _is(raw["reason"], Reason.QA.value)
        self._add_claims(raw, is_test, claims)
        self._add_touches(raw, is_test, self._exposed_at(raw, reports), page)

    def _add_claims(self, raw: Columns, is_test: Flags, claims: Rows) -> None:
        """Give the outcomes of assignments to the units of these."""
        row = places(claims["seq"], raw["seq"])
        # Row -1, none, finds the nobody and the false at the end.
        unit, of_test = np.append(raw["unit_key"], 0)[row], np.append(is_test, False)[row]
        stands = (unit != 0) & ~of_test
        self.found.add_conversions(unit[stands], claims["at"][stands], claims["value"][stands])
        self.found.counts["of_qa"] += int(of_test.sum())
        self.found.counts["nobodys"] += int((~stands & ~of_test).sum())

    def _exposed_at(self, raw: Columns, reports: Rows) -> Ints:
        """Return when each answer was met, (n,)."""
        is_reported = _is(raw["experiment_id"], *self.asked.reported)
        row = places(reports["seq"], raw["seq"])
        counted = np.append(is_reported, False)[row]
        times = np.full(len(is_reported), _NEVER)
        # The first that the log has of each is written last.
        times[row[counted][::-1]] = reports["at"][counted][::-1]
        self.found.counts["repeated_report"] += int(counted.sum() - (times < _NEVER).sum())
        return np.where(is_reported, times, raw["assigned_at"])

    def _add_touches(self, raw: Columns, is_test: Flags, at: Ints, page: Page) -> None:
        ours = _is(raw["experiment_id"], *self.asked.chosen)
        is_nobody, is_unexposed = raw["unit_key"] == 0, at == _NEVER
        met = ours & ~is_test & ~is_nobody & ~is_unexposed
        code = self.labelling.codes(raw, met, page)
        is_touch = code >= 0
        self.found.add_touches(raw["unit_key"][is_touch], at[is_touch], code[is_touch])
        counts = self.found.counts
        counts["qa"] += int((ours & is_test).sum())
        counts["nobody"] += int((ours & ~is_test & is_nobody).sum())
        counts["unexposed"] += int((ours & ~is_test & ~is_nobody & is_unexposed).sum())
        counts["blank"] += int((met & ~is_touch).sum())


def _is(column: Coded, *among: str) -> Flags:
    """Whether each row has one of some words, (n,)."""
    return np.asarray(column.looked_up([*(word in among for word in column.words), False], np.bool_))
