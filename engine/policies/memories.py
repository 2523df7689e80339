"""How long rewards are remembered: for ever, fading by half-lives, or for a window. Time is the log's alone.

Each reward is taken in by itself, in the log's order, so how rewards are cut into batches changes no bit.
Sources: discounted and sliding-window counts are those of Garivier and Moulines, "On Upper-Confidence Bound Policies
for Switching Bandit Problems", 2011, and, for Thompson sampling, of Raj and Kalyani, "Taming Non-stationary Bandits",
2017; the prior does not fade.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from engine.clock import to_micros
from engine.policies.tallies import Statistic, Tally
from engine.specs import ContextFreeSpec

N_BUCKETS = 32
"""A window moves by this part of its length: it holds the last 31 to 32 of them."""

_LATEST = 2**70
"""Beyond the number of any bucket."""


class Memory(Protocol):
    """What was learned of each variant."""

    def add(self, name: str, reward: float, at: datetime) -> None:
        """Take a reward in [0, 1] in, which matured at a time of the log."""

    def tallies(self) -> Mapping[str, Tally]:
        """Return the tally of each variant as of the newest reward, the start included."""

    def state(self) -> Mapping[str, Any]:
        """Return what is remembered of each variant, as plain data."""


def remembered(spec: ContextFreeSpec, statistic: Statistic, names: Sequence[str]) -> Memory:
    """Return the memory of nothing yet, of the length that a policy asks for."""
    if spec.half_life is not None:
        return Fading(statistic, dict.fromkeys(names, (0, statistic.empty)), spec.half_life)
    if spec.window is not None:
        return Sliding(statistic, {name: {} for name in names}, spec.window)
    return Everything(statistic, dict.fromkeys(names, statistic.start))


def restored(spec: ContextFreeSpec, statistic: Statistic, names: Sequence[str], state: Mapping[str, Any]) -> Memory:
    """Return the memory of which this is the state.

    Raises:
        ValueError, TypeError, LookupError, ArithmeticError: it is no state of such a memory.
    """
    if spec.half_life is not None:
        return Fading(statistic, {name: _faded(state[name], statistic) for name in names}, spec.half_life)
    if spec.window is not None:
        return Sliding(statistic, {name: _buckets(state[name], statistic) for name in names}, spec.window)
    return Everything(statistic, {name: _tally(state[name], statistic, statistic.start) for name in names})


class Everything:
    """Every reward counts for ever.

    >>> from engine.policies.tallies import Successes
    >>> memory = Everything(Successes((1.0, 1.0)), {"a": (1.0, 1.0), "b": (1.0, 1.0)})
    >>> memory.add("a", 1.0, datetime.fromisoformat("2024-01-01T00:00:00Z"))
    >>> memory.tallies()
    {'a': (2.0, 1.0), 'b': (1.0, 1.0)}
    """

    def __init__(self, statistic: Statistic, tallies: dict[str, Tally]) -> None:
        self._statistic, self._tallies = statistic, tallies

    def add(self, name: str, reward: float, at: datetime) -> None:  # noqa: ARG002 it does not matter when
        """Take a reward in [0, 1] in."""
        self._tallies[name] = self._statistic.added(self._tallies[name], reward, 1.0)

    def tallies(self) -> Mapping[str, Tally]:
        """Return the tally of each variant, the start included."""
        return dict(self._tallies)

    def state(self) -> Mapping[str, Any]:
        """Return the tally of each variant."""
        return self._tallies


class Fading:
    """A reward's weight halves every `half_life` of the log's time.

    Each variant's tally stands as of its own newest reward, so that a reward costs the same however many variants
    there are. A reward that comes late has faded by its age.
    """

    def __init__(self, statistic: Statistic, tallies: dict[str, tuple[int, Tally]], half_life: timedelta) -> None:
        self._statistic, self._tallies = statistic, tallies
        self._half_life = half_life // timedelta(microseconds=1)

    def add(self, name: str, reward: float, at: datetime) -> None:
        """Take a reward in [0, 1] in, which matured at a time of the log."""
        moment = to_micros(at)
        then, tally = self._tallies[name] if any(self._tallies[name][1]) else (moment, self._statistic.empty)
        now = max(then, moment)
        faded = self._statistic.faded(tally, self._weight(now - then))
        self._tallies[name] = now, self._statistic.added(faded, reward, self._weight(now - moment))

    def tallies(self) -> Mapping[str, Tally]:
        """Return the tally of each variant as of the newest reward of any, the start included."""
        now = max((then for then, tally in self._tallies.values() if any(tally)), default=0)
        return {name: self._as_of(now, then, tally) for name, (then, tally) in self._tallies.items()}

    def state(self) -> Mapping[str, Any]:
        """Return of each variant when its newest reward matured, in microseconds, and its tally then."""
        return {name: (then, *tally) for name, (then, tally) in self._tallies.items()}

    def _as_of(self, now: int, then: int, tally: Tally) -> Tally:
        if not any(tally):
            return self._statistic.start
        return self._statistic.merged(self._statistic.start, self._statistic.faded(tally, self._weight(now - then)))

    def _weight(self, age: int) -> float:
        return float(0.5 ** (age / self._half_life))


class Sliding:
    """A reward is forgotten when it is older than `window` of the log's time, to within a 32nd of it.

    Rewards are kept together in buckets of that length, the same for all variants, of which the last 32 count: so a
    snapshot stays small, and a reward is forgotten when it is 31 to 32 buckets old.
    """

    def __init__(self, statistic: Statistic, buckets: Mapping[str, Mapping[int, Tally]], window: timedelta) -> None:
        self._statistic = statistic
        self._window = window // timedelta(microseconds=1)
        self._move_to(max((number for each in buckets.values() for number in each), default=-_LATEST), buckets)

    def add(self, name: str, reward: float, at: datetime) -> None:
        """Take a reward in [0, 1] in, which matured at a time of the log, unless it is forgotten already."""
        number = to_micros(at) * N_BUCKETS // self._window
        if number > self._newest:
            self._move_to(number, self._buckets)
        if number > self._newest - N_BUCKETS:
            buckets = self._buckets[name]
            buckets[number] = self._statistic.added(buckets.get(number, self._statistic.empty), reward, 1.0)

    def tallies(self) -> Mapping[str, Tally]:
        """Return the tally of each variant as of the newest reward of any, the start included."""
        return {name: self._merged(each[number] for number in sorted(each)) for name, each in self._buckets.items()}

    def state(self) -> Mapping[str, Any]:
        """Return of each variant its buckets, each with its number and its tally."""
        return {name: [(at, *each[at]) for at in sorted(each)] for name, each in self._buckets.items()}

    def _move_to(self, newest: int, buckets: Mapping[str, Mapping[int, Tally]]) -> None:
        self._newest = newest
        self._buckets = {
            name: {number: tally for number, tally in each.items() if number > newest - N_BUCKETS}
            for name, each in buckets.items()
        }

    def _merged(self, tallies: Iterable[Tally]) -> Tally:
        merged = self._statistic.start
        for tally in tallies:
            merged = self._statistic.merged(merged, tally)
        return merged


def _tally(numbers: Sequence[Any], statistic: Statistic, least: Tally) -> Tally:
    tally = tuple(float(number) for number in numbers)
    if len(tally) != len(least) or not statistic.reaches(tally, least):
        raise ValueError("no tally")
    return tally


def _faded(numbers: Sequence[Any], statistic: Statistic) -> tuple[int, Tally]:
    then, *tally = numbers
    return _time(then), _tally(tally, statistic, statistic.empty)


def _buckets(rows: Sequence[Any], statistic: Statistic) -> dict[int, Tally]:
    return {_time(number): _tally(tally, statistic, statistic.empty) for number, *tally in rows}


def _time(number: object) -> int:
    if type(number) is not int or not abs(number) < _LATEST:
        raise ValueError("no time")
    return number
