"""What the blocks of a log say of a target and of another policy, added up: for one look, and for any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.arrays import Floats
from analysis.document import Count
from analysis.ope import checking
from analysis.ope.estimators import slates
from analysis.ope.intervals import by_name
from analysis.ope.intervals.any_look import AnyLook
from analysis.ope.intervals.one_look import OneLook
from analysis.ope.logged import Collection, Logged
from analysis.ope.models.base import Predictor
from analysis.ope.panel import Panel
from analysis.ope.support import Evidence
from analysis.ope.targets.base import Target
from analysis.ope.targets.logged import logged
from analysis.ope.weighed import Weighed, less, nowhere, on_policy, weighed
from analysis.texts import Name, text
from engine.randomness import ONE

_ROUNDING = 2 / ONE
"""Two distributions that were rounded to integers may be so far apart and yet be meant to be one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a log is asked: a target, against which other, None for the logged one, and since when, in microseconds.

    `interval` is that of the value and of the difference at one look, of `by_name.NAMES`.
    """

    target: Target
    against: Target | None = None
    since: int | None = None
    interval: str = by_name.NAMES[0]

    @property
    def begin(self) -> int | None:
        """The time of the first draw that is judged, None for all: no target is judged on what it learned from."""
        times = self.since, self.target.since, self.against.since if self.against else None
        return max((each for each in times if each is not None), default=None)

    @property
    def other(self) -> Name:
        """What the other policy is called."""
        return self.against.name if self.against else logged().name

    def answers(self, block: Logged) -> Answers:
        """Return what the two policies answer of the draws of a block.

        Raises:
            InvalidRequest: an answer is no distribution of these draws.
        """
        other = _answer(self.against, block) if self.against else block.probabilities
        target = _answer(self.target, block)
        difference = None if other is None else _less(target, other)
        return Answers(target, other, difference, is_named=self.against is not None)


@dataclass(frozen=True, slots=True)
class Answers:
    """The distributions of the target and of the other policy, and their difference, (n, k) each.

    The latter two are None where it is the logged one, of which the log does not have it. `is_named` says whether it is
    another one.
    """

    target: Floats
    other: Floats | None
    difference: Floats | None
    is_named: bool


def _answer(target: Target, block: Logged) -> Floats:
    answer = target.probabilities(block)
    checking.check_target(block, answer, target.name)
    return answer


@dataclass(frozen=True, slots=True)
class Said:
    """What the draws of a block say of the target, of the other policy, and of their difference."""

    target: Weighed
    other: Weighed
    difference: Weighed

    @classmethod
    def of(cls, block: Logged, answers: Answers, predicted: Floats) -> Said:
        """Return what draws say, with a model's predictions (n, k); slates are told as a whole.

        The bounds of a difference are known where both distributions are, and where no draw is of a slate.
        """
        target = slates.whole(weighed(block, answers.target, predicted))
        has_slates = block.longest_slate > 1
        other = modelled = slates.whole(on_policy(block))
        if answers.other is None or answers.difference is None:
            return cls(target, other, less(target, other))
        if answers.is_named or has_slates:
            modelled = slates.whole(weighed(block, answers.other, predicted))
            other = modelled if answers.is_named else other
        if has_slates:
            both = less(target, modelled)
            return cls(target, other, both if answers.difference.any() else nowhere(both))
        return cls(target, other, weighed(block, answers.difference, predicted))


def _less(target: Floats, other: Floats) -> Floats:
    """Return the difference of two distributions, (n, k): what rounding to integers alone left of it is none."""
    found = target - other
    found[np.abs(found) < _ROUNDING] = 0.0
    return found


class Once:
    """What is gathered for one look."""

    def __init__(self, collection: Collection, interval: str) -> None:
        self.value = by_name.gatherer(interval, collection, is_difference=False)
        self.difference = by_name.gatherer(interval, collection, is_difference=True)
        self.other = OneLook(collection)
        self.panel = Panel(collection)

    def add(self, said: Said) -> None:
        """Take in what the draws of a block say."""
        self.value.add(said.target)
        self.other.add(said.other)
        self.difference.add(said.difference)
        self.panel.add(said.target)


class Always:
    """What is gathered for any look."""

    def __init__(self, collection: Collection) -> None:
        self.value = AnyLook(collection, is_difference=False)
        self.difference = AnyLook(collection, is_difference=True)

    def add(self, said: Said) -> None:
        """Take in what the draws of a block say."""
        self.value.add(said.target)
        self.difference.add(said.difference)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to predict the reward, and what is gathered with it."""

    predictor: Predictor
    gathered: Sequence[Once | Always]

    def add(self, block: Logged, answers: Answers) -> Said:
        """Take in a block, and return what its draws say."""
        said = Said.of(block, answers, self.predictor.predict(block))
        for each in self.gathered:
            each.add(said)
        self.predictor.learn(block)
        return said


@dataclass(slots=True)
class Gathered:
    """All that a log said so far: estimates by `once` and `always`, which are fed by `ways`, and the evidence.

    `other_evidence` is that for the other policy, where it is not the logged one.
    """

    asked: Asked
    collection: Collection
    once: Once
    always: Always
    ways: Sequence[Way]
    evidence: Evidence
    other_evidence: Evidence
    before: Logged | None = None
    left_out: list[Count] = field(default_factory=list)
    beside: list[Count] = field(default_factory=list)
    n_before: int = 0
    n_open: int = 0

    @classmethod
    def by(cls, asked: Asked, collection: Collection, folds: Predictor | None, earlier: Predictor) -> Gathered:
        """Return what gathers by folds for one look and by earlier rows for any, or by these for both."""
        once, always = Once(collection, asked.interval), Always(collection)
        ways = [Way(folds, [once]), Way(earlier, [always])] if folds else [Way(earlier, [once, always])]
        return cls(asked, collection, once, always, ways, Evidence(collection), Evidence(collection))

    def add(self, block: Logged) -> None:
        """Take in a block; what was drawn before the target was fixed only teaches the models.

        Raises:
            InvalidRequest: rows, or a policy's answers, are no probabilities of these draws: it says which.
        """
        self.left_out += block.left_out
        self.beside += block.beside
        self.n_open += block.n_open
        checking.check(block)
        if self.before is not None:
            checking.check_next(self.before, block)
        self.before = block
        is_before = np.zeros(len(block), np.bool_) if self.asked.begin is None else block.at < self.asked.begin
        if is_before.any():
            self.n_before += int(is_before.sum())
            for way in self.ways:
                way.predictor.learn(block[is_before])
        for judged in block[~is_before].blocks():
            answers = self.asked.answers(judged)
            said = [way.add(judged, answers) for way in self.ways]
            self.evidence.add(judged, said[0].target)
            if answers.is_named:
                self.other_evidence.add(judged, said[0].other)

    @property
    def model(self) -> Name:
        """By which model, and from which draws, rewards are predicted for one look."""
        return self.ways[0].predictor.name

    @property
    def n_left_out(self) -> int:
        """How many draws could not be used."""
        return sum(each.n for each in self.left_out)

    def counts(self) -> tuple[Count, ...]:
        """Return what was left out, and why, then what the log has beside draws."""
        before = Count(self.n_before, text("ope.before"))
        return tuple(each for each in (*self.left_out, before, *self.beside) if each.n)
