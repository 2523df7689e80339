"""The effect of a set of experiments, and of each variant of one, by what was drawn first for each unit in them.

A unit counts as what it was drawn for, whether it met it or not (intention to treat). The totals of an experiment's
variants add up to the experiment's: they are sums over the same units with the same model.

Of several experiments there are two effects. All together are compared with all of their controls: that needs units
that drew the control each time, and of three or four experiments there are few. The sum of their own effects needs
none, and says something else: what each brought with the others as they were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from analysis.attribution.incremental import comparing, looking, saying
from analysis.attribution.incremental.comparing import Compared
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.incremental.saying import Said
from analysis.attribution.incremental.units import Draws, Units
from analysis.texts import Name, Text, text
from engine.errors import InvalidRequest


def effect(units: Units, experiments: Collection[str], name: Name, *, family: int = 1) -> Effect:
    """Return what some experiments brought together, on top of what their controls would have.

    With Y for what a unit did from its first draw in any of them, m for what was expected of it before, and w for the
    product over its draws of 1[control] / P(control), that is the sum of (1 - w) (Y - m). Experiments that do not
    compare by unit are left out of it, and a note says so; where none does, it says why. The intervals hold together
    with those of so many others as the `family` has, and at any look where an experiment may be read at any.

    Raises:
        InvalidRequest: an experiment was not read.
    """
    chosen, refused = _chosen(units, experiments)
    found = comparing.together(units, chosen) if chosen else _first(refused)
    return _effect(name, _ids(chosen) or tuple(experiments), found, _said(units, chosen, family, refused))


def added(units: Units, experiments: Collection[str], name: Name, *, family: int = 1) -> Effect:
    """Return the sum of what each of some experiments brought, the others being as they were.

    With Y, m and w of each experiment by itself, that is the sum over experiments and their units of (1 - w) (Y - m),
    with errors by unit. It is the effect of all together where they neither help nor hinder each other. The relative
    lift is over what the units did, from their first draw in any of them and each time counted once, less that sum.

    Raises:
        InvalidRequest: an experiment was not read.
    """
    chosen, refused = _chosen(units, experiments)
    found = comparing.summed(units, chosen)
    left_out = refused | found.left_out
    inside = [draws for draws in chosen if draws.experiment_id not in left_out]
    whole = found.whole if inside else _first(left_out)
    return _effect(name, _ids(inside) or tuple(experiments), whole, _said(units, inside, family, left_out, is_sum=True))


def brought(units: Units, experiments: Collection[str], name: Name, *, family: int = 1) -> Effect:
    """Return the effect of some experiments together where it can be evaluated, and else the sum of their own.

    Raises:
        InvalidRequest: an experiment was not read.
    """
    joint = effect(units, experiments, name, family=family)
    if len(joint.of) < 2 or joint.total[0].interval is not None:
        return joint
    total = added(units, experiments, name, family=family)
    return joint if total.total[0].interval is None else total


def variants(units: Units, experiment_id: str, *, family: int = 1) -> tuple[Effect, ...]:
    """Return what each variant of a test but the control brought to those who got it, or a bandit's policy.

    With the same Y and m as `effect`, that is the sum of (1[v] - 1[control] P(v) / P(control)) (Y - m). Their names
    are "experiment/variant". There is none where the experiment does not compare by unit.

    Raises:
        InvalidRequest: the experiment was not read.
    """
    chosen, _ = _chosen(units, [experiment_id])
    said = _said(units, chosen, family, {})
    return tuple(each for draws in chosen for each in _variants(units, draws, said))


def _chosen(units: Units, experiments: Collection[str]) -> tuple[list[Draws], dict[str, Text]]:
    """Return the draws in some experiments, and why others do not compare by unit."""
    known = {draws.experiment_id for draws in units.draws} | units.refused.keys()
    unknown = next((name for name in experiments if name not in known), None)
    if unknown is not None:
        raise InvalidRequest(f"{unknown!r} is not among the experiments that were read: {', '.join(sorted(known))}")
    chosen = [draws for draws in units.draws if draws.experiment_id in experiments]
    return chosen, {name: units.refused[name] for name in experiments if name in units.refused}


def _first(reasons: Mapping[str, Text]) -> Text:
    return next(iter(reasons.values()), text("attribution.incremental.nobody"))


def _ids(chosen: Collection[Draws]) -> tuple[str, ...]:
    return tuple(draws.experiment_id for draws in chosen)


def _said(
    units: Units, chosen: Collection[Draws], family: int, left_out: Mapping[str, Text], *, is_sum: bool = False
) -> Said:
    window_s = None if units.within is None else units.within.total_seconds()
    is_sum = is_sum and len(chosen) > 1
    look = looking.together(chosen, family)
    n_without = {draws.experiment_id: draws.n_without for draws in chosen if draws.n_without}
    return Said(units.outcome, window_s, look, is_sum=is_sum, left_out=left_out, n_without=n_without)


def _variants(units: Units, draws: Draws, said: Said) -> Iterator[Effect]:
    """Yield what each variant brought."""
    for place, found in comparing.alone(units, draws).variants.items():
        yield _effect(_name(draws, place), (draws.experiment_id,), found, said)


def _name(draws: Draws, place: int) -> Name:
    name = draws.names[place]
    if isinstance(name, str):
        return f"{draws.experiment_id}/{name}"
    return text("attribution.incremental.of", experiment=draws.experiment_id, name=name)


def _effect(name: Name, of: tuple[str, ...], found: Compared | Text, said: Said) -> Effect:
    """Return what was found in words, and where it may be read at any time also as at one look."""
    once = None if said.look.n_planned is None else _effect(name, of, found, said.at_one_look)
    if isinstance(found, Text):
        total, each, lift = saying.nothing(found, said, 0)
        return Effect(name, of, total, each, lift, 0, None, total, (), once)
    total = saying.totals(found.scores, said, "dr")
    return Effect(
        name,
        of,
        total,
        saying.per_each(total, found.n_units, said),
        saying.relative(found.scores[0], said),
        found.n_units,
        saying.influence(found.scores),
        saying.totals(found.plain, said, "ipw"),
        (*said.left_out, *said.n_without),
        once,
    )
