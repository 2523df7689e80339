"""From a store's log, or another source of one, to the draws that evaluation reads.

What is evaluated are the draws of the policy's own group: usable, exposed, of units that are not forgotten, and with
closed windows, in the order of the log. A unit that is drawn once has one number, whatever it comes back for, so its
first answer alone is a draw; and where it gets one variant, all that it brings is that draw's, as in the report of a
test. Elsewhere outcomes are credited as the learner credits them: to the assignment, or to the unit's latest one.

All epochs are one log: what each draw was drawn from is logged with it, exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from analysis import adaptive
from analysis.adaptive.drawn import Context
from analysis.arrays import Flags, Floats, Ints, distinct, renumbered
from analysis.checks import balance
from analysis.document import Count
from analysis.logs import frames
from analysis.logs.frames import Frame
from analysis.logs.labels import Answers
from analysis.logs.sources import LogSource
from analysis.ope.logged import Ask, Collection, Logged
from analysis.ope.stores.asking import (
    ColumnQuestions,
    Opening,
    RowQuestions,
    are_in_columns,
    is_reader,
    opening,
    variants_of,
)
from analysis.ope.stores.chances import Chances, chances
from analysis.ope.stores.earning import Earned, earned
from analysis.texts import text
from engine.columns import Coded
from engine.errors import InvalidRequest
from engine.experiments import ContextField, FieldType
from engine.records import Source
from simulators.imported import OTHERS

CONTROL_LOGGER = 1
"""The number of the control group as a logger; the policy's group is 0."""

_BROKEN = text("left_out.broken_propensity")


def read(log: str | Path | LogSource, experiment_id: str, *, metric: str | None = None) -> Logged:
    """Return the policy's draws in a store's directory, an exported log, or any source of a log.

    What a draw brought is its reward in [0, 1], or with `metric` the value of that metric.

    Raises:
        UnknownExperiment: the log has no such experiment.
        InvalidRequest: the experiment has no reward and no metric is named, or none that a draw by itself can have.
        StoreUnavailable: there is no store in the directory.

    >>> from analysis.logs.simple_log import simple_log
    >>> from engine.experiments import Experiment, Variant
    >>> from engine.metrics import Metric
    >>> hero = Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),))
    >>> store = simple_log(hero, {"variant": np.array([0, 1, 1])}, {"row": np.array([2])})
    >>> draws = read(store, "hero", metric="click")
    >>> draws.variants, draws.reward.tolist(), draws.propensity.tolist()
    (('plain', 'bold'), [0.0, 0.0, 1.0], [0.5, 0.5, 0.5])
    """
    return _read(opening(log), experiment_id, metric, with_control=False)


def with_control(log: str | Path | LogSource, experiment_id: str, *, metric: str | None = None) -> Logged:
    """Return what `read` does, and among it the control group's draws, of which the `logger` is 1 and not 0.

    The control group gets the control for certain, whatever else could have been shown.

    Raises:
        InvalidRequest: as `read` says; or the answers are slates or candidates, of which the control group has others.
    """
    return _read(opening(log), experiment_id, metric, with_control=True)


def _read(opens: Opening, experiment_id: str, metric: str | None, *, with_control: bool) -> Logged:
    with opens() as source:
        frame = frames.read(source, experiment_id)
        if with_control and frame.answers is not Answers.VARIANT:
            raise InvalidRequest(f"{experiment_id!r} fills slots or takes candidates: its control group gets others")
        chosen = _chosen(source, frame, with_control=with_control)
        found = chances(source, frame, np.flatnonzero(chosen.draws))
        if with_control:
            found = _free(frame, found)
        brought = earned(frame, chosen.draws, metric, found.definitions.values())
        return _logged(opens, frame, found, brought, chosen)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Which rows are draws to be evaluated, (n_assignments,), which could not be used, and what the log has beside."""

    draws: Flags
    left_out: tuple[Count, ...]
    beside: tuple[Count, ...]


def _chosen(source: LogSource, frame: Frame, *, with_control: bool) -> _Chosen:
    rows = frame.assignments
    of_control = rows.is_usable & rows.is_control_group
    drawn = adaptive.draws(frame) | (of_control & with_control)
    forgotten = drawn & np.isin(rows.named_key, _forgotten(source))
    unexposed = drawn & ~forgotten & ~rows.is_exposed
    exposed = drawn & ~forgotten & rows.is_exposed
    draws = exposed & of_control
    draws[_independent(frame, exposed)] = True
    broken = [each for each in frame.left_out if each.what == _BROKEN]
    others = [each for each in frame.left_out if each.what != _BROKEN]
    control, repeated = _count(of_control & ~drawn, "control"), _count(exposed & ~draws, "repeated")
    left_out = *broken, _count(forgotten, "forgotten"), _count(unexposed, "unexposed")
    return _Chosen(draws, left_out, (*_not_drawn(frame), control, repeated, *others))


def _count(which: Flags, reason: str) -> Count:
    return Count(int(which.sum()), text(f"ope.target.{reason}"))


def _independent(frame: Frame, chosen: Flags) -> Ints:
    # Of a distribution over variants that are long gone the frame has a part, and here it counts as any other.
    everything = replace(frame.assignments, patterns=np.ones((len(frame.assignments.patterns), 1)))
    return balance.independent(replace(frame, assignments=everything), chosen)


def _forgotten(source: LogSource) -> Ints:
    """Return the keys of units whose context was taken out of the log, which an exported log does not say."""
    return source.columns("erasures", ("unit_key",))["unit_key"] if is_reader(source) else np.zeros(0, np.int64)


def _not_drawn(frame: Frame) -> Iterator[Count]:
    reasons = Counter(frame.assignments.reason[~frame.assignments.is_draw].tolist())
    for reason, n in sorted(reasons.items()):
        yield Count(n, text("left_out.not_drawn", reason=text(f"reason.{reason}")))


def _free(frame: Frame, found: Chances) -> Chances:
    """Return the same with the control group's draws as if any variant of their revision could have been another's."""
    of_control = np.flatnonzero(frame.assignments.is_control_group[found.row])
    revisions = list(found.definitions)
    alive = [tuple(each.name for each in known.alive(known.variants)) for known in found.definitions.values()]
    certain = np.zeros((len(revisions), len(found.names)))
    could_be = np.zeros((len(revisions), len(found.names)), np.bool_)
    for number, (revision, names) in enumerate(zip(revisions, alive, strict=True)):
        certain[number, found.names.index(found.definitions[revision].control)] = 1
        could_be[number, [found.names.index(name) for name in names]] = True
    place = np.searchsorted(revisions, found.revision[of_control])
    index, among = found.index.copy(), found.among.copy()
    index[of_control], among[of_control] = len(found.probabilities) + place, len(found.listed) + place
    return replace(
        found,
        index=index,
        among=among,
        probabilities=np.vstack([found.probabilities, certain]),
        eligible=np.vstack([found.eligible, could_be]),
        listed=(*found.listed, *alive),
    )


def _logged(opens: Opening, frame: Frame, found: Chances, brought: Earned, chosen: _Chosen) -> Logged:
    is_behind = _is_behind(frame, brought.row)
    row = brought.row[~is_behind]
    rows, at = frame.assignments, found.of(row)
    logged = Logged(
        variants=tuple(name for name in found.names if name != OTHERS),
        variant=found.variant[at],
        reward=brought.values[~is_behind],
        propensity=found.probabilities[found.index[at], found.variant[at]],
        unit=rows.unit_key[row],
        at=rows.at[row],
        row=rows.seq[row],
        slate=rows.answer[row],
        slot=row - rows.answer[row],
        logger=np.where(rows.is_control_group[row], CONTROL_LOGGER, 0),
        collection=_collected(frame, found, row, brought.collection),
        context=Context.none(len(row)),
        ask=_ask(opens, frame, found, row),
        left_out=_some(*chosen.left_out, _count(is_behind, "behind")),
        beside=_some(*chosen.beside),
        n_open=brought.n_open,
    )
    return _with_patterns(_with_context(logged, frame, row), found, at)


def _some(*counts: Count) -> tuple[Count, ...]:
    return tuple(count for count in counts if count.n)


def _is_behind(frame: Frame, row: Ints) -> Flags:
    """Whether a slot before is not among the rows (n,), ascending: then it is not known what the slate had before."""
    answer = frame.assignments.answer[row]
    return np.asarray(np.arange(len(row)) - np.searchsorted(answer, answer) != row - answer)


def _collected(frame: Frame, found: Chances, row: Ints, declared: Collection) -> Collection:
    """Return how the rows were collected: as is declared, as far as this system drew them and they keep to it."""
    index = found.index[found.of(row)]
    if (frame.assignments.source[row] == Source.IMPORTED.value).any():
        is_one = found.is_whole and len(distinct(index)) <= 1
        return replace(declared, least=None, is_adaptive=declared.is_adaptive or not is_one)
    policys = distinct(index[~frame.assignments.is_control_group[row]])
    chance, could_be = found.probabilities[policys], found.eligible[policys]
    keeps = declared.least is None or bool((chance[could_be] >= declared.least).all())
    return declared if keeps else replace(declared, least=None)


def _with_patterns(logged: Logged, found: Chances, at: Ints) -> Logged:
    """Return the draws with their whole distributions, if those of all are known."""
    if not found.is_whole:
        return logged
    index, used = renumbered(found.index[at], len(found.probabilities))
    chance, could_be = found.probabilities[used], found.eligible[used]
    return replace(logged, pattern=index, patterns=chance, eligible=None if could_be.all() else could_be)


def _with_context(logged: Logged, frame: Frame, row: Ints) -> Logged:
    columns = {each.name: _taken(frame.context(each.name), row) for each in _readable(frame)}
    coded = {name: column for name, column in columns.items() if isinstance(column, Coded)}
    numbers = {name: column for name, column in columns.items() if not isinstance(column, Coded)}
    none = logged.context
    return replace(
        logged,
        context=Context(
            np.column_stack([none.numbers, *numbers.values()]),
            np.column_stack([none.codes, *(column.codes for column in coded.values())]),
        ),
        numbers=tuple(numbers),
        texts=tuple(coded),
        words=tuple(column.words for column in coded.values()),
    )


def _readable(frame: Frame) -> list[ContextField]:
    """Return the declared fields of the context that are columns."""
    return [field for field in frame.experiment.context if field.type is not FieldType.TEXTS]


def _taken(column: Coded | Floats, row: Ints) -> Coded | Floats:
    return Coded(column.codes[row], column.words) if isinstance(column, Coded) else column[row]


def _ask(opens: Opening, frame: Frame, found: Chances, row: Ints) -> Ask:
    if not are_in_columns(found.definitions):
        return RowQuestions(opens, frame.experiment.experiment_id, found.definitions)
    at = found.of(row)
    # A list of names means what it meant in the row's revision.
    n_lists = len(found.listed)
    among, pairs = renumbered(found.revision[at] * n_lists + found.among[at], _n_pairs(found))
    eligible = [
        variants_of(found.definitions[pair // n_lists], found.listed[pair % n_lists]) for pair in pairs.tolist()
    ]
    fields = {each.name: (each.type, _taken(frame.context(each.name), row)) for each in _readable(frame)}
    return ColumnQuestions(frame.assignments.seq[row], fields, among, eligible)


def _n_pairs(found: Chances) -> int:
    return (max(found.definitions) + 1) * len(found.listed)
