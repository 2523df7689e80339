"""What a log says of a policy that never ran, as data: the verdict first, then numbers with what they stand on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from analysis.document import Count, Grid
from analysis.estimate import Estimate
from analysis.texts import Name, Text


class Evaluable(Enum):
    """Whether a log can say what a policy would have earned."""

    YES = "evaluable"
    WITH_CARE = "evaluable with care"
    NO = "not evaluable"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the log can say it, and why not or why with care; a sound log has no reasons."""

    word: Evaluable
    reasons: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What an evaluation stands on; None where the log has no whole distributions, or nothing to say it from.

    `effective` is the effective number of draws, (sum w)**2 / sum w**2, `effective_rewarded` the same of w |r|; where
    units have several draws, w is what those of a unit sum to. `effective_expected` is what the logged distributions
    promised, n / mean of sum_a pi(a)**2 / p(a): where it is lower, the largest weights have not come yet. A share
    `noisiest` of that sum is of one draw alone, in the row `noisiest_row`.

    `n_matched` draws have a weight above 0, `n_rewarded` of them a reward. `largest` is the largest weight seen, in the
    row `largest_row`, `possible` the largest that any draw could have had. `tail` is the tail index of the weights: 2
    and less have no variance. `unsupported` is the mean share of the target without support. `mean_weight` is 1 less
    that share but for chance, give or take `mean_weight_error`. `matured` is the share of draws whose windows had
    closed, `left_out` the share that could not be used.
    """

    n: int
    n_units: int
    n_matched: int
    n_rewarded: int
    effective: float
    effective_rewarded: float
    effective_expected: float | None
    largest: float
    largest_row: int | None
    possible: float | None
    tail: float | None
    unsupported: float | None
    mean_weight: float
    mean_weight_error: float | None
    matured: float
    left_out: float = 0.0
    noisiest: float = 0.0
    noisiest_row: int | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a policy would have earned, and how much more than another, which is the logged one unless named.

    `value` and `difference` hold at one look, `value_anytime` and `difference_anytime` at any. `other` is what the
    other policy earns, and of the logged one what was earned. `panel` has every estimator's value, `agreement` what is
    said where they disagree, `slope` how far weights may be shrunk. `overlap` is what each segment of the context says.
    `model` is what predicted the rewards at one look, and from which draws; at any look it is from earlier ones alone.
    Where the log cannot say it, the estimates have no numbers, unless they were forced.
    """

    policy: Name
    against: Name
    model: Name
    verdict: Verdict
    value: Estimate
    value_anytime: Estimate
    difference: Estimate
    difference_anytime: Estimate
    other: Estimate
    panel: tuple[Estimate, ...]
    agreement: Text
    slope: Text | None
    diagnostics: Diagnostics
    overlap: Grid | None
    left_out: tuple[Count, ...]

    def __str__(self) -> str:
        from analysis.ope import showing

        return "\n".join([str(showing.sentence(self)), *(f"- {reason}" for reason in self.verdict.reasons)])

    def _repr_html_(self) -> str:
        from analysis.ope import showing

        return showing.to_cell(self)
