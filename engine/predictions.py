"""What a learned policy expected of a draw, in words: the reward of each variant, and what in the context moved it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.experiments import Variant
from engine.explanation import Step
from engine.policies import LearningPolicy, Policy
from engine.records import Assignment, Group

_N_NAMED = 5
_N_LISTED = 20
"""More variants than that are not listed each: only those of the largest numbers are."""


def predicted(policy: Policy | None, row: Assignment, eligible: Sequence[Variant]) -> tuple[Step, ...]:
    """Return the reward in [0, 1] that was predicted of each variant; nothing where nothing was learned yet.

    Raises:
        PolicyFailed: the policy cannot read the row's context.
    """
    learned = _learned(policy, row)
    if learned is None:
        return ()
    rewards = learned.expected_rewards(row.context, eligible)
    of_each = zip((variant.name for variant in eligible), rewards, strict=True)
    return (Step("predicted", f"reward {listed(of_each, '.3g')}"),)


def because(policy: Policy | None, row: Assignment, eligible: Sequence[Variant]) -> tuple[Step, ...]:
    """Return by how much the context moved the prediction of the drawn variant: its fields of the largest effect first.

    Raises:
        PolicyFailed: the policy cannot read the row's context.
    """
    learned = _learned(policy, row)
    variant = next((variant for variant in eligible if variant.name == row.variant), None)
    moved = learned.contributions(row.context, variant) if learned and variant else {}
    if not moved:
        return ()
    largest = sorted(moved.items(), key=lambda each: -abs(each[1]))[:_N_NAMED]
    fields = ", ".join(f"{name} {by:+.3g}" for name, by in largest)
    return (Step("because", f"{fields} to the reward predicted of {row.variant}"),)


def listed(numbers: Iterable[tuple[str, float]], form: str) -> str:
    """Return names with their numbers in words; of many, those of the largest numbers alone.

    >>> listed([("plain", 0.25), ("bold", 0.75)], ".3g")
    'plain 0.25, bold 0.75'
    >>> listed([(f"v{n}", n / 100) for n in range(30)], ".2f")
    'v29 0.29, v28 0.28, v27 0.27, v26 0.26, v25 0.25 and 25 others'
    """
    pairs = list(numbers)
    named = pairs if len(pairs) <= _N_LISTED else sorted(pairs, key=lambda each: -each[1])[:_N_NAMED]
    others = f" and {len(pairs) - len(named):,} others" if len(named) < len(pairs) else ""
    return ", ".join(f"{name} {number:{form}}" for name, number in named) + others


def _learned(policy: Policy | None, row: Assignment) -> LearningPolicy | None:
    """Return the policy where what it had learned is what the row was drawn by."""
    is_by_it = row.group is Group.POLICY and row.snapshot
    return policy if is_by_it and isinstance(policy, LearningPolicy) else None
