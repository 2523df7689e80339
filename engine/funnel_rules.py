"""The rules of who takes part in an experiment, and of who is forced to, keeps or loses a variant."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from engine.condition_rules import condition_problems
from engine.conditions import MAX_DEPTH
from engine.experiments import Experiment
from engine.funnel import Cap, Condition, Funnel
from engine.metric_rules import MAX_WINDOW, is_name
from engine.randomness import share_weight
from engine.records import Value

MAX_EXPOSURES = 1000
"""The most exposures that a cap can count: so many are remembered of a unit."""

MAX_VERSION = 1_000_000
"""The last version of stickiness."""

MAX_UNITS = 10**12
"""The most units that a step of a ramp can wait for."""

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
"""A schedule's times lie from the first until before the last: the contract has no others."""

_NOTHING = timedelta(0)


def funnel_in_one_form(experiment: Experiment) -> Experiment:
    """Return the experiment with its funnel and forced rules such that no way of writing them makes other ones."""
    funnel = replace(
        experiment.funnel,
        audience=in_one_form(experiment.funnel.audience),
        starts_at=_in_utc(experiment.funnel.starts_at),
        ends_at=_in_utc(experiment.funnel.ends_at),
    )
    forced = tuple(replace(rule, when=in_one_form(rule.when)) for rule in experiment.forced)
    return replace(experiment, funnel=funnel, forced=forced)


def in_one_form(condition: Condition) -> Condition:
    """Return a condition of dicts, lists and floats, in which it comes back from a file and from the wire.

    >>> in_one_form({"visits": {"$in": (1, 2)}})
    {'visits': {'$in': [1.0, 2.0]}}
    """
    return {name: _in_one_form(value, MAX_DEPTH) for name, value in condition.items()}


def _in_one_form(value: Value, levels: int) -> Value:
    if levels == 0:
        return value
    match value:
        case bool():
            return value
        case int() | float():
            return _as_float(value) + 0.0  # -0.0 is written as 0
        case Mapping():
            return {name: _in_one_form(each, levels - 1) for name, each in value.items()}
        case list() | tuple():
            return [_in_one_form(each, levels - 1) for each in value]
        case _:
            return value


def _as_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment and moment.tzinfo and FIRST <= moment < LAST else moment


def funnel_problems(experiment: Experiment) -> Iterator[str]:
    """Yield a sentence for every rule that the funnel, the forced rules, stickiness or the killed variants break."""
    funnel = experiment.funnel
    yield from problems_of_condition(experiment, "the audience", funnel.audience)
    yield from _prerequisite_problems(experiment)
    yield from _layer_problems(funnel)
    yield from _traffic_problems(funnel)
    yield from _step_problems(funnel)
    yield from _schedule_problems(funnel)
    if funnel.cap:
        yield from cap_problems("the cap", funnel.cap)
    yield from _rest_problems(experiment)
    yield from _forced_problems(experiment)
    yield from _sticky_problems(experiment)
    yield from _killed_problems(experiment)


def problems_of_condition(
    experiment: Experiment, what: str, condition: Condition, *, only_declared: bool = False
) -> Iterator[str]:
    """Yield a sentence for everything in a condition that could not be sent, stored or decided by."""
    declared = {field.name: field.type for field in experiment.context}
    for problem in condition_problems(condition, declared, only_declared=only_declared):
        yield f"{what}: {problem}"


def _prerequisite_problems(experiment: Experiment) -> Iterator[str]:
    for other, variants in experiment.funnel.prerequisites.items():
        if other == experiment.experiment_id:
            yield "it cannot be its own prerequisite: name another experiment"
        if not variants:
            yield f"prerequisite {other!r} names no variants: say which of them a unit must have, such as [bold]"
        for name in _twice(variants):
            yield f"prerequisite {other!r} names variant {name!r} twice: once is enough"


def _twice(names: tuple[str, ...]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _layer_problems(funnel: Funnel) -> Iterator[str]:
    layer = funnel.layer
    if layer is None:
        return
    if not is_name(layer.layer):
        yield "`layer` must name a layer of the population"
    if not 0 <= layer.start < layer.end <= 1:
        yield f"the range of the layer is {layer.start:g} to {layer.end:g} and must be 0 <= from < to <= 1"
    elif share_weight(layer.start) == share_weight(layer.end):
        yield "the range of the layer is narrower than 2^-32, so nobody would be in: make it wider"


def _traffic_problems(funnel: Funnel) -> Iterator[str]:
    if funnel.ramp and funnel.traffic != 1:
        yield "`traffic` and `ramp` exclude each other: leave `traffic` out, each step of the ramp has its own"
    if not _is_share(funnel.traffic):
        yield f"`traffic` is {funnel.traffic:g} and must be in (0, 1], and 2^-32 at least"


def _is_share(share: float) -> bool:
    return 0 < share <= 1 and share_weight(share) > 0


def _step_problems(funnel: Funnel) -> Iterator[str]:
    if len(funnel.ramp) == 1:
        yield "a ramp has two steps or more: for one share there is `traffic`"
    for number, step in enumerate(funnel.ramp, 1):
        if not _is_share(step.traffic):
            yield f"step {number} of the ramp has traffic {step.traffic:g}, which must be in (0, 1]"
        if not _NOTHING <= step.lasts <= MAX_WINDOW:
            yield f"step {number} of the ramp must last 0 to {MAX_WINDOW.days} days"
        if not 0 <= step.n_units <= MAX_UNITS:
            yield f"step {number} of the ramp waits for {step.n_units} units and must wait for 0 to 10^12"
    for number, (before, step) in enumerate(itertools.pairwise(funnel.ramp), 2):
        if not before.traffic < step.traffic:
            yield f"the ramp must rise: step {number} has traffic {step.traffic:g} after {before.traffic:g}"
    if funnel.ramp and (funnel.ramp[-1].lasts or funnel.ramp[-1].n_units):
        yield "the last step of the ramp leads nowhere: leave `lasts` and `units` out there"


def _schedule_problems(funnel: Funnel) -> Iterator[str]:
    schedule = {"starts_at": funnel.starts_at, "ends_at": funnel.ends_at}
    times = {name: moment for name, moment in schedule.items() if moment is not None}
    for name, moment in times.items():
        if moment.tzinfo is None:
            yield f"`{name}` has no time zone: write it such as 2026-12-01T09:00:00Z"
        elif not FIRST <= moment < LAST:
            yield f"`{name}` must lie between 1970 and 8999"
    if len(times) == 2 and all(moment.tzinfo for moment in times.values()) and times["ends_at"] <= times["starts_at"]:
        yield "`ends_at` must be after `starts_at`"


def cap_problems(what: str, cap: Cap) -> Iterator[str]:
    """Yield a sentence for every rule that a cap breaks."""
    if not 1 <= cap.n <= MAX_EXPOSURES:
        yield f"`n` of {what} is {cap.n} and must be 1 to {MAX_EXPOSURES}: so many exposures a unit has at most"
    yield from _time_problems(f"`window` of {what}", cap.window)


def _time_problems(what: str, time: timedelta) -> Iterator[str]:
    if not _NOTHING < time <= MAX_WINDOW:
        yield f"{what} must be longer than nothing, and {MAX_WINDOW.days} days at most"


def _rest_problems(experiment: Experiment) -> Iterator[str]:
    rest = experiment.funnel.rest
    if rest is None:
        return
    if rest.outcome not in experiment.outcomes:
        known = ", ".join(sorted(experiment.outcomes))
        yield f"`rest` waits for outcome {rest.outcome!r}, which no metric is made of: there is {known or 'none'}"
    yield from _time_problems("`within` of the rest", rest.within)
    yield from _time_problems("`lasts` of the rest", rest.lasts)


def _forced_problems(experiment: Experiment) -> Iterator[str]:
    for number, rule in enumerate(experiment.forced, 1):
        what = f"forced rule {number}"
        if not _is_variant(experiment, rule.variant):
            yield f"{what} names {rule.variant!r}, which is no variant"
        if not rule.when:
            yield f"{what} needs a condition in `when`: without one it would force everybody"
        yield from problems_of_condition(experiment, what, rule.when)


def _is_variant(experiment: Experiment, name: str) -> bool:
    return any(variant.name == name for variant in experiment.variants)


def _sticky_problems(experiment: Experiment) -> Iterator[str]:
    sticky, fallback = experiment.sticky, experiment.fallback_unit
    if sticky and not 1 <= sticky.version <= MAX_VERSION:
        yield f"the version of `sticky` is {sticky.version} and must be 1 to {MAX_VERSION}"
    if sticky and not 0 <= sticky.min_version <= sticky.version:
        yield (
            f"`min_version` of `sticky` is {sticky.min_version} and must be 0 to the version, which is {sticky.version}"
        )
    if not fallback:
        return
    if not is_name(fallback):
        yield "`fallback_unit` must name a type of unit by 1 to 200 printable characters, such as device"
    if fallback == experiment.unit:
        yield f"`fallback_unit` is {fallback!r} as `unit` is: name the one that is there before, such as device"
    if sticky is None:
        yield "`fallback_unit` needs `sticky: true`: else a login would change the variant"


def _killed_problems(experiment: Experiment) -> Iterator[str]:
    for name in dict.fromkeys(experiment.killed):
        if not _is_variant(experiment, name):
            yield f"`killed` names {name!r}, which is no variant"
    for name in _twice(experiment.killed):
        yield f"`killed` names {name!r} twice: once is enough"
    for role, name in (("control", experiment.control), ("default", experiment.default)):
        if name in experiment.killed:
            yield f"the {role} {name!r} cannot be killed: name another {role}, or conclude the experiment"
