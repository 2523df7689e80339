"""Which units of a log are one: who keeps what was drawn before a login is the unit that was drawn then."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from analysis.arrays import Ints, first_of
from analysis.attribution.incremental.identities import Identities
from analysis.attribution.stores.paging import Paging
from analysis.logs.sources import LogSource
from engine.columns import Columns
from engine.records import Reason

_KEPT = ("reason", "unit_key", "kept_from")
_DRAWN = ("assignment_id", "unit_key")


def identities(log: Paging) -> Identities:
    """Return who is one, in all experiments of a log.

    A draw is kept over a login where its experiment has a `fallback_unit`. Whoever keeps one draw is one: also two
    customers of one device. Memory grows with the draws that are kept in such experiments, and not with their rows.
    """
    return Identities.of_pairs([_pairs(log, each) for each in _keeping(log.source)])


def _keeping(source: LogSource) -> Iterator[str]:
    """Yield the experiments that have a `fallback_unit`, or had one."""
    for state in source.states():
        experiment_id = state.experiment.experiment_id
        definitions = (source.definition(experiment_id, number + 1) for number in range(state.revision))
        if any(each.fallback_unit for each in (state.experiment, *definitions) if each):
            yield experiment_id


def _pairs(log: Paging, experiment_id: str) -> tuple[Ints, Ints]:
    """Return the units that keep a draw, and those that it was made for, (p,) each."""
    codes: dict[bytes, int] = {}
    kept = [_kept(log.rows(experiment_id, _KEPT, page), codes) for page in log.pages]
    draw, unit = (np.concatenate(column) for column in zip(*kept, strict=True))
    drawn = np.zeros(len(codes), np.int64)
    for page in log.pages if codes else ():
        rows = log.rows(experiment_id, _DRAWN, page)
        ids = rows["assignment_id"]
        code = ids.looked_up([*(codes.get(word, -1) for word in ids.words), -1])
        drawn[code[code >= 0]] = rows["unit_key"][code >= 0]
    before = drawn[draw]
    is_other = (before != 0) & (before != unit)
    return unit[is_other], before[is_other]


def _kept(rows: Columns, codes: dict[bytes, int]) -> tuple[Ints, Ints]:
    """Return the codes of draws that rows repeat, and for which units they do, each pair once."""
    reason, unit = rows["reason"], rows["unit_key"]
    is_kept = reason.looked_up([*(word == Reason.CACHED.value for word in reason.words), False], np.bool_) & (unit != 0)
    draw, unit = rows["kept_from"].codes[is_kept], unit[is_kept]
    once = first_of(draw, unit)
    words = rows["kept_from"].words
    code = [codes.setdefault(words[each], len(codes)) for each in draw[once].tolist()]
    return np.array(code, np.int64), unit[once]
