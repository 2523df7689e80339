"""Coba's interactions: dicts of `context`, `actions`, `action`, `reward` and `probability`, without Coba itself.

Coba takes a missing `probability` for 1 in silence; here such an interaction is left out and counted. A simulated
interaction (`rewards` of all actions, and no `action`) is no draw, and is left out and counted too.

Our own fields `probabilities` (of `actions`, in their order), `at`, `unit`, `slate`, `slot` and `logger` stand beside
Coba's, which keeps what it does not know.

Source: coba/primitives.py (`LoggedInteraction`, `SimulatedInteraction`), Coba 8.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from analysis.arrays import Ints
from analysis.ope.doors.leaving_out import (
    SAME,
    LeftOut,
    Unusable,
    Why,
    distribution_of,
    number_of,
    propensity_of,
    usable,
    whole_of,
)
from analysis.ope.doors.lines import Lines, parts, write_lines
from analysis.ope.doors.nested import flat
from analysis.ope.doors.rows import Gathering, Row, Shape, blocks
from analysis.ope.logged import BLOCK, Collection, Logged, Question
from engine.experiments import Variant
from engine.records import Context

Interaction = Mapping[str, Any]
"""What Coba calls an interaction."""

_NAME = "variant"
"""The feature of an action that is its name, where it has more than that."""

_OWN = ("at", "unit", "slate", "slot", "logger")
"""Columns of a log that are fields of our own."""


def read(
    interactions: Iterable[Interaction] | Path | str,
    collection: Collection | None = None,
    *,
    variants: Sequence[str] = (),
    shape: Shape | None = None,
    n: int = BLOCK,
) -> Iterator[Logged]:
    """Yield logged interactions, or a file with one as JSON in each line, in blocks of some `n`.

    Variants are the `actions`, called by what they are where one interaction has all that there are, else by their
    places; with `variants`, an action is looked up among these names. A file is read twice, first for its `shape`, if
    that is not given; interactions that come one by one are then kept.

    Raises:
        InvalidRequest: there is no such file, or no interaction is a draw.

    >>> drawn = {"context": {"age": 30}, "actions": ["a", "b"], "action": "b", "reward": 1, "probability": 0.25}
    >>> (log,) = read([drawn, {**drawn, "probability": None}])
    >>> log.propensity.tolist(), [count.n for count in log.left_out]
    ([0.25], [1])
    """
    source = _source(interactions)
    known = shape or Shape.of(_rows(source, tuple(variants), LeftOut()))
    names, left_out = tuple(variants) or known.named, LeftOut()
    gathering = Gathering(known, collection or Collection(), partial(_ask, source, names))
    return blocks(_rows(source, names, left_out), gathering, left_out, n)


@dataclass(frozen=True, slots=True)
class _Held:
    """Interactions in memory, numbered as lines are."""

    items: Sequence[Interaction]

    def numbered(self) -> Iterator[tuple[int, Interaction]]:
        return enumerate(self.items, 1)

    def again(self, numbers: Iterable[int]) -> Iterator[Interaction]:
        return (self.items[number - 1] for number in numbers)


def _source(interactions: Iterable[Interaction] | Path | str) -> _Held | Lines:
    if isinstance(interactions, Path | str):
        return Lines(Path(interactions))
    return _Held(list(interactions))


def _rows(source: _Held | Lines, variants: tuple[str, ...], left_out: LeftOut) -> Iterator[Row]:
    return usable(source.numbered(), lambda number, item: [_row(number, _interaction(item), variants)], left_out)


def _ask(source: _Held | Lines, variants: tuple[str, ...], rows: Ints) -> Iterator[Question]:
    for item in source.again(rows.tolist()):
        interaction = _interaction(item)
        names = _names(interaction)
        actions = dict(zip(names, interaction["actions"], strict=True))
        placed = [name for name in variants or names if name in actions]
        yield Question(
            flat(interaction.get("context")), tuple(Variant(name, features=_features(actions[name])) for name in placed)
        )


def _interaction(item: object) -> Interaction:
    try:
        found = json.loads(item) if isinstance(item, bytes) else item
    except (ValueError, RecursionError):
        raise Unusable(Why.BROKEN) from None
    if not isinstance(found, Mapping):
        raise Unusable(Why.BROKEN)
    return found


def _row(number: int, interaction: Interaction, variants: tuple[str, ...]) -> Row:
    if "action" not in interaction:
        raise Unusable(Why.NOT_DRAWN)
    found = _names(interaction)
    names = variants or found
    if not set(found) <= set(names) or (drawn := _name(interaction["action"])) not in found:
        raise Unusable(Why.VARIANT)
    propensity = propensity_of(interaction.get("probability"))
    p = _distribution(interaction, found, drawn, propensity)
    return Row(
        number=number,
        variant=names.index(drawn),
        reward=number_of(interaction.get("reward"), Why.REWARD),
        propensity=propensity,
        at=whole_of(interaction.get("at", number)),
        names=names,
        could_be=tuple(name in found for name in names),
        probabilities=None if p is None else tuple(p.get(name, 0.0) for name in names),
        context=flat(interaction.get("context")),
        unit=_key(interaction.get("unit")),
        slate=_key(interaction.get("slate")),
        slot=whole_of(interaction.get("slot", 0)),
        logger=whole_of(interaction.get("logger", 0)),
    )


def _key(value: object) -> Hashable:
    if value is None or isinstance(value, str | int):
        return value
    raise Unusable(Why.BROKEN)


def _distribution(
    interaction: Interaction, names: tuple[str, ...], drawn: str, propensity: float
) -> dict[str, float] | None:
    if interaction.get("probabilities") is None:
        return None
    found = distribution_of(interaction["probabilities"])
    if len(found) != len(names):
        raise Unusable(Why.DISTRIBUTION)
    p = dict(zip(names, found, strict=True))
    if abs(p[drawn] - propensity) > SAME * propensity:
        raise Unusable(Why.PROPENSITY)
    return p


def _names(interaction: Interaction) -> tuple[str, ...]:
    """Return what the actions are called."""
    actions = interaction.get("actions")
    if not isinstance(actions, Sequence) or isinstance(actions, str) or not actions:
        raise Unusable(Why.VARIANT)
    names = tuple(_name(action) for action in actions)
    if len(set(names)) < len(names):
        raise Unusable(Why.VARIANT)
    return names


def _name(action: object) -> str:
    if isinstance(action, Mapping) and isinstance(action.get(_NAME), str):
        return str(action[_NAME])
    return action if isinstance(action, str) else json.dumps(action, default=str)


def _features(action: object) -> Context:
    if isinstance(action, str):
        return {}
    return {name: value for name, value in flat(action, "action").items() if name != _NAME}


def interactions(log: Logged | Iterable[Logged]) -> Iterator[dict[str, Any]]:
    """Yield a log as Coba's logged interactions, of which `LoggedInteraction(**each)` makes its own kind.

    >>> import numpy as np
    >>> log = Logged.of(("a", "b"), np.array([1]), np.ones(1), np.array([0.25]))
    >>> (found,) = interactions(log)
    >>> found["action"], found["actions"], found["probability"]
    ('b', ['a', 'b'], 0.25)
    """
    for part in parts(log):
        p = part.probabilities
        for place, (question, eligible) in enumerate(part.placed()):
            actions = [_action(variant) for variant in question.eligible]
            yield {
                "context": _plain(question.context),
                "action": actions[eligible.index(part.variant[place])],
                "reward": part.reward[place].item(),
                "probability": part.propensity[place].item(),
                "actions": actions,
                **({} if p is None else {"probabilities": p[place][eligible].tolist()}),
                **{name: getattr(part, name)[place].item() for name in _OWN},
            }


def write(log: Logged | Iterable[Logged], path: Path | str) -> int:
    """Write a log as JSON lines of `interactions`, which `read` reads, and return how many there are."""
    return write_lines(path, (json.dumps(each, ensure_ascii=False) for each in interactions(log)))


def _action(variant: Variant) -> str | dict[str, Any]:
    return {_NAME: variant.name, **_plain(variant.features)} if variant.features else variant.name


def _plain(fields: Context) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
