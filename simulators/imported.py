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
    weights = logged_distribution(recipe, row)
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
        drawn=sum(weights[: recipe.variants.index(row.variant)]),
        is_draw=True,
        eligible=recipe.variants,
        distribution=weights,
        context=row.context,
        source=Source.IMPORTED,
    )
    for metric, value in row.happened.items():
        yield Outcome(f"{named} {metric}", metric, value, row.at, received_at, named, source=Source.IMPORTED)


def logged_distribution(recipe: Recipe, row: Row) -> tuple[int, ...]:
    """Return the weights of the distribution that the row was drawn from.

    Where only the propensity of the row's own variant is known, the other variants share the rest evenly.
    """
    if recipe.distribution:
        return quantise([recipe.distribution[name] for name in recipe.variants])
    rest = (1.0 - row.propensity) / max(1, len(recipe.variants) - 1)
    return quantise([row.propensity if name == row.variant else rest for name in recipe.variants])


def _create(store: Store, experiment: Experiment, at: datetime) -> ExperimentState:
    draft, change = lifecycle.create(experiment, Author(_ACTOR, "imported from a file", at))
    store.save(draft, change, "")
    return draft


def _move(store: Store, state: ExperimentState, to: Status, at: datetime) -> ExperimentState:
    moved, change = lifecycle.transition(state, to, state.etag, Author(_ACTOR, "imported from a file", at))
    store.save(moved, change, state.etag)
    return moved
