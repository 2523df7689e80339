"""Folds a log into rewards: which outcome is whose, and when an assignment is of age.

A reward is settled once, at a fixed age of its exposure. A policy that learned a success when it happened and a
failure when its window closed would see the successes of the last days without their failures, and would favour
whatever converts fast.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.agenda import Agenda
from engine.clock import CLOCK_SKEW
from engine.experiments import Experiment, ExposureRule
from engine.metrics import Metric
from engine.records import Assignment, Entry, Erasure, Exposure, Group, Outcome, Reason, Reward
from engine.rewards import reward_of
from engine.skimming import Passed
from engine.timeline import Observed, Row, Timeline, add, drop

_Key = tuple[str, int]
"""An assignment's id and slot."""

_START = datetime.min.replace(tzinfo=UTC)
_MARKS_PER_AGE = 16


class RewardLedger:
    """Folds the log of one node into the rewards of one experiment.

    Entries are fed in the order of seq, as the log stamped them. What comes out depends on them alone, not on how
    they were cut into pages. The watermark is the latest `received_at` so far; an entry moves it, then everything
    that is due at or before it happens, and only then the entry itself is applied.

    - Only draws of the policy's group come out, because no other row has a propensity of a policy. But every logged row
      is held, because an outcome by unit is credited to the unit's latest exposed row whose window holds it, and that
      may be a fallback's or the control group's. An outcome is credited once in each metric that is made of it; before
      a metric's `after` it earns nothing there.
    - A sticky answer trains nothing and stands for the draw that it repeats, another unit's too: outcomes that would be
      its own, and its exposure, are the draw's, as long as that one's window holds them. Where the draw is forgotten,
      they are nobody's. Answers for quality assurance are not held.
    - A row matures `maturity_age` after its exposure, whatever it earned, in the order of `Reward.key`. Where
      exposures are reported, a row without one is dropped when `maturity_age` has passed since it was assigned; an
      exposure reported later than that does not train.
    - A row that is of age when it comes (an import under today's date, a node that shipped late) trains nothing,
      because its outcomes were not there to be counted. An import that is to be learned from keeps its `received_at`.
      So rewards come in the order of their keys, and each key is higher than all before it.
    - Outcomes and exposures may come before their assignment, and wait one `maturity_age` from when they happened. An
      outcome that comes after its row matured is late and trains nothing; `n_late` counts those whose row matured at
      most one `maturity_age` before. What is dated further ahead of the watermark than a clock may be is passed over.
    - A void takes back an outcome of a row that has not matured, whichever of the two comes first. It is for good: a
      void of a void does nothing.
    - Rows of a unit that was forgotten while they were pending still come out, without unit and context.

    Memory is bounded by what was assigned, exposed and observed within the last few maturity ages. An entry costs
    O(log n). How far back a ledger must begin is said at `fold_from`.
    """

    def __init__(self, experiment: Experiment) -> None:
        """Start at the beginning of a log, or where `fold_from` said."""
        self.n_late = 0
        self._experiment = experiment
        self._age = experiment.maturity_age
        self._reach = 4 * self._age + 3 * CLOCK_SKEW
        self._metrics: dict[str, list[Metric]] = {}
        for metric in filter(None, (experiment.metric(term.metric) for term in experiment.reward)):
            self._metrics.setdefault(metric.outcome, []).append(metric)
        self._unrewarded = reward_of(experiment, {})
        self._watermark = _START
        self._marks: deque[tuple[datetime, int]] = deque()
        self._next_mark = _START
        self._rows: dict[_Key, Row] = {}
        self._timelines: dict[int, Timeline] = {}
        self._held: dict[_Key, list[Observed]] = {}
        self._early: dict[_Key, datetime] = {}
        self._voided: set[str] = set()
        self._forgotten: dict[int, int] = {}
        self._maturing: Agenda[tuple[datetime, str, int], Row] = Agenda()
        self._expiring: Agenda[datetime, tuple[Callable[[Any], None], Any]] = Agenda()

    def feed(self, entry: Entry | Passed) -> list[Reward]:
        """Take the log's next entry in and return the rewards that matured before it, in the order of their keys."""
        if not isinstance(entry, Erasure) and entry.received_at > self._watermark:
            self._advance(entry.received_at, entry.seq)
        rewards = self._mature()
        self._expire()
        if not isinstance(entry, Passed):
            self._apply(entry)
        return rewards

    def fold_from(self, reward: Reward) -> int:
        """Return the seq after which a new ledger must begin to find the same rewards after this one, the latest yet.

        That ledger's rewards up to this one's key mean nothing: drop them.

        Let A be the maturity age, S the clocks' skew and H the time of the key less 4 A + 3 S. The seq is one up to
        which the watermark was below H, and after which the next entry raised it: so both ledgers have the same
        watermark from there on. A reward after the key was exposed later than H + 3 A + 3 S, and only what happened
        from then on can change it. What is before the seq, and what it leads to, does not reach so far:

        - What came is dated before H + S: outcomes, assignments and early exposures. A void holds until H + A.
        - Its rows are exposed before H + A + 2 S, as an unexposed row is dropped at the age A; their windows end, and
          they mature, before H + 2 A + 2 S.
        - A new row whose early exposure is before the seq is unexposed in the new ledger alone. It is dropped by
          H + 2 A + 2 S, or a sticky answer exposes it before H + 2 A + 3 S: its window, too, ends before
          H + 3 A + 3 S.
        - A sticky answer whose draw is unknown is credited with nothing, so it leads nowhere.
        - Forgetting strips rows that came before it, and those are before the seq with it.
        """
        horizon = reward.matures_at - self._reach
        return max(seq for watermark, seq in self._marks if watermark < horizon)

    def _advance(self, received_at: datetime, seq: int) -> None:
        """Raise the watermark; now and then, by the log's time alone, note where it was raised."""
        if received_at >= self._next_mark:
            while len(self._marks) > 1 and self._marks[1][0] < self._watermark - self._reach:
                self._marks.popleft()
            self._marks.append((self._watermark, seq - 1))
            step = max(self._age / _MARKS_PER_AGE, timedelta(seconds=1))
            self._next_mark = _START + ((received_at - _START) // step + 1) * step
        self._watermark = received_at

    def _mature(self) -> list[Reward]:
        rewards = []
        while (first := self._maturing.first) is not None and first[0] <= self._watermark:
            (matures_at, _, _), row = self._maturing.pop()
            credited = self._credited(row)
            if row.assignment is not None:
                rewards.append(self._reward(row, row.assignment, matures_at, credited))
            row.matured, row.assignment = True, None
            self._at(matures_at + self._age, self._forget_row, row)
        return rewards

    def _reward(self, row: Row, assignment: Assignment, matures_at: datetime, credited: list[Observed]) -> Reward:
        if row.seq < self._forgotten.get(row.unit_key, 0):
            assignment = _forget(assignment)
        if not credited:
            # Most rows earn nothing, and need no arithmetic.
            return Reward(assignment, self._unrewarded, matures_at, 0)
        values: dict[str, list[float]] = {}
        for observed in sorted(credited, key=_occurrence):
            values.setdefault(observed.metric, []).append(observed.outcome.value)
        n_outcomes = len({observed.outcome.outcome_id for observed in credited})
        return Reward(assignment, reward_of(self._experiment, values), matures_at, n_outcomes)

    def _credited(self, row: Row) -> list[Observed]:
        """Take out of what is held what is this row's, and return what of it stands."""
        if row.is_repeat:
            return []
        own = [observed for observed in self._held.pop(row.key, ()) if observed.is_in_window(row)]
        for each in (row, *row.repeats):
            timeline = self._timelines.get(each.unit_key)
            if timeline and timeline.observed and each.exposed_at is not None:
                own += timeline.take(each, row)
        return [observed for observed in own if observed.outcome.outcome_id not in self._voided]

    def _apply(self, entry: Entry) -> None:
        latest = self._watermark + CLOCK_SKEW
        match entry:
            case Assignment(experiment_id=self._experiment.experiment_id):
                if entry.reason is not Reason.QA and entry.assigned_at <= latest:
                    self._add(entry)
            case Exposure():
                if self._experiment.exposure is ExposureRule.REPORTED and entry.exposed_at <= latest:
                    self._report(entry)
            case Outcome():
                if entry.occurred_at <= latest:
                    self._observe(entry)
            case Erasure():
                self._forget_unit(entry)

    def _add(self, assignment: Assignment) -> None:
        key = (assignment.assignment_id, assignment.slot)
        kept = assignment if assignment.is_draw and assignment.group is Group.POLICY else None
        row = Row(key, assignment.node_id, assignment.seq, assignment.unit_key, kept, bool(assignment.kept_from))
        self._rows[key] = row
        if row.is_repeat:
            self._repeat(row, (assignment.kept_from, assignment.slot))
        if self._experiment.exposure is ExposureRule.ASSIGNED:
            self._expose(row, assignment.assigned_at)
        elif key in self._early:
            self._expose(row, self._early.pop(key))
        else:
            self._at(assignment.assigned_at + self._age, self._drop_unexposed, row)

    def _repeat(self, row: Row, repeated: _Key) -> None:
        """Let a sticky answer stand for its draw."""
        found = self._rows.get(repeated)
        row.draw = self._drawn(found) if found else None
        if row.draw is not None:
            row.draw.repeats.append(row)
        for observed in self._held.pop(row.key, ()):
            self._hold_for_assignment(observed)

    def _drawn(self, row: Row) -> Row | None:
        """Return the draw whose outcomes a row's are: itself, or what it repeats; None where that is forgotten."""
        if not row.is_repeat:
            return row
        return row.draw if row.draw is not None and self._rows.get(row.draw.key) is row.draw else None

    def _report(self, exposure: Exposure) -> None:
        key = (exposure.assignment_id, exposure.slot)
        row = self._rows.get(key)
        if row is None:
            self._early.setdefault(key, exposure.exposed_at)
            self._at(exposure.exposed_at + self._age, self._drop_early, key)
        elif row.exposed_at is None:
            self._expose(row, exposure.exposed_at)

    def _expose(self, row: Row, exposed_at: datetime) -> None:
        row.exposed_at = exposed_at
        draw = self._drawn(row)
        if draw is not None and draw.exposed_at is None:
            self._expose(draw, exposed_at)
        matures_at = exposed_at + self._age
        row.order = matures_at, row.node_id, row.seq
        if matures_at <= self._watermark:
            # Its outcomes come after it, so now it could be learned as a failure alone.
            row.assignment = None
        self._maturing.add(row.order, row)
        self._timelines.setdefault(row.unit_key, Timeline()).add(row)

    def _observe(self, outcome: Outcome) -> None:
        if outcome.void_of:
            # Nothing is voided before it happened, so what comes after this long is too old to count anyway.
            self._voided.add(outcome.void_of)
            self._at(self._watermark + self._age, self._voided.discard, outcome.void_of)
        elif outcome.assignment_id or outcome.unit_key:
            hold = self._hold_for_assignment if outcome.assignment_id else self._hold_for_unit
            is_late = [hold(Observed.of(metric, outcome)) for metric in self._metrics.get(outcome.metric, ())]
            self.n_late += any(is_late)

    def _hold_for_assignment(self, observed: Observed) -> bool:
        """Hold it until its row matures; return whether it comes too late for that."""
        key = (observed.outcome.assignment_id, observed.outcome.slot)
        row = self._rows.get(key)
        if row is not None and row.is_repeat:
            row = self._drawn(row)
            if row is None:
                return False
            key = row.key
        if row is not None and row.matured:
            return observed.is_in_window(row)
        add(self._held.setdefault(key, []), observed)
        if row is None or row.exposed_at is None:
            self._at(observed.at + self._age, self._drop_held, key)
        return False

    def _hold_for_unit(self, observed: Observed) -> bool:
        """Hold it until a row of its unit takes it; return whether it comes too late for that."""
        unit_key = observed.outcome.unit_key
        timeline = self._timelines.setdefault(unit_key, Timeline())
        latest = timeline.latest(observed.at)
        row = self._drawn(latest) if latest else None
        if row is not None and row.matured and observed.is_in_window(row):
            return True
        add(timeline.observed, observed)
        self._at(observed.at + self._age, self._drop_observed, unit_key)
        return False

    def _at(self, due: datetime, forget: Callable[[Any], None], what: object) -> None:
        self._expiring.add(due, (forget, what))

    def _expire(self) -> None:
        """Drop what no row that is still to mature can need: its time is a whole maturity age ago."""
        for _, (forget, what) in self._expiring.until(self._watermark):
            forget(what)

    def _drop_unexposed(self, row: Row) -> None:
        if row.exposed_at is None:
            del self._rows[row.key]
            self._held.pop(row.key, None)

    def _drop_early(self, key: _Key) -> None:
        self._early.pop(key, None)

    def _drop_held(self, key: _Key) -> None:
        held = self._held.get(key)
        if held is not None:
            drop(held, self._watermark - self._age)
            if not held:
                del self._held[key]

    def _drop_observed(self, unit_key: int) -> None:
        timeline = self._timelines.get(unit_key)
        if timeline is not None:
            drop(timeline.observed, self._watermark - self._age)
            self._drop_empty(unit_key, timeline)

    def _forget_unit(self, erasure: Erasure) -> None:
        self._forgotten[erasure.unit_key] = erasure.seq
        self._at(self._watermark + self._reach, self._drop_forgotten, (erasure.unit_key, erasure.seq))

    def _drop_forgotten(self, forgotten: tuple[int, int]) -> None:
        unit_key, seq = forgotten
        if self._forgotten[unit_key] == seq:
            del self._forgotten[unit_key]

    def _forget_row(self, row: Row) -> None:
        del self._rows[row.key]
        row.repeats.clear()
        timeline = self._timelines[row.unit_key]
        timeline.rows.remove(row)
        self._drop_empty(row.unit_key, timeline)

    def _drop_empty(self, unit_key: int, timeline: Timeline) -> None:
        if not timeline.rows and not timeline.observed:
            del self._timelines[unit_key]


def _occurrence(observed: Observed) -> tuple[datetime, int]:
    return observed.outcome.occurred_at, observed.outcome.seq


def _forget(assignment: Assignment) -> Assignment:
    """Return the row as the log has it once its unit was forgotten."""
    return replace(assignment, unit=replace(assignment.unit, id=""), context={}, candidates=(), request_id="")
