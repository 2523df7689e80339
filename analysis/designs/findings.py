"""What the two kinds of design find in a log, from which the report is put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.document import Check, Count, Grid, Table, Timeline, Trajectory
from analysis.texts import Text


@dataclass(frozen=True, slots=True)
class MetricFindings:
    """What a design finds of one metric; `n_open` subjects' windows are still open."""

    tables: tuple[Table, ...]
    n_open: int
    notes: tuple[Text, ...] = ()
    over_time: Trajectory | None = None
    grids: tuple[Grid, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """What depends on the design: metrics by name, checks, traffic, and what was left out and must be said."""

    design: Text
    metrics: Mapping[str, MetricFindings]
    checks: tuple[Check, ...]
    evidence: tuple[Timeline, ...]
    grids: tuple[Grid, ...]
    traffic: Timeline | None
    allocation: Timeline | None
    left_out: tuple[Count, ...]
    cautions: tuple[Text, ...]
