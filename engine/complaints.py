"""What operators are told of what fails at every request, without drowning in it."""

from __future__ import annotations

import logging
import math
from collections import Counter

from engine.clock import Clock

_log = logging.getLogger(__name__)

_COMPLAIN_EVERY_S = 60.0


class Complaints:
    """What operators are told of policies that fail: once a minute of each, however many requests a second there are.

    Of what is left out the next complaint tells the number.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._said: dict[str, float] = {}
        self._n_unsaid: Counter[str] = Counter()

    def say(self, level: int, what: str, *, traceback: bool = True) -> None:
        """Log a sentence, unless it was logged less than a minute ago."""
        now = self._clock.stopwatch_s()
        if now - self._said.get(what, -math.inf) < _COMPLAIN_EVERY_S:
            self._n_unsaid[what] += 1
            return
        self._said[what] = now
        unsaid = self._n_unsaid.pop(what, 0)
        _log.log(level, what + (f" (and {unsaid:,} times before)" if unsaid else ""), exc_info=traceback)
