"""One line of VW's dsjson, read as draws; `dsjson.py` says what its fields mean."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from analysis.ope.doors.leaving_out import SAME, Unusable, Why, distribution_of, number_of, propensity_of, whole_of
from analysis.ope.doors.nested import flat
from analysis.ope.doors.rows import Row
from analysis.ope.logged import Question
from engine.experiments import Variant
from engine.records import Context

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""What times are counted from."""

SLOT = "slot"
"""Fields of a slot are called "slot.namespace.feature"."""

Event = Mapping[str, Any]
"""A line, as JSON has it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How lines are read.

    `variants` are the `_tag`s that there are, where no line has all of them. `cost` is the field of the cost:
    `_original_label_cost` is what was observed where the service imitated a baseline and made `_label_cost` of it.
    `unit` is the field of the context that says whose draw it is, and is then no field of the context; without one,
    each line is of its own unit, or of our own field `unit`.

    Lines that were kept with different probabilities stand for different numbers of draws: give the least of these as
    `kept`, and lines are dropped by chance, by `seed`, until all were kept with it.
    """

    variants: tuple[str, ...] = ()
    cost: str = "_label_cost"
    unit: str = ""
    kept: float | None = None
    seed: int = 0


def event_of(line: bytes) -> Event:
    """Return what a line says of a decision.

    Raises:
        Unusable: it is no JSON, no decision, or of one that was never activated.
    """
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        raise Unusable(Why.BROKEN) from None
    if not isinstance(event, dict):
        raise Unusable(Why.BROKEN)
    if not isinstance(event.get("c"), dict) or not ("a" in event or "_outcomes" in event):
        raise Unusable(Why.DANGLING)
    if event.get("_skipLearn"):
        raise Unusable(Why.NOT_ACTIVATED)
    return event


def rows_of(number: int, event: Event, how: Reading) -> list[Row]:
    """Return the draws of a decision: one, or one a slot.

    Raises:
        Unusable: one of them cannot be used.
    """
    if "_outcomes" not in event:
        return [_alone(number, event, how)]
    outcomes = event["_outcomes"]
    if not isinstance(outcomes, list) or not all(isinstance(each, dict) for each in outcomes):
        raise Unusable(Why.BROKEN)
    if any(each.get("_skipLearn") for each in outcomes):
        raise Unusable(Why.NOT_ACTIVATED)
    return [_in_slot(number, place, outcome, event, how) for place, outcome in enumerate(outcomes)]


def kept_with(event: Event, row: Row, is_thinned: bool) -> float:
    """Return the probability with which a line was kept.

    Later versions of the service multiply `_label_probability` by it and write no `pdrop`: that is taken to be so only
    where the log is said to be thinned, for otherwise such a line contradicts itself.

    Raises:
        Unusable: `pdrop` is no probability below 1, or the propensity is not that of the distribution.
    """
    kept = 1 - number_of(event.get("pdrop", 0.0), Why.BROKEN)
    if not 0 < kept <= 1:
        raise Unusable(Why.BROKEN)
    label = event.get("_label_probability")
    if label is None or _is_same(propensity_of(label), row.propensity) or _is_same(label, row.propensity * kept):
        return kept
    if is_thinned and "pdrop" not in event and label < row.propensity:
        return float(label / row.propensity)
    raise Unusable(Why.PROPENSITY)


def _is_same(one: float, other: float) -> bool:
    return abs(one - other) <= SAME * other


def _alone(number: int, event: Event, how: Reading) -> Row:
    places = [place - 1 for place in _wholes(event["a"])]
    names = _names(event["c"], len(places))
    if sorted(places) != list(range(len(names))):
        raise Unusable(Why.VARIANT)
    if (event.get("_label_Action", places[0] + 1), event.get("_labelIndex", places[0])) != (places[0] + 1, places[0]):
        raise Unusable(Why.VARIANT)
    return _row(number, 0, event, event, how=how, ranked=_ranked(places, event, "p"))


def _in_slot(number: int, place: int, outcome: Event, event: Event, how: Reading) -> Row:
    places = _wholes(outcome.get("_a"))
    if len(set(places)) < len(places) or not all(0 <= place < len(_names(event["c"], 0)) for place in places):
        raise Unusable(Why.VARIANT)
    return _row(number, place, event, outcome, how=how, ranked=_ranked(places, outcome, "_p"))


def _ranked(places: Sequence[int], outcome: Event, p: str) -> dict[int, float]:
    """Return the probability of each place, which stand in the same order."""
    if not outcome.get(p):
        raise Unusable(Why.NO_PROPENSITY if outcome.get("_label_probability") is None else Why.DISTRIBUTION)
    found = distribution_of(outcome[p])
    if len(found) != len(places):
        raise Unusable(Why.DISTRIBUTION)
    return dict(zip(places, found, strict=True))


def _row(number: int, place: int, event: Event, outcome: Event, *, how: Reading, ranked: dict[int, float]) -> Row:
    """Return a draw of the line `number`: of its outcome at `place`, with what `ranked` says could be drawn, first."""
    context = _fields(event, place)
    names = how.variants or _names(event["c"], len(ranked))
    at = dict(zip(_placed(event, list(ranked), how), ranked.values(), strict=True))
    unit = context.get(how.unit) if how.unit else event.get("unit")
    # A draw alone is numbered without being remembered, so that a long file takes no more memory than a short one.
    slate = number if "_outcomes" in event else None
    return Row(
        number=number,
        variant=next(iter(at)),
        reward=0.0 - number_of(outcome.get(how.cost), Why.REWARD),
        propensity=propensity_of(next(iter(at.values()))),
        at=_time(event.get("Timestamp"), number),
        names=names,
        could_be=tuple(each in at for each in range(len(names))),
        probabilities=tuple(at.get(each, 0.0) for each in range(len(names))),
        context={name: value for name, value in context.items() if name != how.unit},
        unit=str(unit) if unit is not None else None if slate is None else (slate,),
        slate=slate,
        slot=whole_of(outcome.get("_slot", place)),
        logger=whole_of(event.get("logger", 0)),
    )


def question(event: Event, slot: int, how: Reading) -> Question:
    """Return what a policy is asked about a slot: the context, and the variants that were left, in their places.

    Raises:
        Unusable: a variant is none of those that were declared.
    """
    actions = event["c"].get("_multi") or [{}] * len(event["a"])
    names = _names(event["c"], len(actions))
    places = _wholes(event["_outcomes"][slot].get("_a")) if "_outcomes" in event else range(len(actions))
    placed = sorted(zip(_placed(event, places, how), places, strict=True))
    return Question(
        _fields(event, slot), tuple(Variant(names[place], features=flat(actions[place])) for _, place in placed)
    )


def _placed(event: Event, places: Sequence[int], how: Reading) -> list[int]:
    """Return places of `_multi` as places among the variants."""
    if not how.variants:
        return list(places)
    names = _names(event["c"], 0)
    if not {names[place] for place in places if place < len(names)} <= set(how.variants) or not names:
        raise Unusable(Why.VARIANT)
    return [how.variants.index(names[place]) for place in places]


def _fields(event: Event, slot: int) -> Context:
    """Return the context of a slot."""
    context = event["c"]
    slots = context.get("_slots")
    if not isinstance(slots, list) or slot >= len(slots):
        return flat(context)
    return {**flat(context), **{f"{SLOT}.{name}": value for name, value in flat(slots[slot]).items()}}


def _names(context: Event, n: int) -> tuple[str, ...]:
    """Return the tags of all variants, or their places from 1 where not all have one of their own."""
    actions = context.get("_multi") or [{}] * n
    if not isinstance(actions, list) or not all(isinstance(action, dict) for action in actions):
        raise Unusable(Why.BROKEN)
    tags = [action.get("_tag") for action in actions]
    if None not in tags and len({str(tag) for tag in tags}) == len(tags):
        return tuple(str(tag) for tag in tags)
    return tuple(str(place + 1) for place in range(len(actions)))


def _wholes(values: object) -> list[int]:
    if not isinstance(values, list) or not values:
        raise Unusable(Why.VARIANT)
    return [whole_of(value, Why.VARIANT) for value in values]


def _time(value: object, number: int) -> int:
    """Return a time in microseconds, or the line's number where there is none: then lines are a microsecond apart."""
    if not isinstance(value, str):
        return number
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise Unusable(Why.BROKEN) from None
    return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)
