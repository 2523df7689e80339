"""Makes an assignment again from its log row, the definition, the snapshot and the secret: from files alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from engine import drawing, predictions, randomness, undrawn
from engine.admission import TRAFFIC, Admission
from engine.catalog import FindSnapshot, Live, live, restore, restore_shadow
from engine.errors import PolicyFailed, SnapshotRefused
from engine.experiments import Experiment, ExperimentState, Status, Variant
from engine.explanation import Explanation, Step, Verdict
from engine.funnel import Layer, Population, PopulationState
from engine.ports import Reader
from engine.records import Assignment, Group, Reason, Source
from engine.specs import FixedSpec, SegmentsSpec
from engine.targeting import evaluate

_N_RESTORED = 8


@dataclass(frozen=True, slots=True)
class Known:
    """An experiment as it answered at the time of a row, among the units as they were divided then."""

    live: Live
    population: Population

    @property
    def experiment(self) -> Experiment:
        """The definition with its conditions expanded."""
        return self.live.experiment

    @property
    def layer(self) -> Layer | None:
        """The experiment's layer, if it is in one."""
        return self.population.layer_of(self.experiment.funnel)


class Recomputer:
    """Recomputes rows of one log. The policies of the last few snapshots are kept: a server explains for months.

    It `says_why` a policy drew as it did, unless only whether rows come out the same is wanted, which is sooner known.
    """

    def __init__(self, reader: Reader, find_snapshot: FindSnapshot, *, says_why: bool = True) -> None:
        self._reader = reader
        self._find_snapshot = find_snapshot
        self._says_why = says_why
        self._restored = lru_cache(maxsize=_N_RESTORED)(self._restore)
        self._restored_shadow = lru_cache(maxsize=_N_RESTORED)(self._restore_shadow)

    def explain(self, row: Assignment) -> Explanation:
        """Return how the row came about, and whether it comes out the same again."""
        if row.source is Source.IMPORTED:
            elsewhere = f"{row.variant}, propensity {row.propensity:.6g}, drawn" if row.is_draw else row.variant
            return Explanation(Verdict.NOT_DRAWN, (_request(row), Step("draw", f"{elsewhere} by another system")))
        if not row.unit.id:
            forgotten = Step("unit", "forgotten, and its context with it: the decision cannot be made again")
            return Explanation(
                Verdict.FORGOTTEN, (_request(row), forgotten, _draw(row) if row.is_draw else _reason(row))
            )
        if row.reason is Reason.CACHED:
            return self._of_kept(row)
        if not row.is_draw:
            return self._of_undrawn(row)
        return _judged((_request(row), *self._steps(row)))

    def _of_undrawn(self, row: Assignment) -> Explanation:
        """Return how an answer came about that is no draw; where what can be checked holds, it is NOT_DRAWN."""
        try:
            # Without the snapshot: that it cannot be restored may be why the policy failed.
            known = self._restored(row.experiment_id, row.revision, row.epoch, "", row.population)
        except SnapshotRefused as refused:
            return _judged((_request(row), _reason(row), Step("definition", str(refused), holds=False)))
        steps = (
            *_passed(row, known),
            _context(row),
            undrawn.why(row, known.live, known.layer),
            undrawn.answer(row, known.live),
        )
        judged = _judged((_request(row), *steps))
        return judged if judged.verdict is Verdict.DIFFERS else replace(judged, verdict=Verdict.NOT_DRAWN)

    def _of_kept(self, row: Assignment) -> Explanation:
        """Return how a sticky answer came about: what is made again is the draw that it repeats."""
        origin = self._reader.assignment(row.kept_from)
        if origin is None:
            lost = Step("kept", f"the draw {row.kept_from} is not in the log", holds=False)
            return _judged((_request(row), _reason(row), lost))
        kept = Step("kept", f"{row.variant} of {origin.assigned_at.isoformat()}", origin.variant == row.variant)
        before = self.explain(origin)
        steps = (_request(row), _reason(row), kept, *before.steps[1:])
        return Explanation(before.verdict, steps) if kept.holds else _judged(steps)

    def _steps(self, row: Assignment) -> tuple[Step, ...]:
        try:
            known = self._restored(row.experiment_id, row.revision, row.epoch, row.snapshot, row.population)
            base = _eligible(row, known)
            weights = drawing.distribution(known.live, row.group, row.context, base)
            number = drawing.drawn_number(known.experiment, self._key(row), _names(base), weights)
            names, weights, number = drawing.settled(known.experiment, _names(base), weights, number)
            predicted, because = self._why(row, known, base)
            return (
                *_funnel(row, known),
                _group(row, known.experiment),
                _context(row),
                *self._slots(row),
                *predicted,
                _distribution(row, known.experiment, (names, weights) == (row.eligible, row.distribution)),
                Step(
                    "number",
                    f"{row.drawn} of {randomness.ONE}, keyed by {row.draw_key.value.replace('_', ' ')}",
                    number == row.drawn,
                ),
                _draw(row),
                *because,
                *self._shadow(row, [variant for variant in base if variant.name in names]),
            )
        except SnapshotRefused as refused:
            return (Step("snapshot", str(refused), holds=False),)
        except (PolicyFailed, LookupError, ValueError) as error:
            return (Step("row", f"no draw could have left it: {error}", holds=False),)

    def _why(self, row: Assignment, known: Known, base: Sequence[Variant]) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """Return what the policy predicted, and what in the context moved it."""
        if not self._says_why:
            return (), ()
        policy = known.live.policy
        return predictions.predicted(policy, row, base), predictions.because(policy, row, base)

    def _slots(self, row: Assignment) -> tuple[Step, ...]:
        """Return what the slots before were filled with: none of it may have been drawn once more."""
        if not row.slot:
            return ()
        rows = [self._reader.assignment(row.assignment_id, slot) for slot in range(row.slot)]
        before = [earlier.variant for earlier in rows if earlier is not None]
        holds = len(before) == row.slot and not {*before} & {*row.eligible}
        return (Step("slot", f"{row.slot + 1}, after {', '.join(before) or 'none'}", holds),)

    def _shadow(self, row: Assignment, eligible: list[Variant]) -> tuple[Step, ...]:
        """Return what the shadow would have drawn from, made again from its own snapshot."""
        if not row.shadow_distribution:
            return ()
        asked = row.experiment_id, row.revision, row.epoch, row.shadow_snapshot, row.population
        try:
            shaded = self._restored_shadow(*asked)
            weights = drawing.shadow_distribution(shaded, row.context, eligible)
        except (SnapshotRefused, PolicyFailed) as error:
            return (Step("shadow", str(error), holds=False),)
        shadowed = shaded.experiment.shadowed
        policy = _policy(replace(row, snapshot=row.shadow_snapshot), shadowed) if shadowed else "none is declared"
        shares = _shares(row.eligible, row.shadow_distribution)
        return (Step("shadow", f"{policy}: {shares}", weights == row.shadow_distribution),)

    def _restore(self, experiment_id: str, revision: int, epoch: int, snapshot: str, shared: int) -> Known:
        definition, among = self._definition(experiment_id, revision, shared)
        state = ExperimentState(definition, Status.RUNNING, revision, epoch, "", snapshot)
        return Known(live(state, restore(state, among, self._find_snapshot), among), among.population)

    def _restore_shadow(self, experiment_id: str, revision: int, epoch: int, snapshot: str, shared: int) -> Live:
        definition, among = self._definition(experiment_id, revision, shared)
        state = ExperimentState(definition, Status.RUNNING, revision, epoch, "", shadow_snapshot=snapshot)
        return live(state, None, among, restore_shadow(state, among, self._find_snapshot))

    def _definition(self, experiment_id: str, revision: int, shared: int) -> tuple[Experiment, PopulationState]:
        definition, population = self._reader.definition(experiment_id, revision), self._reader.population_at(shared)
        if definition is None or population is None:
            what = f"revision {revision} of {experiment_id!r}" if definition is None else f"population {shared}"
            raise SnapshotRefused(f"{what} is not in the registry")
        return definition, PopulationState(population, shared)

    def _key(self, row: Assignment) -> drawing.Key:
        return drawing.Key(self._reader.secret, row.unit, row.assignment_id, row.slot)


def _judged(steps: tuple[Step, ...]) -> Explanation:
    return Explanation(Verdict.REPRODUCED if all(step.holds for step in steps) else Verdict.DIFFERS, steps)


def _request(row: Assignment) -> Step:
    asked = f"{row.experiment_id} revision {row.revision}, epoch {row.epoch}, at {row.assigned_at.isoformat()}"
    expected = randomness.assignment_id(row.request_id, row.experiment_id)
    return Step("request", asked, not row.unit.id or expected == row.assignment_id)


def _reason(row: Assignment) -> Step:
    return Step("reason", row.reason.value.replace("_", " "))


def _passed(row: Assignment, known: Known) -> tuple[Step, ...]:
    """Return what an answer without a draw passed: what is forced or tested passes nothing.

    Where a unit is kept from before the login, it is the device that passed, of which the row says nothing.
    """
    if row.reason in (Reason.FORCED, Reason.QA):
        return ()
    if known.experiment.fallback_unit and row.reason is Reason.CAPPED:
        return ()
    return (*_funnel(row, known), _group(row, known.experiment))


def _funnel(row: Assignment, known: Known) -> tuple[Step, ...]:
    """Return the audience and the random steps before the policy; a prerequisite stands as it was logged."""
    experiment = known.experiment
    own = tuple(passed for passed in row.inclusion if ": " not in passed.step)
    traffic = next((passed.weight / randomness.ONE for passed in own if passed.step == TRAFFIC), 1.0)
    admission = Admission.of(experiment, known.population, traffic)
    passes = all(gate.passes(row.unit, None) for gate in (*admission.holdouts, *admission.shares))
    chances = ", ".join(f"{passed.step} {passed.weight / randomness.ONE:.4g}" for passed in row.inclusion)
    if not (row.inclusion or admission.inclusion):
        return _audience(row, experiment)
    return (*_audience(row, experiment), Step("passed", chances, passes and admission.inclusion == own))


def _audience(row: Assignment, experiment: Experiment) -> tuple[Step, ...]:
    audience = experiment.funnel.audience
    if not audience:
        return ()
    holds = undrawn.holds(audience, row, experiment)
    if holds is None:
        return (Step("audience", "held, as logged: it reads what the log does not keep"),)
    return (Step("audience", "holds for the context", holds),)


def _group(row: Assignment, experiment: Experiment) -> Step:
    found = f"{row.group.value}, with probability {row.group_weight / randomness.ONE:.4g}"
    return Step("group", found, drawing.draw_group(experiment, row.unit) == (row.group, row.group_weight))


def _context(row: Assignment) -> Step:
    seen = ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in sorted(row.context.items()))
    return Step("context", seen or "empty")


def _eligible(row: Assignment, known: Known) -> list[Variant]:
    """Return the variants that were drawn among, before the killing of variants."""
    if known.experiment.candidates is not None:
        brought = {each.name: Variant.of(each) for each in row.candidates}
        return [_one_of(brought, name) for name in row.eligible]
    among = {variant.name for variant in drawing.eligible_variants(known.experiment, row.group, frozenset())}
    names = {*row.eligible, *(set(known.experiment.killed) & among)}
    variants = [variant for variant in known.experiment.variants if variant.name in names]
    if len(variants) < len(names):
        raise LookupError(f"there is no variant {min(names - {variant.name for variant in variants})!r}")
    return variants


def _one_of(brought: Mapping[str, Variant], name: str) -> Variant:
    if name not in brought:
        raise LookupError(f"no candidate {name!r} was brought")
    return brought[name]


def _names(variants: Sequence[Variant]) -> tuple[str, ...]:
    return tuple(variant.name for variant in variants)


def _distribution(row: Assignment, experiment: Experiment, holds: bool) -> Step:
    shares = _shares(row.eligible, row.distribution)
    return Step("distribution", f"{_policy(row, experiment)}: {shares}", holds)


def _shares(names: Sequence[str], weights: Sequence[int]) -> str:
    shares = (weight / randomness.ONE for weight in weights)
    return predictions.listed(zip(names, shares, strict=True), ".4g")


def _policy(row: Assignment, experiment: Experiment) -> str:
    """Return the policy, with what it answered by: a rule, the prior, or what it had learned."""
    spec = experiment.policy
    if row.group is Group.CONTROL or isinstance(spec, FixedSpec):
        return spec.kind
    if isinstance(spec, SegmentsSpec):
        return f"{spec.kind} ({_rule(spec, row)})"
    if row.snapshot:
        return f"{spec.kind} (snapshot {row.snapshot[:12]})"
    return f"{spec.kind} (nothing learned yet{f', its prior: {_rule(spec.prior, row)}' if spec.prior else ''})"


def _rule(spec: SegmentsSpec, row: Assignment) -> str:
    """Return the first rule that holds and gives one of the eligible variants a chance."""
    for number, rule in enumerate(spec.rules, 1):
        gives = not rule.weights or any(rule.weights.get(name) for name in row.eligible)
        if gives and evaluate(rule.when, row.context):
            return f"rule {number}"
    return "otherwise"


def _draw(row: Assignment) -> Step:
    fallen = row.eligible[randomness.draw(row.distribution, row.drawn)]
    return Step("draw", f"{row.variant}, propensity {row.propensity:.6g}", fallen == row.variant)
