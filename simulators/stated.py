"""Stated: a world of which a team states the rates, to see whether its experiment would find an effect of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from numpy.random import Generator

from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.records import Candidate, Context, ContextValue
from engine.rewards import scaled
from simulators.environment import Happening, Visit

_MEAN_WAIT = 0.1
"""What happens comes after a tenth of its window on average."""


@dataclass(frozen=True, slots=True)
class Stated:
    """Each visit is another customer, and each conversion has a stated rate; one variant's is better by `effect`.

    `rates` are the control's shares by the name of the outcome. The context says nothing: it is drawn at random.
    """

    rates: Mapping[str, float]
    better: str
    effect: float

    def visits(self, n_customers: int, start: datetime, span: timedelta, rng: Generator) -> list[Visit]:
        """Return one visit a customer, evenly spread, in the order of time."""
        times = sorted(rng.random(n_customers).tolist())
        return [Visit(f"customer-{number}", start + at * span, {"luck": at}) for number, at in enumerate(times, 1)]

    def context(self, experiment: Experiment, visit: Visit) -> Context:
        """Return the declared fields, which have nothing to do with what happens."""
        luck = float(str(visit.context["luck"])) * 1e6 % 1
        return {field.name: _drawn(field, luck) for field in experiment.context}

    def outcomes(self, experiment: Experiment, visit: Visit, variant: Variant, rng: Generator) -> Sequence[Happening]:
        """Return the conversions of a visit."""
        told = []
        for metric in experiment.metrics:
            chance, wait = rng.random(), rng.exponential(_MEAN_WAIT)
            if chance < self._rate(metric.outcome, variant.name) and wait < 1:
                told.append(Happening(metric.outcome, None, visit.at + wait * metric.window, False))
        return told

    def demand(self, experiments: Sequence[Experiment], visit: Visit, rng: Generator) -> Sequence[Happening]:  # noqa: ARG002
        """Return nothing: what happens comes of a visit and its variant."""
        return ()

    def candidates(self, experiment: Experiment, visit: Visit, rng: Generator) -> Sequence[Candidate]:  # noqa: ARG002
        """Return nothing: rates are stated of declared variants."""
        return ()

    def expected_rewards(
        self,
        experiment: Experiment,
        visit: Visit,  # noqa: ARG002 (a World)
        candidates: Sequence[Candidate] = (),  # noqa: ARG002
    ) -> Mapping[str, float]:
        """Return each variant's expected reward, up to what comes too late, the same for all of them."""
        names = {metric.name: metric.outcome for metric in experiment.metrics}
        sums = {
            variant.name: sum(term.weight * self._rate(names[term.metric], variant.name) for term in experiment.reward)
            for variant in experiment.variants
        }
        return {name: scaled(experiment, weighted_sum) for name, weighted_sum in sums.items()}

    def _rate(self, outcome: str, variant: str) -> float:
        rate = self.rates.get(outcome, 0.0)
        return min(rate * (1 + self.effect), 1.0) if variant == self.better else rate


def _drawn(field: ContextField, luck: float) -> ContextValue:
    match field.type:
        case FieldType.NUMBER:
            return luck
        case FieldType.FLAG:
            # A flag may be the consent, and who does not give it is not in the experiment.
            return True
        case FieldType.TEXTS:
            return ("a" if luck < 0.5 else "b",)
        case FieldType.TEXT:
            return "a" if luck < 0.5 else "b"
