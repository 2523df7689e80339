"""What factors bring, alone and together: effects and interactions over the combinations of their levels.

Which combination is best is another question: see `best`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.deciding import decisions
from analysis.document import Cell, Forest, Grid, Word
from analysis.estimate import LEVEL, Estimate, error_rate, not_evaluable
from analysis.factors import contrasts
from analysis.lifts import adjusted, linear, plain, slopes
from analysis.lifts.cells import Cells, Shape, side
from analysis.lifts.comparison import difference_in
from analysis.lifts.linear import Linear, Spread
from analysis.lifts.strata import empty, shares, usable, without_value
from analysis.texts import Number, Style, Text, count, text
from engine.experiments import Factor
from engine.metrics import Better


@dataclass(frozen=True, slots=True)
class _Design:
    """The combinations of a factorial test, in the order of `contrasts`: how each one's value moves, `weights` (v, s).

    `exact` is set where the metric is a share without covariates, whose intervals are MOVER's.
    """

    cells: Cells
    factors: tuple[Factor, ...]
    values: tuple[Linear, ...]
    weights: tuple[Floats, ...]
    spread: Spread
    method: Text
    exact: bool

    @property
    def n_levels(self) -> list[int]:
        return [len(factor.levels) for factor in self.factors]

    @property
    def n(self) -> int:
        return int(self.cells.moments.n[np.any([one != 0 for one in self.weights], axis=0)].sum())


def effects(
    cells: Cells,
    factors: Sequence[Factor],
    levels: Sequence[Mapping[str, str]],
    *,
    family: int = 1,
    better: Better = Better.HIGHER,
) -> Grid:
    """Return main effects, two-way interactions and, of three factors, the three-way one, with their tests.

    `levels` is the level of each factor by variant, in the order of the cells; a variant without them takes no part.
    Effects are differences of even means over the other factors' levels, each level against its factor's first; their
    intervals hold together, with those of `family` such grids. A factor of more than two levels, and interactions of
    such, have a joint test: Wald's F over the cells' own variances, its freedom the least of its contrasts' (Welch and
    Satterthwaite), chi-square for shares.
    """
    order = _order(factors, levels)
    found = text("factorial.no_combination") if order is None else _design(cells, tuple(factors), order)
    chosen = contrasts.subsets(len(factors))
    n_levels = [len(factor.levels) for factor in factors]
    whole = family * sum(len(contrasts.changes(n_levels, one)) for one in chosen)
    rows: list[tuple[Cell, ...]] = []
    for one in chosen:
        rows += [] if isinstance(found, Text) else _joint(found, one)
        for to in contrasts.changes(n_levels, one):
            estimand = difference_in(cells) if len(one) == 1 else text("factorial.extra", of=cells.estimand)
            coefficients = contrasts.contrast(n_levels, one, to)
            estimate = (
                not_evaluable(found, estimand, scale=cells.scale.difference)
                if isinstance(found, Text)
                else _estimate(found, coefficients, estimand, whole)
            )
            rows.append(_row(_name(factors, one, to), estimate, better))
    return _grid(rows)


def _order(factors: Sequence[Factor], levels: Sequence[Mapping[str, str]]) -> Ints | None:
    """Return the variant of each combination, (n_combinations,), or None where one has none."""
    names = [factor.name for factor in factors]
    place = {tuple(own.get(name) for name in names): variant for variant, own in enumerate(levels)}
    found = [place.get(one) for one in product(*(factor.levels for factor in factors))]
    return None if None in found else np.array(found, np.int64)


def _design(cells: Cells, factors: tuple[Factor, ...], order: Ints) -> _Design | Text:
    """Return how the combinations' values move, or why they cannot be compared."""
    n_variants = len(cells.moments.n)
    mix = side(n_variants, order.tolist())
    if not cells.moments.n[order].any(axis=1).all():
        return text("factorial.empty")
    if reason := empty(cells, mix):
        return reason
    share = shares(cells, usable(cells, mix))
    weights = tuple(np.outer(side(n_variants, [variant]), share) for variant in order.tolist())
    if reason := without_value(cells, np.outer(mix, share)):
        return reason
    return _moving(cells, factors, weights) if cells.covariates else _plainly(cells, factors, weights)


def _plainly(cells: Cells, factors: tuple[Factor, ...], weights: tuple[Floats, ...]) -> _Design | Text:
    spread = linear.spread_of(cells)
    if cells.shape is Shape.RATIO:
        below = [plain.below_the_line(cells, one) for one in weights]
        if not all(one.value and plain.is_above_zero(one, spread) for one in below):
            return text("not_evaluable.little_below")
    values = tuple(linear.side_value(cells, one) for one in weights)
    keys = {Shape.SHARE: "method.mover", Shape.MEAN: "method.welch", Shape.RATIO: "method.delta_ratio"}
    method = text(keys[cells.shape])
    return _Design(cells, factors, values, weights, spread, method, cells.shape is Shape.SHARE)


def _moving(cells: Cells, factors: tuple[Factor, ...], weights: tuple[Floats, ...]) -> _Design | Text:
    """Return the design adjusted for covariates, or the plain one where they cannot be used."""
    before = _plainly(cells, factors, weights)
    if isinstance(before, Text) or adjusted.unusable(cells, weights, before.values):
        return before
    found = slopes.lin(cells, weights)
    if not found.rank:
        return before
    return _Design(cells, factors, found.sides, weights, found.spread, text("method.lin"), exact=False)


def _sum(design: _Design, coefficients: Floats) -> Linear:
    """Return the weighted sum of the combinations' values."""
    chosen = [one.scaled(float(c)) for one, c in zip(design.values, coefficients, strict=True)]
    return Linear(
        float(sum(one.value for one in chosen)),
        np.asarray(sum(one.weights for one in chosen)),
        np.asarray(sum(one.slack for one in chosen)),
    )


def _estimate(design: _Design, coefficients: Floats, estimand: Text, family: int) -> Estimate:
    found, alpha = _sum(design, coefficients), error_rate(LEVEL, family)
    scale = design.cells.scale.difference
    if design.exact:
        weights = np.asarray(sum(c * one for c, one in zip(coefficients, design.weights, strict=True)))
        interval = plain.share_interval(design.cells, weights, alpha)
        p_value = plain.share_p_value(design.cells, weights)
    elif not design.spread.covariance(found, found):
        return not_evaluable(text("not_evaluable.same"), estimand, design.n, scale=scale)
    else:
        interval, p_value = linear.interval(found, design.spread, alpha), linear.p_value(found, design.spread)
    return Estimate(found.value, *interval, design.n, design.method, estimand, scale, family=family, p_value=p_value)


def _joint(design: _Design, chosen: tuple[int, ...]) -> list[tuple[Cell, ...]]:
    """Return the row of a joint test, where there is more than one change to test."""
    table = contrasts.table(design.n_levels, chosen)
    if len(table) < 2:
        return []
    names = tuple(design.factors[factor].name for factor in chosen)
    name = text("factorial.joint" if len(chosen) == 1 else "factorial.joint_interaction", factors=names)
    p_value, test = _tested(design, table)
    return [(name, None, None if p_value is None else Number(p_value, Style.PROBABILITY), None, test)]


def _tested(design: _Design, table: Floats) -> tuple[float | None, Text]:
    """Return the p-value of all contrasts, (q, n_combinations), being 0, with its method; or None, and why."""
    if few := plain.few_events(design.cells, design.values, plain.MIN_EVENTS):
        return None, few
    sums = [_sum(design, row) for row in table]
    covariance = np.array([[design.spread.covariance(one, other) for other in sums] for one in sums])
    freedom = min(design.spread.freedom(one) for one in sums) if covariance.diagonal().all() else 0.0
    p_value = contrasts.wald(np.array([one.value for one in sums]), covariance, freedom) if freedom else None
    if p_value is None:
        return None, text("factorial.singular")
    return p_value, text("factorial.wald_shares" if np.isinf(freedom) else "factorial.wald", n=count(len(table)))


def _name(factors: Sequence[Factor], chosen: tuple[int, ...], to: tuple[int, ...]) -> Text:
    if len(chosen) == 1:
        factor = factors[chosen[0]]
        return text("factorial.main", factor=factor.name, level=factor.levels[to[0]], first=factor.levels[0])
    changed = tuple(
        text("factorial.level", factor=factors[one].name, level=factors[one].levels[place])
        for one, place in zip(chosen, to, strict=True)
    )
    return text("factorial.together", levels=changed)


def _row(name: Text, estimate: Estimate, better: Better) -> tuple[Cell, ...]:
    p_value = None if estimate.p_value is None else Number(estimate.p_value, Style.PROBABILITY)
    return name, estimate, p_value, decisions.word(estimate, better), estimate.method if estimate.interval else None


def _grid(rows: Sequence[tuple[Cell, ...]]) -> Grid:
    title, note = text("factorial.effects"), text("factorial.effects_note")
    columns = tuple(text(f"factorial.{name}") for name in ("effect", "difference", "p_value", "word", "test"))
    shown = [(row[0], row[1], row[3]) for row in rows if isinstance(row[1], Estimate)]
    names = tuple(name for name, _, _ in shown if isinstance(name, Text))
    estimates = tuple(estimate for _, estimate, _ in shown)
    words = tuple(said for _, _, said in shown if isinstance(said, Word))
    return Grid("effects", title, columns, tuple(rows), note, Forest(title, names, estimates, words))
