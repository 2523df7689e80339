"""Makes an assignment again from its log row, the definition, the snapshot and the secret: from files alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from engine import assignment as decision
from engine import randomness
from engine.catalog import FindSnapshot, Live, live, restore
from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import Experiment, ExperimentState, Status
from engine.ports import Reader
from engine.records import Assignment, Source

_N_RESTORED = 32


class Verdict(Enum):
    """How a recomputation ended."""

    REPRODUCED = "reproduced"
    FORGOTTEN = "forgotten"
    DIFFERS = "differs"
    NOT_DRAWN = "not_drawn"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a decision and what was found, in words. `holds` is whether it came out as logged."""

    name: str
    finding: str
    holds: bool = True


@dataclass(frozen=True, slots=True)
class Explanation:
    """The steps of a decision, and how making it again ended."""

    verdict: Verdict
    steps: tuple[Step, ...]


class Recomputer:
    """Recomputes rows of one log. The policies of the last few snapshots are kept: a server explains for months."""

    def __init__(self, reader: Reader, find_snapshot: FindSnapshot) -> None:
        self._reader = reader
        self._find_snapshot = find_snapshot
        self._restored = lru_cache(maxsize=_N_RESTORED)(self._restore)

    def explain(self, row: Assignment) -> Explanation:
        """Return how the row came about, and whether it comes out the same again."""
        if not row.is_draw:
            return Explanation(Verdict.NOT_DRAWN, (_request(row), Step("reason", row.reason.value.replace("_", " "))))
        if row.source is Source.IMPORTED:
            elsewhere = Step("draw", f"{row.variant}, propensity {row.propensity:.6g}, drawn by another system")
            return Explanation(Verdict.NOT_DRAWN, (_request(row), elsewhere))
        if not row.unit.id:
            forgotten = Step("unit", "forgotten, and its context with it: the distribution cannot be made again")
            return Explanation(Verdict.FORGOTTEN, (_request(row), forgotten, _draw(row)))
        steps = (_request(row), *self._steps(row))
        return Explanation(Verdict.REPRODUCED if all(step.holds for step in steps) else Verdict.DIFFERS, steps)

    def _steps(self, row: Assignment) -> tuple[Step, ...]:
        try:
            known = self._restored(row.experiment_id, row.revision, row.epoch, row.snapshot)
            group, context = _group(row, known.experiment), _context(row)
            return group, context, _distribution(row, known), self._number(row, known.experiment), _draw(row)
        except SnapshotRefused as refused:
            return (Step("snapshot", str(refused), holds=False),)
        except (PolicyFailed, LookupError, ValueError) as error:
            return (Step("row", f"no draw could have left it: {error}", holds=False),)

    def _restore(self, experiment_id: str, revision: int, epoch: int, snapshot: str) -> Live:
        definition = self._reader.definition(experiment_id, revision)
        if definition is None:
            raise SnapshotRefused(f"revision {revision} of {experiment_id!r} is not in the registry")
        state = ExperimentState(definition, Status.RUNNING, revision, epoch, "", snapshot)
        return live(state, restore(state, self._find_snapshot))

    def _number(self, row: Assignment, experiment: Experiment) -> Step:
        number = decision.drawn_number(
            experiment,
            self._reader.secret,
            unit=row.unit,
            assignment_id=row.assignment_id,
            slot=row.slot,
            eligible=row.eligible,
            weights=row.distribution,
        )
        return Step("number", f"{row.drawn} of {randomness.ONE}, keyed by {row.draw_key.value}", number == row.drawn)


def _request(row: Assignment) -> Step:
    asked = f"{row.experiment_id} revision {row.revision}, epoch {row.epoch}, at {row.assigned_at.isoformat()}"
    expected = randomness.assignment_id(row.request_id, row.experiment_id)
    return Step("request", asked, not row.unit.id or expected == row.assignment_id)


def _group(row: Assignment, experiment: Experiment) -> Step:
    found = f"{row.group.value}, with probability {row.group_weight / randomness.ONE:.4g}"
    return Step("group", found, decision.draw_group(experiment, row.unit) == (row.group, row.group_weight))


def _context(row: Assignment) -> Step:
    seen = ", ".join(f"{name} = {value!r}" for name, value in sorted(row.context.items()))
    return Step("context", seen or "empty")


def _distribution(row: Assignment, known: Live) -> Step:
    weights = decision.distribution(known, row.group, row.context, [known.by_name[name] for name in row.eligible])
    taught = f"snapshot {row.snapshot[:12]}" if row.snapshot else "nothing learned yet"
    shares = ", ".join(
        f"{name} {weight / randomness.ONE:.4g}" for name, weight in zip(row.eligible, row.distribution, strict=True)
    )
    return Step("distribution", f"{known.experiment.policy.kind} ({taught}): {shares}", weights == row.distribution)


def _draw(row: Assignment) -> Step:
    fallen = row.eligible[randomness.draw(row.distribution, row.drawn)]
    return Step("draw", f"{row.variant}, propensity {row.propensity:.6g}", fallen == row.variant)
