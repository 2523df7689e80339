"""Whatever is sent, the process lives, the answer is a distribution, and what was asked changes no later answer.

A few thousand contexts by default, and a million by `make fuzz`; ARMLIFT_FUZZ is how many. Seeded: the same number
gives the same contexts.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.errors import PolicyFailed
from engine.experiments import ContextField, FieldType, Variant
from engine.policies import learned_policy
from engine.randomness import ONE, quantise
from engine.records import Assignment, Candidate, Reason, Reward, Unit
from engine.specs import ContextualSpec, Explorer, LearnerType
from tests.engine.house import NOW, House, experiment

SIZE = int(os.environ.get("ARMLIFT_FUZZ", "4000"))

NAMES = ("visits", "plan", "member", "likes", "é|x: 1 東")
TYPES = (FieldType.NUMBER, FieldType.TEXT, FieldType.FLAG, FieldType.TEXTS, FieldType.TEXT)
FIELDS = tuple(ContextField(name, kind) for name, kind in zip(NAMES, TYPES, strict=True))
CANDIDATE_FIELDS = (ContextField("price", FieldType.NUMBER), ContextField("topic", FieldType.TEXT))

PIECES = [*"\n\r\0\t\x80\x7f é🙂|:x", "", "shared", "|A", "0:1:0.5", "a=b", "東京"]
NUMBERS = (0.0, -0.0, 1.0, 5e-324, 1e-38, 3.4e38, 1e39, 1e308, math.nan, math.inf, -math.inf, 2.0**53)


class Fuzzer:
    """Draws contexts that are mostly meant well, and values that are not."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def one_of(self, choices: Any) -> Any:
        return choices[int(self._rng.integers(len(choices)))]

    def text(self) -> str:
        text = "".join(self.one_of(PIECES) for _ in range(int(self._rng.integers(6))))
        return text * 5000 if self._rng.random() < 0.005 else text

    def number(self) -> float:
        if self._rng.random() < 0.3:
            return self.one_of(NUMBERS)
        return float(self._rng.normal() * 10.0 ** self._rng.integers(-40, 40))

    def of(self, declared: FieldType) -> Any:
        match self.one_of(TYPES) if self._rng.random() < 0.05 else declared:
            case FieldType.NUMBER:
                return self.number()
            case FieldType.TEXT:
                return self.text()
            case FieldType.FLAG:
                return bool(self._rng.integers(2))
            case FieldType.TEXTS:
                return tuple(self.text() for _ in range(int(self._rng.integers(4))))

    def context(self, fields: tuple[ContextField, ...] = FIELDS) -> dict[str, Any]:
        return {field.name: self.of(field.type) for field in fields if self._rng.random() < 0.7}

    def some(self, choices: Any) -> list[Any]:
        """Return a few of them, at least one, in their order."""
        kept = [each for each in choices if self._rng.random() < 0.6]
        return kept or [self.one_of(choices)]

    def candidates(self) -> tuple[Candidate, ...]:
        names = {f"{self.text()[:20]}{n}" for n in range(int(self._rng.integers(1, 8)))}
        return tuple(Candidate(name, self.context(CANDIDATE_FIELDS)) for name in sorted(names))


def contexts(seed: int, n: int) -> Iterator[tuple[Fuzzer, dict[str, Any]]]:
    fuzzer = Fuzzer(seed)
    return ((fuzzer, fuzzer.context()) for _ in range(n))


def drawn(fuzzer: Fuzzer, context: dict[str, Any], names: list[str]) -> Reward:
    """Return a reward of a draw from a very uneven distribution."""
    weights = quantise([1.0, *[0.0] * (len(names) - 1)])
    row = Assignment("hero", fuzzer.one_of(names), Reason.DRAWN, Unit("customer", "7"), NOW, NOW, is_draw=True)
    row = replace(row, eligible=tuple(names), distribution=weights, context=context)
    return Reward(row, fuzzer.one_of((0.0, 0.3, 1.0)), NOW, 1)


def _assert_distribution(answer: Sequence[float], n: int) -> None:
    assert len(answer) == n
    assert math.isclose(sum(answer), 1.0, abs_tol=1e-9)
    assert min(answer) >= 0.0


SPECS = (
    ContextualSpec(),
    ContextualSpec(interactions=(("context", "context", "variant"),)),
    ContextualSpec(explorer=Explorer.EPSILON, learner=LearnerType.DR),
    ContextualSpec(explorer=Explorer.SOFTMAX, learner=LearnerType.IPS),
    ContextualSpec(explorer=Explorer.BAG, learner=LearnerType.MTR),
    ContextualSpec(explorer=Explorer.RND),
)


@pytest.mark.parametrize("spec", SPECS, ids=lambda each: f"{each.explorer.value}-{each.learner.value}")
def test_a_policy_answers_with_a_distribution_or_a_refusal(spec):
    house = experiment(context=FIELDS, policy=spec)
    policy, untouched, pupil = learned_policy(house), learned_policy(house), learned_policy(house)
    n_answers = 0
    for fuzzer, context in contexts(1, SIZE // 12):
        eligible = fuzzer.some(house.variants)
        try:
            answer = policy.distribution(context, eligible)
        except PolicyFailed:
            continue
        n_answers += 1
        _assert_distribution(answer, len(eligible))
        pupil.learn([drawn(fuzzer, context, [variant.name for variant in eligible])])
        _assert_distribution(pupil.distribution(context, eligible), len(eligible))
    assert n_answers > SIZE // 60
    assert policy.distribution({}, house.variants) == untouched.distribution({}, house.variants)
    assert policy.serialize() == untouched.serialize()


def test_an_engine_answers_every_context():
    house = House()
    house.run(experiment(context=FIELDS, policy=ContextualSpec(floor=0.05)))
    reasons = set()
    for number, (fuzzer, context) in enumerate(contexts(2, SIZE // 4)):
        excluded = frozenset({"bold"}) if number % 7 == 0 else frozenset()
        row = house.decide(f"u{number}", context={**context, fuzzer.text(): fuzzer.text()}, excluded_variants=excluded)
        reasons.add(row.reason)
        if row.is_draw:
            assert sum(row.distribution) == ONE
            # A floor of 5 % in all is for each of k variants at least 5 % / k.
            assert min(row.distribution) >= int(0.05 / len(row.distribution) * ONE) - 1
    assert reasons == {Reason.DRAWN, Reason.CONTEXT_INVALID}


def test_an_engine_answers_whatever_candidates_are_brought():
    house = House()
    fields = {"context": FIELDS, "candidates": CANDIDATE_FIELDS}
    house.run(experiment(policy=ContextualSpec(floor=0.05), **fields))
    reasons = set()
    for number, (fuzzer, context) in enumerate(contexts(3, SIZE // 4)):
        brought = fuzzer.candidates()
        row = house.decide(f"u{number}", context=context, candidates=brought)
        reasons.add(row.reason)
        assert row.variant in {candidate.name for candidate in brought}
        assert not row.is_draw or sum(row.distribution) == ONE
    assert reasons == {Reason.DRAWN, Reason.CONTEXT_INVALID}


def test_variants_may_be_called_anything():
    fuzzer = Fuzzer(4)
    names = sorted({fuzzer.text() + str(number) for number in range(40)})
    variants = tuple(Variant(name, features={"x": fuzzer.text()}) for name in names)
    for spec in SPECS[:2]:
        policy = learned_policy(experiment(context=FIELDS, policy=spec))
        answer = policy.distribution({}, variants)
        assert answer == pytest.approx([1 / len(names)] * len(names), abs=1e-5)
