"""What randomisation proves of each touchpoint: the effect of the experiments that made its touches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from analysis.attribution.incremental.effect import Effect
from analysis.attribution.incremental.effects import brought, variants
from analysis.attribution.incremental.units import Units
from analysis.attribution.journeys import NO_CHANNEL, By
from analysis.attribution.stores.answers import Answer
from analysis.estimate import Estimate, Holds
from analysis.texts import Name, Text, text

Effects = Mapping[Name, Effect | Text]
"""What randomisation proves of touchpoints, or why it can say nothing of one."""

_ONCE, _ALWAYS = text("attribution.proven.once"), text("attribution.proven.always")


def proven(answers: Sequence[Answer], units: Units, by: By) -> Effects:
    """Return what is proven of the channels, experiments or variants that some answers are of.

    What a channel brought is the effect of all its experiments together, or else the sum of their own. Where an
    experiment answers in several channels, one draw decides for all of a unit's touches, so that it proves nothing of
    one channel alone.
    """
    match by:
        case By.CHANNEL:
            return dict(_of_channels(answers, units))
        case By.EXPERIMENT:
            ids = sorted({answer.experiment_id for answer in answers})
            return {each: brought(units, [each], each) for each in ids}
        case By.VARIANT:
            return dict(_of_variants(answers, units))


def noted(note: Text, found: Iterable[tuple[Name, Estimate]]) -> Text:
    """Return a note with what a reader must know of estimates by name, beyond the method of the first of them.

    That is which are sums, what is not in them, and which hold at another look.
    """
    known = [(name, each) for name, each in found if each.interval is not None]
    said: dict[Text, list[Name]] = {}
    for name, each in known:
        if each.note is not None:
            said.setdefault(each.note, []).append(name)
        if each.holds is not known[0][1].holds:
            said.setdefault(_ONCE if each.holds is Holds.ONCE else _ALWAYS, []).append(name)
    for what, names in said.items():
        note = text("attribution.proven.noted", note=note, names=tuple(dict.fromkeys(names)), said=what)
    return note


def _of_channels(answers: Sequence[Answer], units: Units) -> Iterator[tuple[Name, Effect | Text]]:
    channels: dict[str, set[str]] = {}
    for answer in answers:
        channels.setdefault(answer.experiment_id, set()).add(answer.channel)
    for channel in sorted({answer.channel for answer in answers}):
        name = channel or NO_CHANNEL
        own = sorted(each for each, several in channels.items() if channel in several)
        shared = [each for each in own if len(channels[each]) > 1]
        yield name, text("attribution.proven.shared", names=tuple(shared)) if shared else brought(units, own, name)


def _of_variants(answers: Sequence[Answer], units: Units) -> Iterator[tuple[Name, Effect | Text]]:
    """Yield what is proven of variants; of a bandit's nothing by unit, which comes by all of them."""
    controls = {draws.experiment_id: draws.names[draws.control] for draws in units.draws}
    for experiment_id in sorted({answer.experiment_id for answer in answers}):
        known = {each.name: each for each in variants(units, experiment_id)}
        for answer in answers:
            name = answer.touchpoint(By.VARIANT)
            if answer.experiment_id != experiment_id or name in known:
                continue
            is_control = answer.variant == controls.get(experiment_id)
            why = text("attribution.proven.control" if is_control else "attribution.proven.by_touch")
            yield name, units.refused.get(experiment_id, why)
        yield from known.items()
