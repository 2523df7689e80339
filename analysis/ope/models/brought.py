"""A model that the reader brings: any object with `fit` and `predict` or `predict_proba`, as scikit-learn has them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.adaptive.encoding import Encoding
from analysis.arrays import Floats
from analysis.ope.logged import Logged
from analysis.ope.models.base import Fitted, Memory
from analysis.ope.models.inputs import Columns, Pair, Pairs, Plain, of_drawn
from analysis.ope.models.rows import KeptMemory, Names, Rows, thinned
from engine.errors import InvalidRequest


@dataclass(frozen=True, slots=True, eq=False)
class Brought:
    """Fits copies of an unfitted object on draws, N_KEPT of them at most, evenly spread.

    X has the columns of the context as `Encoding` makes them (standardised numbers, 0 where one is missing, and the
    commonest texts), and behind them one for each variant, 1 for the drawn one; or the columns of a `pair`. y is the
    reward. A classifier predicts by its `classes_`; predictions stay within what was seen. Where an object draws random
    numbers, its seed must be set, or the same draws give another model.
    """

    model: Any
    pair: Pair | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return type(self.model).__name__

    def fit(self, log: Logged) -> Fitted:
        """Return the model of these draws; without two different rewards it is the one that there is, or 0.

        Raises:
            InvalidRequest: the object refuses them.
        """
        part, names = thinned(log), Names()
        return self.fit_rows(names.rows(part, self.inputs(part)), names)

    def memory(self) -> Memory:
        """Return what learns it from draws that come block by block."""
        return KeptMemory(self)

    def inputs(self, log: Logged) -> Floats | None:
        """Return the columns of the drawn variants by the pair, (n, c), if there is one."""
        return None if self.pair is None else of_drawn(log, self.pair)

    def fit_rows(self, rows: Rows, names: Names) -> Fitted:
        """Return the model of some rows.

        Raises:
            InvalidRequest: the object refuses them.
        """
        if not rows.reward.min(initial=np.inf) < rows.reward.max(initial=-np.inf):
            return Constant(float(rows.reward[0]) if len(rows) else 0.0)
        seen = float(rows.reward.min()), float(rows.reward.max())
        if self.pair is not None:
            return BroughtFitted(_fit(self.model, rows.inputs, rows.reward), Pairs(self.pair), seen)
        columns = Columns(Encoding.of(rows.context), names, names.k)
        return BroughtFitted(_fit(self.model, columns.of(rows), rows.reward), columns, seen)


@dataclass(frozen=True, slots=True, eq=False)
class FittedBefore:
    """Predicts by an object that was fitted before, and is used as it is.

    Whoever brings it vouches that it has not seen these draws. It must have been fitted on what `inputs.plain` returns
    of other draws with the same variants, fields and words, or on the columns of a `pair`.
    """

    model: Any
    pair: Pair | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return type(self.model).__name__

    def predict(self, log: Logged) -> Floats:
        """Return the reward that it expects of each variant, (n, k).

        Raises:
            InvalidRequest: the object refuses the columns, or predicts what is no number.
        """
        inputs = Plain() if self.pair is None else Pairs(self.pair)
        return inputs.predicted(log, lambda columns: _predictions(self.model, columns))


@dataclass(frozen=True, slots=True)
class Constant:
    """Predicts one number."""

    value: float

    def predict(self, log: Logged) -> Floats:
        """Return it for each variant, (n, k)."""
        return np.full((len(log), log.k), self.value)


@dataclass(frozen=True, slots=True, eq=False)
class BroughtFitted:
    """A fitted object, and the columns that it reads; predictions stay within what was `seen`."""

    model: Any
    inputs: Columns | Pairs
    seen: tuple[float, float]

    def predict(self, log: Logged) -> Floats:
        """Return the reward that it expects of each variant, (n, k).

        Raises:
            InvalidRequest: the object refuses the columns, or predicts what is no number.
        """
        found = self.inputs.predicted(log, lambda columns: _predictions(self.model, columns))
        return np.clip(found, *self.seen, out=found)


def _fit(model: Any, inputs: Floats, rewards: Floats) -> Any:  # noqa: ANN401 (any object with these methods)
    fresh = copy.deepcopy(model)
    try:
        fresh.fit(inputs, rewards)
    except ValueError as error:
        raise InvalidRequest(f"{type(model).__name__} cannot be fitted to the draws: {_line(error)}") from None
    return fresh


def _predictions(model: Any, inputs: Floats) -> Floats:  # noqa: ANN401 (any object with these methods)
    """Return what an object predicts of rows, (n,): of a classifier the mean of its classes by their chances."""
    if not len(inputs):
        return np.zeros(0)
    try:
        found = _expected(model, inputs) if hasattr(model, "predict_proba") else np.asarray(model.predict(inputs))
        found = found.astype(np.float64).reshape(len(inputs))
    except ValueError as error:
        raise InvalidRequest(f"{type(model).__name__} cannot predict the draws: {_line(error)}") from None
    if not np.isfinite(found).all():
        raise InvalidRequest(f"{type(model).__name__} predicts what is no finite number: check what it was fitted on")
    return found


def _expected(model: Any, inputs: Floats) -> Floats:  # noqa: ANN401 (any object with these methods)
    chances = np.asarray(model.predict_proba(inputs), np.float64)
    classes = np.asarray(getattr(model, "classes_", np.arange(chances.shape[1])), np.float64)
    return np.asarray(chances @ classes)


def _line(error: ValueError) -> str:
    return str(error).partition("\n")[0]
