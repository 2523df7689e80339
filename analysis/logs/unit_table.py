"""Moments of a table with one row a unit, from any data frame that narwhals reads, in two passes that hold no rows.

The first pass finds the overall mean of each column. The second sums products of deviations from it by variant and
stratum, and moves them to each cell's own mean: the overall mean is near enough to all of them that nothing cancels.
A lazy frame (a Polars scan, a DuckDB relation) is aggregated where it is, so that memory stays flat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations_with_replacement
from operator import add
from typing import Any

import narwhals as nw
import numpy as np
from narwhals.exceptions import ColumnNotFoundError

from analysis.arrays import LARGEST, Flags, Floats
from analysis.lifts.moments import Moments
from analysis.logs.crediting import NPS_SCALE
from analysis.logs.metrics import DETRACTOR, PROMOTER, SHARES
from engine.errors import InvalidRequest
from engine.experiments import Experiment
from engine.metrics import SCORES, Metric, MetricKind

Lazy = nw.LazyFrame[Any]

_NUMBERS_OR_NOTHING = (nw.Boolean, nw.Object, nw.Unknown)
"""Types that may hold numbers besides the numeric ones: a column without any value has one of the last two."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Moments of all columns by variant and stratum, and the rows that were left out.

    Products of columns that no metric needs together are NaN in `moments.m2`.
    """

    moments: Moments
    columns: tuple[str, ...]
    n_incomplete: int
    n_unknown: int

    def of(self, names: Sequence[str]) -> Moments:
        """Return the moments of some columns, in the order given."""
        return self.moments.columns([self.columns.index(name) for name in names])


def gather(
    table: Any,  # noqa: ANN401 (any native frame)
    columns: Mapping[str, nw.Expr],
    together: Sequence[Sequence[str]],
    variants: Sequence[str],
    *,
    variant: str = "variant",
    stratum: str = "",
) -> Gathered:
    """Return the moments of `columns`, expressions over the table by name.

    `together` are groups of column names whose products are needed. A row is left out, and counted, where one of the
    columns is missing, not finite or too large to compute with, or where its variant, as text, is none of `variants`.

    Raises:
        InvalidRequest: it is no table that can be read, or lacks a column.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"variant": ["a", "a", "b", "c"], "spent": [1.0, 3.0, 5.0, 7.0]})
    >>> found = gather(frame, {"spent": nw.col("spent")}, [["spent"]], ["a", "b"])
    >>> found.moments.n.tolist(), found.moments.mean.ravel().tolist(), found.n_unknown
    ([[2], [1]], [2.0, 5.0], 1)
    """
    names = tuple(columns)
    keys = {"_variant": nw.col(variant), **({"_stratum": nw.col(stratum)} if stratum else {})}
    values = {f"_{place}": columns[name].cast(nw.Float64) for place, name in enumerate(names)}
    keyed, centres = _centred(_selected(table, {**keys, **values}), tuple(values))
    pairs = sorted({pair for group in together for pair in _pairs([names.index(name) for name in group])})
    rows = _sums(keyed, tuple(keys), tuple(values), centres, pairs)
    known = [row for row in rows if str(row["_variant"]) in variants]
    whole = [row for row in known if row["_whole"]]
    return Gathered(
        _moments(whole, variants, centres, pairs),
        names,
        _n(known) - _n(whole),
        _n(rows) - _n(known),
    )


def _n(rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(int(row["n"]) for row in rows)


def columns_of(experiment: Experiment, metric: Metric) -> dict[str, nw.Expr]:
    """Return a metric's columns by name, in the order of `cells.Cells`: its value, what is below the line, covariates.

    A share that is neither 0 nor 1, and an NPS off its scale, are infinite: such rows are left out and counted.

    Raises:
        InvalidRequest: it is winsorised, and a table does not say where to cut.
    """
    if metric.winsor is not None:
        raise InvalidRequest(f"metric {metric.name!r} is winsorised, which needs a log: declare a `cap` for a table")
    return {**_values(experiment, metric), **{f"context {name}": nw.col(name) for name in metric.covariates}}


def _values(experiment: Experiment, metric: Metric) -> dict[str, nw.Expr]:
    column = nw.col(metric.name)
    if metric.kind is MetricKind.RATIO:
        parts = [each for name in (metric.of, metric.per) for each in experiment.metrics if each.name == name]
        return {name: made for part in parts for name, made in _values(experiment, part).items()}
    if metric.kind in SCORES:
        given = ~column.is_null()
        return {metric.name: _score(metric).fill_null(0.0), f"{metric.name} given": given.cast(nw.Float64)}
    if metric.kind in SHARES:
        happened = column.cast(nw.Float64)
        return {metric.name: nw.when((happened == 0) | (happened == 1)).then(happened).otherwise(nw.lit(float("inf")))}
    return {metric.name: column if metric.cap is None else _capped(column.cast(nw.Float64), metric.cap)}


def _capped(column: nw.Expr, cap: float) -> nw.Expr:
    # An infinite value is no large one: its row is left out and counted.
    return nw.when(column.is_finite()).then(column.clip(upper_bound=cap)).otherwise(column)


def _score(metric: Metric) -> nw.Expr:
    score = nw.col(metric.name).cast(nw.Float64)
    if metric.kind is not MetricKind.NPS:
        return score
    counted = 100 * ((score >= PROMOTER).cast(nw.Float64) - (score <= DETRACTOR).cast(nw.Float64))
    return nw.when((score < NPS_SCALE[0]) | (score > NPS_SCALE[1])).then(nw.lit(float("inf"))).otherwise(counted)


def _is_empty(lazy: Lazy, name: str) -> bool:
    # pandas takes a column of nothing but None for one of text.
    return bool(_rows(lazy.select(nw.col(name).is_null().all()))[0][name])


def _lazy(table: Any) -> Lazy:  # noqa: ANN401 (any native frame)
    try:
        lazy: Lazy = nw.from_native(table).lazy()
    except TypeError as error:
        raise InvalidRequest(f"a table is a data frame that narwhals reads, and this is none: {error}") from error
    return lazy


def _selected(table: Any, columns: Mapping[str, nw.Expr]) -> Lazy:  # noqa: ANN401 (any native frame)
    lazy = _lazy(table)
    try:
        selected = lazy.select(**columns)
        selected.collect_schema()
    except ColumnNotFoundError as error:
        raise InvalidRequest(f"the table lacks a column: {str(error).splitlines()[0]}") from error
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"a column of the table is not of numbers: {error}") from error
    return selected


def check_numbers(table: Any, names: Sequence[str]) -> None:  # noqa: ANN401 (any native frame)
    """Let pass a table whose columns of these names, where they are there, hold numbers, flags or nothing at all.

    Raises:
        InvalidRequest: it is no table that can be read, or a column holds something else.
    """
    lazy = _lazy(table)
    schema = lazy.collect_schema()
    for name in names:
        kind = schema.get(name, nw.Float64())
        if not kind.is_numeric() and kind not in _NUMBERS_OR_NOTHING and not _is_empty(lazy, name):
            raise InvalidRequest(f"the column {name!r} of the table must hold numbers, and holds {kind}")


def _pairs(places: Sequence[int]) -> list[tuple[int, int]]:
    return list(combinations_with_replacement(sorted(places), 2))


def _whole(names: Sequence[str]) -> nw.Expr:
    # A sum is finite just where all its parts are: one check for all columns.
    return reduce(add, map(nw.col, names)).is_finite().fill_null(value=False)


def _centred(keyed: Lazy, names: Sequence[str]) -> tuple[Lazy, Floats]:
    """Return the columns and the overall mean of each, (k,), in one pass where all numbers can be computed with.

    Those that are too large are made infinite, and the means are those of the rows without any of them.
    """
    means = [nw.col(name).mean() for name in names]
    ends = [nw.col(name).abs().max().alias(f"{name}_end") for name in names]
    row = _rows(keyed.select(*means, *ends))[0]
    found = _numbers([row[name] for name in names])
    if not (_numbers([row[f"{name}_end"] for name in names]) > LARGEST).any() and np.isfinite(found).all():
        return keyed, found
    small = {
        name: nw.when(nw.col(name).abs() <= LARGEST).then(nw.col(name)).otherwise(nw.lit(float("inf")))
        for name in names
    }
    bounded = keyed.with_columns(**small)
    finite = _rows(bounded.filter(_whole(names)).select(*means))[0]
    return bounded, np.nan_to_num(_numbers([finite[name] for name in names]))


def _numbers(found: Sequence[Any]) -> Floats:
    """Return what was found of each column, (k,): 0 where there is nothing."""
    return np.array([0.0 if number is None else float(number) for number in found])


def _sums(
    keyed: Lazy, keys: Sequence[str], names: Sequence[str], centres: Floats, pairs: Sequence[tuple[int, int]]
) -> list[dict[str, Any]]:
    """Return n and the sums of deviations and of their products, by the keys and by whether rows are whole."""
    centred = keyed.with_columns(
        *((nw.col(name) - float(centre)).alias(name) for name, centre in zip(names, centres, strict=True)),
        _whole=_whole(names),
    )
    products = centred.with_columns(*((nw.col(names[i]) * nw.col(names[j])).alias(f"_{i}_{j}") for i, j in pairs))
    sums = [nw.col(name).sum() for name in [*names, *(f"_{i}_{j}" for i, j in pairs)]]
    return _rows(products.group_by(*keys, "_whole").agg(nw.len().alias("n"), *sums))


def _rows(lazy: Lazy) -> list[dict[str, Any]]:
    return list(lazy.collect().iter_rows(named=True))


def _moments(
    rows: Sequence[Mapping[str, Any]], variants: Sequence[str], centres: Floats, pairs: Sequence[tuple[int, int]]
) -> Moments:
    strata = sorted({str(row.get("_stratum", "")) for row in rows}) or [""]
    k = len(centres)
    n = np.zeros((len(variants), len(strata)), np.int64)
    shift = np.zeros((*n.shape, k))
    m2 = np.full((*n.shape, k, k), np.nan)
    for row in rows:
        cell = variants.index(str(row["_variant"])), strata.index(str(row.get("_stratum", "")))
        n[cell] = row["n"]
        shift[cell] = [row[f"_{place}"] / row["n"] for place in range(k)]
        for i, j in pairs:
            product = row[f"_{i}_{j}"] - n[cell] * shift[cell][i] * shift[cell][j]
            # Of a column that does not vary rounding may leave less than nothing.
            m2[(*cell, i, j)] = m2[(*cell, j, i)] = max(product, 0.0) if i == j else product
    empty: Flags = n == 0
    m2[empty] = 0
    return Moments(n, centres + shift, m2)
