"""A log made up of arrays: thousands of them can be simulated without an entry ever being an object."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.arrays import Flags, Ints
from analysis.logs.columns_source import ColumnsSource
from engine.columns import Coded, Column, encoded
from engine.definition import define
from engine.errors import InvalidRequest
from engine.experiments import Experiment, ExperimentState, Status
from engine.randomness import ONE, quantise, share_weight
from engine.records import DrawKey, Group, Reason, Source
from engine.specs import FixedSpec

START = 20_000 * 86_400 * 1_000_000
"""When everything happens that has no time of its own, in microseconds."""

_DRAWN = ("variant", "distribution")

_WORDS = ("metric", "void_of", "reason", "source", "group_name")
"""Columns of texts, which without any row look like numbers."""

Arrays = Mapping[str, Any]
"""Columns by name: arrays, lists of texts, or one value for all rows."""

Rows = dict[str, Any]
"""Columns by name, as a source has them."""


def simple_log(
    experiment: Experiment,
    assignments: Arrays,
    outcomes: Arrays | None = None,
    exposures: Arrays | None = None,
    context: Arrays | None = None,
    *,
    ended_at: int | None = None,
) -> ColumnsSource:
    """Return a log of one running experiment, of which `analysis.report` takes the same report as of a store's.

    Columns of `assignments` (n,): `variant` (names, or places among the experiment's variants) and, if they are not
    the plain ones, `unit_key` (a unit for each row), `assigned_at`, `received_at`, `revision`, `epoch`, `is_draw`,
    `reason`, `source`, `group_name` ("policy" or "control"), `group_weight`, and `distribution`: probabilities, or
    integer weights that sum to 2**32, (n, n_variants) or (n_variants,); a test's is known, a policy that learns must
    say it.

    Columns of `outcomes` (m,): `row` (a place among the assignments) or `unit_key`; `metric` (the outcome's name, if
    there are several), `value` (1.0), `occurred_at` (the row's time), `received_at`. Columns of `exposures`: `row`,
    `exposed_at`. `context` has fields by name, (n,): numbers, flags as 0.0 or 1.0, or texts.

    Times are in microseconds since the Unix epoch. The log ends at `ended_at`, or when every window has closed.

    Raises:
        InvalidExperiment: the definition is not sound.
        InvalidRequest: a column is unknown, missing, or of another length.

    >>> from engine.experiments import Variant
    >>> from engine.metrics import Metric
    >>> hero = Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),))
    >>> log = simple_log(hero, {"variant": np.array([0, 1, 1])}, {"row": np.array([2])})
    >>> log.columns("outcomes", ["assignment_seq"], "hero")
    {'assignment_seq': array([3])}
    """
    defined = define(experiment)
    rows = _assignments(defined, assignments)
    n = len(rows["seq"])
    heard = _outcomes(defined, outcomes or {}, rows)
    met = _exposures(exposures or {}, rows)
    fields = {name: _column(values, n, name) for name, values in (context or {}).items()}
    if ended_at is None:
        last = [column.max(initial=START) for column in (rows["received_at"], heard["received_at"], met["exposed_at"])]
        ended_at = int(max(last)) + _longest(defined)
    tables = {"assignments": rows, "outcomes": heard, "exposures": met}
    return ColumnsSource(ExperimentState(defined, Status.RUNNING, 1, 1, "simulated"), tables, fields, ended_at)


def _longest(experiment: Experiment) -> int:
    """Return after how many microseconds the last window has closed."""
    return max(metric.window + experiment.grace for metric in experiment.metrics) // timedelta(microseconds=1)


def _assignments(experiment: Experiment, given: Arrays) -> Rows:
    variant = _variant(experiment, given)
    n = len(variant)
    plain = {
        "unit_key": np.arange(1, n + 1),
        "assigned_at": START,
        "received_at": given.get("assigned_at", START),
        "revision": 1,
        "epoch": 1,
        "is_draw": 1,
        "draw_key": list(DrawKey).index(experiment.draw_key),
        "reason": Reason.DRAWN.value,
        "source": Source.LIVE.value,
        "group_name": Group.POLICY.value,
        "group_weight": 0,
    }
    found = _filled({name: values for name, values in given.items() if name not in _DRAWN}, plain, n)
    is_control = _is_control(found["group_name"])
    if "group_weight" not in given:
        share = share_weight(experiment.policy.control_share)
        found["group_weight"] = np.where(is_control, share, ONE - share)
    drawn = _drawn(experiment, given, variant, is_control)
    return found | drawn | {"seq": np.arange(1, n + 1), "variant": variant}


def _variant(experiment: Experiment, given: Arrays) -> Coded:
    """Return the variants of the rows, (n,)."""
    if "variant" not in given:
        raise InvalidRequest("the assignments have no `variant`: say which one each row got")
    variants, names = np.asarray(given["variant"]), tuple(variant.name for variant in experiment.variants)
    if variants.dtype.kind not in "iu":
        return encoded(variants.tolist())
    if len(variants) and not 0 <= variants.min() <= variants.max() < len(names):
        raise InvalidRequest(f"a variant is a place among {', '.join(names)}: from 0 to {len(names) - 1}")
    return Coded(variants.astype(np.int64), names)


def _is_control(group_name: Coded) -> Flags:
    return np.asarray(
        group_name.looked_up([*(word == Group.CONTROL.value for word in group_name.words), False], np.bool_)
    )


def _drawn(experiment: Experiment, given: Arrays, variant: Coded, is_control: Flags) -> Rows:
    """Return what the rows were drawn from; the control's group has one variant alone."""
    names = [each.name for each in experiment.variants]
    packed, weights = _distributions(experiment, given.get("distribution"), len(variant))
    place = variant.looked_up([*(names.index(word) if word in names else -1 for word in variant.words), -1])
    alone = len(packed.words)
    return {
        "eligible": Coded(is_control.astype(np.int64), (json.dumps(names), json.dumps([experiment.control]))),
        "distribution": Coded(np.where(is_control, alone, packed.codes), (*packed.words, ONE.to_bytes(8, "little"))),
        "weight": np.where(is_control, ONE, weights[packed.codes, place]),
    }


def _distributions(experiment: Experiment, given: Any, n: int) -> tuple[Coded, Ints]:  # noqa: ANN401 (an array)
    """Return each row's packed weights, and the weights of each of those words, (n_words, n_variants)."""
    k = len(experiment.variants)
    shares = np.asarray(_declared(experiment) if given is None else given)
    if shares.shape not in ((k,), (n, k)):
        raise InvalidRequest(f"a distribution has {k} columns and {n} rows or one, and this is {shares.shape}")
    each = _packed(shares.reshape(-1, k))
    found = each if shares.ndim == 2 else Coded(np.zeros(n, np.int64), each.words)
    if shares.dtype.kind == "f":
        rounded = [quantise(np.frombuffer(word).tolist(), zeros=True) for word in found.words]
        weights = np.array(rounded, np.int64).reshape(-1, k)
        found = Coded(found.codes, tuple(row.tobytes() for row in weights.astype("<i8")))
    return found, np.array([np.frombuffer(word, "<i8") for word in found.words], np.int64).reshape(-1, k)


def _packed(rows: NDArray[Any]) -> Coded:
    """Return the bytes of rows of numbers, (n, k)."""
    whole = np.ascontiguousarray(rows, np.float64 if rows.dtype.kind == "f" else np.dtype("<i8"))
    return encoded(whole.view(f"V{8 * whole.shape[1]}").ravel().tolist())


def _declared(experiment: Experiment) -> list[float]:
    """Return the distribution of a test."""
    policy = experiment.policy
    if not isinstance(policy, FixedSpec):
        raise InvalidRequest("only a fixed policy always draws alike: say the `distribution` of each assignment")
    weights = dict(policy.weights) or {variant.name: 1.0 for variant in experiment.variants}
    total = sum(weights.values())
    return [weights.get(variant.name, 0.0) / total for variant in experiment.variants]


def _outcomes(experiment: Experiment, given: Arrays, rows: Rows) -> Rows:
    n = len(given.get("row", given.get("unit_key", ())))
    row, at = _places(given.get("row", [-1] * n), rows)
    names = sorted(experiment.outcomes)
    plain = {
        "row": row,
        "unit_key": 0,
        "metric": names[0] if len(names) == 1 else None,
        "value": 1.0,
        "occurred_at": at,
        "received_at": given.get("occurred_at", at),
        "void_of": "",
    }
    found = _filled(given, plain, n)
    return found | {
        "value": found["value"].astype(np.float64),
        "assignment_seq": row + 1,
        "seq": len(rows["seq"]) + np.arange(1, n + 1),
    }


def _exposures(given: Arrays, rows: Rows) -> Rows:
    row, at = _places(given.get("row", []), rows)
    return _filled(given, {"row": row, "exposed_at": at}, len(row)) | {"assignment_seq": row + 1}


def _places(given: Any, rows: Rows) -> tuple[Ints, Ints]:  # noqa: ANN401 (an array or a list)
    """Return places among the assignments, -1 for none, and when those were assigned."""
    row, n = np.array(given, np.int64), len(rows["seq"])
    if len(row) and not -1 <= row.min() <= row.max() < n:
        raise InvalidRequest(f"a `row` is a place among the {n} assignments, or -1")
    return row, np.append(rows["assigned_at"], START)[row]


def _filled(given: Arrays, plain: Arrays, n: int) -> Rows:
    """Return n rows of the given columns, and of the plain ones that are not given."""
    unknown = set(given) - set(plain)
    if unknown:
        raise InvalidRequest(f"there is no column {min(unknown)!r} to give: there are {', '.join(plain)}")
    return {name: _column(given.get(name, value), n, name) for name, value in plain.items()}


def _column(values: Any, n: int, name: str) -> Column:  # noqa: ANN401 (an array, a list, or one value)
    """Return a column of n rows."""
    if values is None and n:
        raise InvalidRequest(f"say the `{name}` of each row: it is not known otherwise")
    if isinstance(values, str) or values is None:
        return Coded(np.zeros(n, np.int64), (values or "",))
    if isinstance(values, Coded):
        return values
    found = np.asarray(values)
    whole = np.broadcast_to(found, n) if found.ndim == 0 else found
    if whole.shape != (n,):
        raise InvalidRequest(f"the column `{name}` is {whole.shape}, and the others have {n} rows")
    if name in _WORDS and not n:
        return Coded(np.zeros(0, np.int64), ())
    if whole.dtype.kind in "iub":
        return whole.astype(np.int64)
    return whole.astype(np.float64) if whole.dtype.kind == "f" else encoded(whole.tolist())
