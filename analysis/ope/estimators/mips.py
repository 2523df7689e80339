"""Many variants by what they share: those with the same embedding are one variant.

Marginalised inverse propensity scoring, MIPS (Saito and Joachims 2022, Off-policy evaluation for large action spaces
via embeddings, ICML 39): with e(a) the embedding of variant a, its weight is

    w(x, e) = sum of pi(a | x) over a with e(a) = e / sum of p(a | x) over the same a.

IPS, SNIPS, DR and all others on a merged log are their marginalised forms. They are unbiased where a variant acts on
the reward through its embedding alone (no direct effect, assumption 3.2) and each embedding that the target draws could
be drawn (common embedding support): a variant that was never drawn is no hole where one like it was. Where variants of
one embedding do differ, the value is biased by how they differ and by how the two policies choose among them, and
nothing in the log says so. Weights are never larger than without merging.

Embeddings are categories here, a function of the variant: rows of a table of features, or what a person put together.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from analysis.arrays import Floats, Ints
from analysis.ope.logged import Ask, Logged, Question
from analysis.texts import Name
from engine.errors import InvalidRequest
from engine.experiments import Variant


def groups_of(embeddings: Iterable[Hashable]) -> Ints:
    """Return the group of each of k variants, (k,): variants with equal embeddings are of one group.

    >>> groups_of([("shoe", "red"), ("hat", "red"), ("shoe", "red")]).tolist()
    [0, 1, 0]
    """
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(each, len(numbers)) for each in embeddings], np.int64)


def merged(log: Logged, target: Floats, groups: Ints) -> tuple[Logged, Floats]:
    """Return a log and a target (n, k) whose g variants are the groups (k,), numbered from 0: (n, g) for the target.

    What a policy or a model is asked about a group is its first eligible variant. Places of candidates are no variants:
    groups of them mean nothing.

    Raises:
        InvalidRequest: the log has no whole distributions, or the groups are not of its variants.

    Two shoes and a hat, drawn alike, and a target that is always the second shoe: a draw of either shoe speaks for it.

    >>> from analysis import ope
    >>> even = np.full((3, 3), 1 / 3)
    >>> log = Logged.of(("shoe", "hat", "boot"), np.arange(3), np.array([1.0, 0.0, 0.5]), even[0], probabilities=even)
    >>> found, target = merged(log, np.tile([0.0, 0.0, 1.0], (3, 1)), groups_of(["shoe", "hat", "shoe"]))
    >>> found.variants, ope.point(ope.estimators.Snips(), found, target)
    (('shoe + boot', 'hat'), 0.75)
    """
    if log.patterns is None or log.pattern is None:
        raise InvalidRequest("merging variants needs whole distributions, and this log has propensities alone")
    member = _members(log, groups)
    # A block of a log has the patterns of all of it.
    is_block = len(log) < len(log.patterns)
    patterns = (log.patterns[log.pattern] if is_block else log.patterns) @ member
    could_be = log.could_be if is_block else log.eligible
    pattern = np.arange(len(log)) if is_block else log.pattern
    variant, names = groups[log.variant], _names(log, groups)
    found = replace(
        log,
        variants=names,
        variant=variant,
        propensity=patterns[pattern, variant],
        pattern=pattern,
        patterns=patterns,
        eligible=None if could_be is None else could_be @ member > 0,
        ask=None if log.ask is None else _asking(log.ask, _by_name(log, groups), names),
    )
    return found, target @ member


def _members(log: Logged, groups: Ints) -> Floats:
    """Return which variant is of which group, (k, g)."""
    known = np.unique(groups)
    if groups.shape != (log.k,) or not np.array_equal(known, np.arange(len(known))):
        raise InvalidRequest(
            f"groups number all {log.k} variants from 0 without gaps, and these are {groups.tolist()}: use groups_of"
        )
    return np.equal.outer(groups, known).astype(np.float64)


def _names(log: Logged, groups: Ints) -> tuple[Name, ...]:
    """Return what each group is called: its variants, one after the other."""
    members = [[log.variants[place] for place in np.flatnonzero(groups == group)] for group in np.unique(groups)]
    return tuple(each[0] if len(each) == 1 else " + ".join(map(str, each)) for each in members)


def _by_name(log: Logged, groups: Ints) -> dict[str, int]:
    return {str(name): group for name, group in zip(log.variants, groups.tolist(), strict=True)}


def _asking(ask: Ask, group: Mapping[str, int], names: Sequence[Name]) -> Ask:
    def asked(rows: Ints) -> Iterator[Question]:
        for question in ask(rows):
            first: dict[int, Variant] = {}
            for variant in question.eligible:
                first.setdefault(group[variant.name], variant)
            eligible = tuple(replace(first[place], name=str(names[place])) for place in sorted(first))
            yield Question(question.context, eligible)

    return asked
