"""What is measured beside armlift, behind the same door: the same customers, the same luck, the same delay.

A peer learns at the same simulated times and in the same blocks as armlift's learner, of the same rewards at the same
age.
"""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import numpy as np
import vowpal_wabbit_next as vw
from armlift import Answer, Ask, Event

from engine.experiments import Experiment
from engine.records import Context
from engine.rewards import reward_of

Lesson = tuple[Context, str, float, float]
"""Context, variant, its propensity, reward."""


class Peer(Protocol):
    """A library that chooses and learns."""

    def choose(self, context: Context) -> tuple[str, float]:
        """Return a variant, with the probability of having chosen it."""

    def learn(self, lessons: Sequence[Lesson]) -> None:
        """Learn from lessons in order."""


class PeerDoor:
    """A door to a peer: `play` cannot tell it from armlift's own."""

    batch_size = 1
    slack = timedelta(0)

    def __init__(self, experiment: Experiment, peer: Peer, block: int) -> None:
        self._experiment, self._peer, self._block = experiment, peer, block
        self._age = experiment.maturity_age
        self._windows = {metric.outcome: metric.window for metric in experiment.metrics}
        self._waiting: deque[tuple[datetime, str, Context, str, float]] = deque()
        self._outcomes: dict[str, dict[str, list[float]]] = {}
        self._asked_at: dict[str, datetime] = {}
        self._lessons: list[Lesson] = []
        self._now = datetime.min.replace(tzinfo=UTC)

    def assign(self, asks: Sequence[Ask]) -> list[Answer]:
        """Return the answers."""
        return [self._answer(ask) for ask in asks]

    def fill(self, asks: Sequence[Ask]) -> list[list[Answer]]:
        """Return the answers, one a slate."""
        return [[answer] for answer in self.assign(asks)]

    def expose(self, answers: Sequence[Answer], at: datetime) -> None:
        """Nothing to do: every answer counts as met."""

    def record(self, events: Sequence[Event], at: datetime) -> None:
        """Keep the outcomes that came within their window."""
        self._now = at
        for event in events:
            if event.occurred_at - self._asked_at[event.assignment_id] <= self._windows[event.metric]:
                of_row = self._outcomes.setdefault(event.assignment_id, {})
                of_row.setdefault(event.metric, []).append(1.0 if event.value is None else event.value)

    def tick(self, at: datetime) -> None:
        """Move the clock on."""
        self._now = at

    def settle(self) -> None:
        """Learn from what has come of age, in whole blocks."""
        while self._waiting and self._waiting[0][0] + self._age <= self._now:
            _, name, context, variant, chance = self._waiting.popleft()
            reward = reward_of(self._experiment, self._outcomes.pop(name, {}))
            self._lessons.append((context, variant, chance, reward))
        while len(self._lessons) >= self._block:
            self._peer.learn(self._lessons[: self._block])
            self._lessons = self._lessons[self._block :]

    def _answer(self, ask: Ask) -> Answer:
        variant, chance = self._peer.choose(ask.context)
        self._now = ask.at
        self._asked_at[ask.request_id] = ask.at
        self._waiting.append((ask.at, ask.request_id, ask.context, variant, chance))
        return Answer(
            ask.experiment, variant, {}, "DRAWN", "SPLIT", chance, assignment_id=ask.request_id, group="policy"
        )


class RawVw:
    """Vowpal Wabbit by its text format, with its own pmf, mixed with the same floor, and what it is told of it."""

    def __init__(self, names: Sequence[str], arguments: Sequence[str], floor: float, weighted: bool, seed: int) -> None:
        self._workspace = vw.Workspace([*arguments, "--quiet", "--log_level", "off"])
        self._parser = vw.TextFormatParser(self._workspace)
        self._names, self._floor, self._weighted = list(names), floor, weighted
        self._actions = [self._parser.parse_line(f"|A {name}") for name in names]
        self._rng = np.random.default_rng(seed)

    def choose(self, context: Context) -> tuple[str, float]:
        """Draw from the mixed pmf."""
        pmf = np.zeros(len(self._names))
        for action, chance in self._workspace.predict_one([self._shared(context), *self._actions]):
            pmf[action] = chance
        pmf = (1.0 - self._floor) * pmf / pmf.sum() + self._floor / len(pmf)
        chosen = min(int(np.searchsorted(np.cumsum(pmf), self._rng.random())), len(pmf) - 1)
        return self._names[chosen], float(pmf[chosen])

    def learn(self, lessons: Sequence[Lesson]) -> None:
        """Learn one by one."""
        for context, variant, chance, reward in lessons:
            action = self._actions[self._names.index(variant)]
            action.set_label(vw.CBLabel(label=(0, -reward, chance if self._weighted else 1.0)))
            self._workspace.learn_one([self._shared(context), *self._actions])
            action.set_label(vw.CBLabel())

    def _shared(self, context: Context) -> Any:
        parts = [f"{name}:{value:.6g}" if _is_number(value) else f"{name}={value}" for name, value in context.items()]
        return self._parser.parse_line("shared |U " + " ".join(parts))


class MabWiser:
    """A bandit of MABWiser; at first it draws evenly, until it has something to fit."""

    def __init__(
        self, names: Sequence[str], policy: Any, encode: Callable[[Context], Any] | None, floor: float, seed: int
    ) -> None:
        from mabwiser.mab import MAB

        self._mab = MAB(list(names), policy, seed=seed)
        self._names, self._encode, self._floor = list(names), encode, floor
        self._is_fitted = False
        self._rng = np.random.default_rng(seed)

    def choose(self, context: Context) -> tuple[str, float]:
        """Ask it, but for the floor's share; it tells no propensity."""
        if not self._is_fitted or self._rng.random() < self._floor:
            return self._names[self._rng.integers(len(self._names))], 1.0
        asked = () if self._encode is None else ([self._encode(context)],)
        return self._mab.predict(*asked), 1.0

    def learn(self, lessons: Sequence[Lesson]) -> None:
        """Fit at first, and then a part at a time."""
        chosen = [variant for _, variant, _, _ in lessons]
        rewards = [reward for *_, reward in lessons]
        asked = () if self._encode is None else ([self._encode(context) for context, *_ in lessons],)
        (self._mab.partial_fit if self._is_fitted else self._mab.fit)(chosen, rewards, *asked)
        self._is_fitted = True


def dense(contexts: Sequence[Context]) -> Callable[[Context], list[float]]:
    """Return what makes rows of contexts as linear models want them: a constant, the numbers, and a column a value."""
    columns: dict[tuple[str, object], int] = {}
    for context in contexts:
        for name, value in context.items():
            columns.setdefault(_column(name, value), len(columns) + 1)

    def encode(context: Context) -> list[float]:
        row = [0.0] * (len(columns) + 1)
        row[0] = 1.0
        for name, value in context.items():
            row[columns[_column(name, value)]] = value if _is_number(value) else 1.0
        return row

    return encode


def _column(name: str, value: object) -> tuple[str, object]:
    return (name, None) if _is_number(value) else (name, value)


def _is_number(value: object) -> bool:
    return isinstance(value, float) and not isinstance(value, bool)
