"""Entries for the suites of the stores, made by number and name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from engine.columns import Coded, Columns
from engine.lifecycle import Author
from engine.randomness import ONE
from engine.records import Assignment, Candidate, DrawKey, Exposure, Outcome, Reason, Unit

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ANNA, BEN = Unit("customer", "anna"), Unit("customer", "ben")
AUTHOR = Author("kim", "a test", NOON)


def assignment(number: int, unit: Unit = ANNA, experiment_id: str = "hero", slot: int = 0) -> Assignment:
    return Assignment(
        experiment_id,
        "bold",
        Reason.DRAWN,
        unit,
        NOON + timedelta(seconds=number),
        NOON,
        assignment_id=f"{number:032x}",
        slot=slot,
        request_id=f"request {number}",
        request_digest=b"digest",
        revision=1,
        epoch=1,
        snapshot="ab" * 32,
        draw_key=DrawKey.ASSIGNMENT,
        drawn=7,
        is_draw=True,
        eligible=("plain", "bold"),
        distribution=(ONE // 4, 3 * ONE // 4),
        context={"device": "phone", "visits": 3.0, "new": False, "tags": ("a", "b")},
        candidates=(Candidate("plain", {"price": 2.0}), Candidate("bold")),
    )


def remembered(
    number: int, unit: Unit = ANNA, experiment_id: str = "hero", slot: int = 0, reason: Reason = Reason.DRAWN
) -> Assignment:
    return replace(assignment(number, unit, experiment_id, slot), is_remembered=True, reason=reason)


def exposure(number: int, slot: int = 0, after_s: float = 0) -> Exposure:
    return Exposure(f"{number:032x}", NOON + timedelta(seconds=after_s), NOON, slot)


def outcome(name: str, number: int | None = None, unit: Unit | None = None, metric: str = "click") -> Outcome:
    assignment_id = "" if number is None else f"{number:032x}"
    return Outcome(name, metric, 1.5, NOON, NOON, assignment_id, unit=unit)


def plain(columns: Columns) -> dict[str, list[object]]:
    """Return columns as lists."""
    return {
        name: (column.values() if isinstance(column, Coded) else column).tolist() for name, column in columns.items()
    }
