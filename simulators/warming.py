"""Warm start: a draft begins with what a randomised CSV or an older log teaches its policy.

Both are logs, folded into rewards under the definition of the draft, as its own log will be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

from engine.errors import InvalidRequest, UnknownExperiment
from engine.experiments import Experiment, ExperimentState
from engine.learned import shown
from engine.ledger import RewardLedger
from engine.pointing import check_warm
from engine.ports import Reader
from engine.records import Assignment, Entry, Erasure, Outcome, Reward, Snapshot, Source
from engine.service.management import Management
from engine.snapshots import Growth
from engine.storage import open_reader
from engine.storage.memory import MemoryStore
from engine.understanding import Understanding
from simulators.imported import entries
from simulators.recipe import Recipe, read_recipe
from simulators.rows import Row, read_rows
from simulators.showing import Screen

_LESSONS_AT_ONCE = 10_000
_ENTRIES_A_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class Teacher:
    """An experiment that was, with the entries of its log in their order.

    Of an `ended` one nothing more will come, so that every window has closed.
    """

    name: str
    experiment: Experiment
    entries: Iterable[Entry]
    ended: bool = False


@contextmanager
def of_csv(csv: Path, recipe_file: Path, *, skip_broken: bool = False) -> Iterator[Teacher]:
    """Open a randomised CSV as a teacher.

    Raises:
        InvalidExperiment: the recipe is refused.
        InvalidRequest: the file is refused.
    """
    recipe = read_recipe(recipe_file)
    rows = read_rows(csv, recipe, skip_broken).rows
    yield Teacher(csv.name, recipe.imported(), _logged(recipe, rows), ended=True)


@contextmanager
def of_log(log: Path, experiment_id: str) -> Iterator[Teacher]:
    """Open an experiment of a store as a teacher. A file that was imported has ended: it was complete as it came.

    Raises:
        StoreUnavailable: there is no store.
        UnknownExperiment: the store has no such experiment.
    """
    with closing(open_reader(log)) as reader:
        state = reader.state(experiment_id)
        if state is None:
            raise UnknownExperiment(f"there is no experiment {experiment_id!r} in {log}: name one by --from")
        is_file = _is_imported(reader, experiment_id)
        yield Teacher(f"{experiment_id} in {log.name}", state.experiment, _paged(reader), ended=is_file)


def warm(
    experiment_id: str,
    teacher: AbstractContextManager[Teacher],
    *,
    reason: str,
    server: str,
    actor: str,
    screen: Screen,
) -> None:
    """Let a draft of a server begin with what a teacher teaches, and say so.

    Raises:
        InvalidTransition: it is no draft.
        InvalidRequest: its policy does not learn, no reason is given, or the teacher teaches it nothing.
    """
    with Management(server, actor) as management:
        state = management.get(experiment_id)
        check_warm(state, reason)
        with teacher as by:
            snapshot = snapshot_of(state, taught(state.experiment, by))
        if snapshot is None:
            variants = ", ".join(variant.name for variant in state.experiment.variants)
            raise InvalidRequest(f"{by.name} teaches nothing: no draw of {variants} in it has a window that closed")
        begun = management.warm(snapshot, state.etag, f"{reason} (from {by.name})")
    screen.say(f"{experiment_id} begins with snapshot {shown(begun.hash)}: {begun.n_warm:,} lessons from {by.name}")
    screen.say(f"start it with: armlift start {experiment_id}")


def taught(experiment: Experiment, by: Teacher) -> Iterator[Reward]:
    """Yield what an experiment can learn from a teacher, in the learner's order.

    What an outcome earns and when is as the experiment defines it; what an exposure is, is as it was there. Rows whose
    windows are still open at the end of a log teach nothing.

    Raises:
        InvalidRequest: the teacher has no outcome of a metric that the experiment is rewarded for.
    """
    _check_outcomes(experiment, by)
    known_there = replace(experiment, experiment_id=by.experiment.experiment_id, exposure=by.experiment.exposure)
    ledger = RewardLedger(known_there)
    rewards = (reward for entry in _to_the_end(by, experiment.maturity_age) for reward in ledger.feed(entry))
    understanding = Understanding(experiment)
    return (lesson for reward in rewards if (lesson := understanding.of(reward)))


def snapshot_of(state: ExperimentState, lessons: Iterator[Reward]) -> Snapshot | None:
    """Return what an experiment's policy knows after these lessons, or None where there are none."""
    growth = Growth(state.experiment, None)
    while some := list(islice(lessons, _LESSONS_AT_ONCE)):
        growth.learn(some)
    return growth.snapshot(state.epoch) if growth.n_rewards else None


def _check_outcomes(experiment: Experiment, by: Teacher) -> None:
    metrics = (experiment.metric(term.metric) for term in experiment.reward)
    known = by.experiment.outcomes
    unknown = sorted({metric.outcome for metric in metrics if metric} - known)
    if unknown:
        has = f"it has {', '.join(sorted(known))}"
        raise InvalidRequest(f"{by.name} has no {unknown[0]!r}, for which the experiment is rewarded: {has}")


def _to_the_end(by: Teacher, age: timedelta) -> Iterator[Entry]:
    """Yield a teacher's entries, and where nothing more will come one that is so late that every row is of age."""
    last = None
    for last in by.entries:
        yield last
    if by.ended and last is not None and not isinstance(last, Erasure):
        at = last.received_at + age + timedelta(seconds=1)
        yield Outcome("the end", "", 0.0, at, at, seq=last.seq + 1)


def _logged(recipe: Recipe, rows: Iterable[Row]) -> Iterator[Entry]:
    """Yield the log that the rows would have left, each with what came of it at once."""
    store = MemoryStore()
    for row in rows:
        yield from (kept.entry for kept in store.append(list(entries(recipe, row, row.at))))


def _is_imported(reader: Reader, experiment_id: str) -> bool:
    first = reader.first_seq(experiment_id)
    found = reader.entries(first - 1, 1) if first else ()
    return any(isinstance(row, Assignment) and row.source is Source.IMPORTED for row in found)


def _paged(reader: Reader) -> Iterator[Entry]:
    after = 0
    while page := reader.entries(after, _ENTRIES_A_PAGE):
        yield from page
        after = page[-1].seq
