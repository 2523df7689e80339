"""A randomised CSV as a log: every row an assignment that another system made, with what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from engine import lifecycle
from engine.experiments import Experiment, ExperimentState, Status
from engine.lifecycle import Author
from engine.ports import Store
from engine.randomness import assignment_id, quantise, request_id
from engine.records import Assignment, DrawKey, Entry, Outcome, Reason, Source, Unit
from engine.storage import open_store
from simulators.recipe import Recipe
from simulators.rows import Row, span

OTHERS = "(not in the file)"
"""Stands for the other variants where the file says nothing of how likely each was."""

_ACTOR = "replay"
_ROWS_A_COMMIT = 2000


def import_rows(directory: Path, recipe: Recipe, rows: Sequence[Row]) -> Iterator[int]:
    """Make a store of the rows in a directory, and yield how many more are in: it is complete when this has ended."""
    started, ended = span(rows, recipe.metrics)
    with closing(open_store(directory)) as store:
        running = _move(store, _create(store, recipe.imported(), started), Status.RUNNING, started)
        for start in range(0, len(rows), _ROWS_A_COMMIT):
            chunk = rows[start : start + _ROWS_A_COMMIT]
            store.append([entry for row in chunk for entry in entries(recipe, row, ended)])
            yield len(chunk)
        _move(store, running, Status.CONCLUDED, ended)


def entries(recipe: Recipe, row: Row, received_at: datetime) -> Iterator[Entry]:
    """Yield a row's assignment and its outcomes."""
    asked = request_id(row.at, row.key)
    named = assignment_id(asked, recipe.name)
    eligible, weights = logged_distribution(recipe, row)
    yield Assignment(
        experiment_id=recipe.name,
        variant=row.variant,
        reason=Reason.DRAWN,
        unit=Unit(recipe.unit, row.unit_id),
        assigned_at=row.at,
        received_at=received_at,
        assignment_id=named,
        request_id=asked,
        revision=1,
        epoch=1,
        # The file does not have the number that its system drew, nor what that was keyed by: this is the first number
        # that falls on the variant. So the row can be checked, and cannot be drawn again.
        draw_key=DrawKey.NONE,
        drawn=sum(weights[: eligible.index(row.variant)]),
        is_draw=True,
        eligible=eligible,
        distribution=weights,
        context=row.context,
        source=Source.IMPORTED,
    )
    for metric, value in row.outcomes.items():
        yield Outcome(f"{named} {metric}", metric, value, row.at, received_at, named, source=Source.IMPORTED)


def logged_distribution(recipe: Recipe, row: Row) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the variants that the row was drawn from, and their weights.

    Where the file has the propensity of the row's own variant alone, what the others shared stands under one name.
    """
    if recipe.distribution:
        return recipe.variants, quantise([recipe.distribution[name] for name in recipe.variants])
    if len(recipe.variants) == 2:
        own = [row.propensity if name == row.variant else 1.0 - row.propensity for name in recipe.variants]
        return recipe.variants, quantise(own)
    return (row.variant, OTHERS), quantise([row.propensity, 1.0 - row.propensity])


def _create(store: Store, experiment: Experiment, at: datetime) -> ExperimentState:
    draft, change = lifecycle.create(experiment, Author(_ACTOR, "imported from a file", at))
    store.save(draft, change, "")
    return draft


def _move(store: Store, state: ExperimentState, to: Status, at: datetime) -> ExperimentState:
    moved, change = lifecycle.transition(state, to, state.etag, Author(_ACTOR, "imported from a file", at))
    store.save(moved, change, state.etag)
    return moved
