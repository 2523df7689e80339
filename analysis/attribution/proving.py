"""What randomisation proves of each touchpoint: the effect of the experiments that made its touches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from analysis.attribution.incremental.effect import Effect
from analysis.attribution.incremental.effects import effect, variants
from analysis.attribution.incremental.units import Units
from analysis.attribution.journeys import NO_CHANNEL, By
from analysis.attribution.stores.answers import Answer
from analysis.texts import Name, Text, text

Effects = Mapping[Name, Effect | Text]
"""What randomisation proves of touchpoints, or why it can say nothing of one."""


def proven(answers: Sequence[Answer], units: Units, by: By) -> Effects:
    """Return what is proven of the channels, experiments or variants that some answers are of.

    What a channel brought is the effect of all its experiments together. Where an experiment answers in several
    channels, one draw decides for all of a unit's touches, so that it proves nothing of one channel alone.
    """
    match by:
        case By.CHANNEL:
            return dict(_of_channels(answers, units))
        case By.EXPERIMENT:
            ids = sorted({answer.experiment_id for answer in answers})
            return {each: effect(units, [each], each) for each in ids}
        case By.VARIANT:
            return dict(_of_variants(answers, units))


def _of_channels(answers: Sequence[Answer], units: Units) -> Iterator[tuple[Name, Effect | Text]]:
    channels: dict[str, set[str]] = {}
    for answer in answers:
        channels.setdefault(answer.experiment_id, set()).add(answer.channel)
    for channel in sorted({answer.channel for answer in answers}):
        name = channel or NO_CHANNEL
        own = sorted(each for each, several in channels.items() if channel in several)
        shared = [each for each in own if len(channels[each]) > 1]
        yield name, text("attribution.proven.shared", names=tuple(shared)) if shared else effect(units, own, name)


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
