"""Vowpal Wabbit as a model of the reward: what the engine's contextual policy predicts of each variant.

It reads the questions themselves, so that it also knows candidates by their features, and lists of texts. It learns
draw by draw, in the order of the log. A prediction takes it about 0.2 ms with ten variants: ridge takes a thousandth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from analysis.arrays import Floats
from analysis.ope.logged import Logged, Question
from analysis.ope.models.base import Fitted, Memory
from analysis.ope.models.inputs import filled
from analysis.ope.models.lessons import Scale, definition_of, lessons
from analysis.ope.models.placing import asked
from analysis.ope.models.rows import thinned
from analysis.texts import Text, text
from engine.experiments import Experiment, Variant
from engine.policies import LearningPolicy, learned_policy
from engine.snapshots import Growth
from engine.specs import ContextualSpec
from engine.understanding import Readable


@dataclass(frozen=True, slots=True)
class Vowpal:
    """VW's regression of the reward on products of the context and the variant, by a definition or by what a log shows.

    Of a definition whose policy is contextual VW is configured as it says.
    """

    definition: Experiment | None = None

    @property
    def name(self) -> Text:
        """What it is called."""
        return text("ope.model.vowpal")

    def fit(self, log: Logged) -> Fitted:
        """Return the model of these draws, of N_KEPT at most; without any, all predictions are alike."""
        memory = VowpalMemory(self.definition)
        memory.add(thinned(log))
        return memory.fitted()

    def memory(self) -> Memory:
        """Return what learns it from draws that come block by block."""
        return VowpalMemory(self.definition)


class VowpalMemory:
    """Learns every draw when it comes, and keeps none."""

    def __init__(self, definition: Experiment | None) -> None:
        self._definition = definition
        self._growth: Growth | None = None

    def add(self, log: Logged) -> None:
        """Take draws in, in their order; the first ones tell which fields there are."""
        if self._growth is None:
            self._experiment = self._contextual(log)
            self._scale = Scale.of(log)
            self._growth = Growth(self._experiment, None)
        self._growth.learn(list(lessons(log, self._experiment, self._scale)))

    def fitted(self) -> VowpalFitted:
        """Return the model of the draws so far; draws were added, be they none."""
        assert self._growth is not None, "a model is asked for once draws were added"
        blob = self._growth.snapshot(epoch=0).blob if self._growth.n_rewards else b""
        return VowpalFitted(self._experiment, learned_policy(self._experiment, blob), self._scale)

    def _contextual(self, log: Logged) -> Experiment:
        if self._definition is None:
            return definition_of(log, ContextualSpec())
        spec = self._definition.policy
        return replace(self._definition, policy=spec if isinstance(spec, ContextualSpec) else ContextualSpec())


class VowpalFitted:
    """A policy that learned some draws, and what its rewards mean."""

    def __init__(self, experiment: Experiment, policy: LearningPolicy, scale: Scale) -> None:
        self._policy = policy
        self._scale = scale
        self._context = Readable(experiment.context)
        self._features = None if experiment.candidates is None else Readable(experiment.candidates)

    def predict(self, log: Logged) -> Floats:
        """Return the reward that it expects of each variant, (n, k); of what was not eligible, the mean of what was."""
        found = filled(asked(log, self._expected))
        return self._scale.low + (self._scale.high - self._scale.low) * found

    def _expected(self, question: Question) -> Sequence[float]:
        return self._policy.expected_rewards(self._context.of(question.context), self._known(question.eligible))

    def _known(self, eligible: tuple[Variant, ...]) -> tuple[Variant, ...]:
        """Return variants with the features that the policy was told of."""
        if self._features is None:
            return eligible
        return tuple([Variant(each.name, features=self._features.of(each.features)) for each in eligible])
