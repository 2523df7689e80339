"""What a model of the reward is, and how it predicts draws that it has not seen."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from analysis.arrays import Floats, Ints
from analysis.ope.logged import Logged
from analysis.texts import Name


class Fitted(Protocol):
    """A model that has seen some draws."""

    def predict(self, log: Logged) -> Floats:
        """Return the reward that it expects of each variant, (n, k), finite, also of those that were not eligible."""


class Memory(Protocol):
    """What a model keeps of draws that come block by block: a bounded amount."""

    def add(self, log: Logged) -> None:
        """Take draws in, in their order."""

    def fitted(self) -> Fitted:
        """Return the model of the draws so far, which later ones do not change; some were added, be they none."""


class RewardModel(Protocol):
    """A kind of model, and its settings."""

    @property
    def name(self) -> Name:
        """What it is called, in a method's name."""

    def fit(self, log: Logged) -> Fitted:
        """Return the model of these draws, of which there may be none; the same draws give the same model."""

    def memory(self) -> Memory:
        """Return what learns it from draws that come block by block, and has seen none."""


@runtime_checkable
class FitsWithoutEach(Protocol):
    """A model that is quick to fit without each fold, because it is made of sums."""

    def fit_without_each(self, log: Logged, fold: Ints, n_folds: int) -> list[Fitted]:
        """Return the models without the draws of each fold; `fold` (n,) says which one a draw is in."""


@runtime_checkable
class Ready(Protocol):
    """A model that was there before the log: it is fitted to none of it, and predicts all of it."""

    @property
    def name(self) -> Name:
        """What it is called, in a method's name."""

    def predict(self, log: Logged) -> Floats:
        """Return the reward that it expects of each variant, (n, k), finite, also of those that were not eligible."""


class Predictor(Protocol):
    """Predicts draws block by block, from others than themselves."""

    @property
    def name(self) -> Name:
        """By which model, and from which draws."""

    def predict(self, block: Logged) -> Floats:
        """Return the reward that is expected of each variant, (n, k), by models that have not seen these draws."""

    def learn(self, block: Logged) -> None:
        """See the draws of a block, which was predicted or passed over."""
