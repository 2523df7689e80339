"""How an assignment came about, step by step, in words: what a recomputation comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How a recomputation ended."""

    REPRODUCED = "reproduced"
    FORGOTTEN = "forgotten"
    DIFFERS = "differs"
    NOT_DRAWN = "not_drawn"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a decision and what was found, in words. `holds` is whether it came out as logged."""

    name: str
    finding: str
    holds: bool = True


@dataclass(frozen=True, slots=True)
class Explanation:
    """The steps of a decision, and how making it again ended."""

    verdict: Verdict
    steps: tuple[Step, ...]
