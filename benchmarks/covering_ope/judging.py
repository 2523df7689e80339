"""What the runs of a cell come to, and whether that is good enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from covering.judging import LEAST, MOST, NEAR, covers, holds
from covering_ope.peers import Peer
from covering_ope.running import Told

WIDEST, WIDEST_AT_LOOKS = 1.7, 2.1
"""An interval is at most so many times as wide as the oracle's normal one, where widths are judged: in the mean.

A sequence that is tuned by nothing but a planned number costs 1.6 by itself, which leaves 1.7 no room for a model of
earlier rows and for few effective draws; where it is wider than 1.7 the table says so.
"""


@dataclass(frozen=True)
class Judged:
    """A cell's table row for one estimand. Shares are of runs, `said` and `must` of looks; `error` is of `coverage`.

    `coverage` is among the runs of which something was said, `forced` among all that have an interval, `strict` among
    all: not to say anything at the last look is a miss there. `ratio` is the mean width in oracle's widths where it is
    judged, `ratio_sure` in those of these logs that have many effective draws of each kind, `ratio_all` everywhere, and
    `own` the mean width in those of the normal interval with the estimator's true variance, which its errors have. They
    are None where there is nothing to tell them from. `why` is what failed, or empty.
    """

    name: str
    estimand: str
    method: str
    n_runs: int
    n_looks: int
    said: float
    must: float
    coverage: float
    error: float
    forced: float
    strict: float
    n_judged: int
    ratio: float | None
    ratio_sure: float | None
    ratio_all: float | None
    own: float | None
    why: str


@dataclass(frozen=True)
class Beside:
    """A peer's row: its coverage of the value and its width in oracle's widths, beside `ours` in the same runs."""

    name: str
    peer: str
    n_runs: int
    coverage: float
    ratio: float
    ours: float | None


def judged(name: str, estimand: str, runs: Sequence[Told]) -> Judged:
    """Return what a cell's runs come to."""
    said = [run for run in runs if run.n_said]
    widths = [run for run in runs if run.is_judged]
    misses, n = sum(run.misses for run in said), len(said)
    coverage = 1 - misses / max(n, 1)
    return Judged(
        name,
        estimand,
        Counter(run.method for run in said).most_common(1)[0][0] if said else "none",
        len(runs),
        runs[0].n_looks,
        float(np.mean([run.n_said / run.n_looks for run in runs])),
        float(np.mean([run.n_must / run.n_looks for run in runs])),
        coverage,
        float(np.sqrt(coverage * (1 - coverage) / max(n, 1))),
        1 - float(np.mean([run.misses_forced for run in runs])),
        float(np.mean([run.n_said > 0 and run.width is not None and not run.misses for run in runs])),
        len(widths),
        _ratio(widths),
        _ratio([run for run in widths if run.is_sure]),
        _ratio(runs),
        _own(runs),
        _why(runs, misses, n, _ratio(widths)),
    )


def beside(name: str, peer: str, found: Sequence[Peer], ours: Sequence[Told]) -> Beside:
    """Return a peer's row, with what was told in the same runs."""
    ratio = float(np.mean([each.width / told.oracle for each, told in zip(found, ours, strict=True)]))
    return Beside(name, peer, len(found), 1 - float(np.mean([each.misses for each in found])), ratio, _ratio(ours))


def _ratio(runs: Sequence[Told]) -> float | None:
    """Return the mean width in oracle's widths; what has no width where none can be is left out."""
    found = [run.width / run.oracle for run in runs if run.width is not None and run.oracle > 0]
    return float(np.mean(found)) if found else None


def _own(runs: Sequence[Told]) -> float | None:
    told = [(run.width, run.error) for run in runs if run.width is not None and run.error is not None]
    spread = float(np.std([error for _, error in told])) if len(told) > 1 else 0.0
    return float(np.mean([width for width, _ in told])) / (2 * 1.959964 * spread) if spread > 1e-12 else None


def _why(runs: Sequence[Told], misses: int, n: int, ratio: float | None) -> str:
    if refuses(runs):
        return "refuses where it must answer"
    is_once = runs[0].n_looks == 1
    if is_once and n and not covers(misses, n):
        return f"covers less than {LEAST:.0%}"
    if not is_once and n and not holds(misses, n):
        return f"misses more often than {MOST:.0%}"
    if any(run.oracle == 0 and run.width for run in runs):
        return "has a width where all is certain"
    widest = WIDEST if is_once else WIDEST_AT_LOOKS
    return "" if ratio is None or ratio <= widest else f"is more than {widest} times as wide as the oracle's"


def refuses(runs: Sequence[Told]) -> bool:
    """Whether less is said than must be, by more than luck explains; what is said beside that does not count for it."""
    lacking = np.array([(run.n_must - run.n_said) / run.n_looks for run in runs])
    return bool(lacking.mean() > NEAR + 3 * lacking.std() / np.sqrt(len(lacking)))
