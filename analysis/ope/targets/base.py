"""What a log is asked about: a policy that gives each draw's eligible variants other probabilities."""

from __future__ import annotations

from typing import Protocol

from analysis.arrays import Floats
from analysis.ope.logged import Logged
from analysis.texts import Name


class Target(Protocol):
    """A policy to evaluate. It was fixed before the draws that it is asked about, and never sees what they brought."""

    @property
    def name(self) -> Name:
        """What it is called."""

    @property
    def since(self) -> int | None:
        """Only draws from here on are judged, in microseconds, for it learned from those before; None: all are."""

    def probabilities(self, log: Logged) -> Floats:
        """Return its distribution for each draw of a log, (n, k), 0 for what was not eligible; each row sums to 1.

        The same draw gets the same answer, in whatever part of a log it comes.
        """
