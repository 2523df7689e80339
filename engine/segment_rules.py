"""The rules of segments: what they may name, and what they bring to the conditions that name them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping

from engine.condition_rules import condition_problems
from engine.conditions import MAX_CHAIN, MAX_DEPTH, MAX_SIZE, fits
from engine.expansion import expand
from engine.experiments import Experiment
from engine.funnel import Condition, Population
from engine.funnel_rules import problems_of_condition
from engine.records import Value

NOTHING_DECLARED = Experiment("", (), ())
"""Segments and groups belong to no experiment, so no field that they are about has a type."""


def segment_problems(population: Population) -> Iterator[str]:
    """Yield a sentence for every rule that the segments of a population break."""
    for name, condition in population.segments.items():
        faults = itertools.chain(_unknown(condition, population), _chain_problems(name, population))
        what = f"segment {name!r}"
        alone = problems_of_condition(NOTHING_DECLARED, what, condition)
        # What is wrong with it alone is found with the population too.
        yield from dict.fromkeys([*alone, *(f"{what}: {fault}" for fault in faults)])


def naming_problems(
    experiment: Experiment, condition: Condition, population: Population, *, only_declared: bool
) -> Iterator[str]:
    """Yield a sentence for everything that makes a condition wrong once its segments and groups stand in their places.

    The rest of the condition is right already.
    """
    declared = {each.name: each.type for each in experiment.context}
    yield from _unknown(condition, population)
    for name in _reached(condition, population):
        for problem in condition_problems(population.segments[name], declared, only_declared=only_declared):
            yield f"segment {name!r}, which it names: {problem}"
    if not fits(expand(condition, population)):
        yield (
            f"with the segments that it names it nests deeper than {MAX_DEPTH} levels, or has more than {MAX_SIZE} "
            "maps and lists: make it or them simpler"
        )


def way_back(start: str, following: Callable[[str], Iterable[str]]) -> list[str]:
    """Return a way from a name over those that follow each to itself, or nothing where none leads back.

    >>> way_back("a", lambda name: {"a": "b", "b": "cd", "d": "a"}.get(name, ""))
    ['a', 'b', 'd', 'a']
    """
    ways, seen = [[start]], set[str]()
    while ways:
        way = ways.pop()
        for name in following(way[-1]):
            if name == start:
                return [*way, start]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def _unknown(condition: Condition, population: Population) -> Iterator[str]:
    return condition_problems(condition, {}, only_declared=False, population=population)


def _chain_problems(name: str, population: Population) -> Iterator[str]:
    def named(segment: str) -> list[str]:
        return list(_named(population.segments.get(segment, {})))

    way = way_back(name, named)
    if way:
        yield f"it leads back to itself ({' -> '.join(way)}): take one of them out"
        return
    ahead = {name}
    for _ in range(MAX_CHAIN):
        ahead = {each for segment in ahead for each in named(segment)}
    if ahead:
        yield f"it names another, and that one another, more than {MAX_CHAIN} in all: write some of them out"


def _reached(condition: Condition, population: Population) -> list[str]:
    """Return the segments that a condition names, and those that these name, each once."""
    reached: dict[str, None] = {}
    ahead = list(_named(condition))
    while ahead:
        name = ahead.pop()
        if name in population.segments and name not in reached:
            reached[name] = None
            ahead += _named(population.segments[name])
    return list(reached)


def _named(condition: Condition) -> Iterator[str]:
    """Yield the segments that a condition names itself."""
    return _names_in(condition) if fits(condition) else iter(())


def _names_in(value: Value) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name == "$segment" and isinstance(each, str):
                yield each
            yield from _names_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _names_in(each)
