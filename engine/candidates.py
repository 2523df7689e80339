"""What a request brings along: candidates, reduced to what the experiment declares of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple

from engine.context import Fields, can_be_sent, declared, fields
from engine.errors import InvalidRequest
from engine.experiments import ContextField, Variant
from engine.records import Candidate, Context, ContextValue, Reason, Value

MAX_CANDIDATES = 1_000
"""The most candidates that a request can bring."""

MAX_NAME = 200
"""The longest name of a candidate."""

_N_KNOWN = 10_000
_NO_LEVELS: Mapping[str, str] = {}


@dataclass(slots=True)
class Brought:
    """What a request brought: what is logged of it, what a policy gets, and what stands in the way, or None."""

    candidates: tuple[Candidate, ...] = ()
    variants: tuple[Variant, ...] = ()
    flaw: Reason | None = None


NOTHING = Brought()
"""What a request to an experiment without candidates brought."""


_Known = tuple[Mapping[str, Value], tuple[type, ...], Candidate, Variant]
"""The values of a candidate that were read, of which type each was, and what became of them."""


class CandidateReader:
    """Reads candidates as an experiment declares them, and remembers those that came lately: the same come again.

    >>> from engine.experiments import FieldType
    >>> reader = CandidateReader(fields([ContextField("price", FieldType.NUMBER)]))
    >>> brought = reader.read([Candidate("article-7", {"price": 3, "colour": "red"})])
    >>> brought.candidates, brought.flaw
    ((Candidate(name='article-7', features={'price': 3.0}),), None)
    """

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._known: dict[str, _Known] = {}
        self._plain = lru_cache(maxsize=256)(self._find_plain)

    def read(self, candidates: Sequence[Candidate]) -> Brought:
        """Return the candidates with their declared features, and the first flaw of them.

        What is wrong in one is left out of it: CONTEXT_INVALID; what is required and not given: CONTEXT_MISSING.
        """
        flaw, read, variants = None, [], []
        for candidate in candidates:
            known, features = self._known.get(candidate.name), candidate.features
            # By type too: a flag equals the number 1 and is none.
            if known is None or known[0] != features or known[1] != tuple(map(type, features.values())):
                known, its_flaw = self._read(candidate)
                flaw = flaw or its_flaw
            read.append(known[2])
            variants.append(known[3])
        return Brought(tuple(read), tuple(variants), flaw)

    def _read(self, candidate: Candidate) -> tuple[_Known, Reason | None]:
        name, given = candidate.name, candidate.features
        types = tuple(map(type, given.values()))
        features, flaw = self._declared(given, types)
        # Kept as what was made of it where that is the same: of a thousand new ones each dictionary counts.
        is_same = given == features and types == tuple(map(type, features.values()))
        copied = features if is_same else _copied(given)
        known = copied, types, Candidate(name, features), Variant(name, "{}", features, _NO_LEVELS)
        if flaw is None:
            if len(self._known) >= _N_KNOWN:
                self._known.clear()
            self._known[name] = known
        return known, flaw

    def _declared(self, given: Mapping[str, Any], types: tuple[type, ...]) -> tuple[Context, Reason | None]:
        plain = self._plain(tuple(given), types)
        return (dict(given), None) if plain and plain.holds(given) else declared(self._fields, given)

    def _find_plain(self, names: tuple[str, ...], types: tuple[type, ...]) -> _Plain | None:
        """Return how features of these names and types are told to be read as they are; None where they are not."""
        if not _PLAIN.keys() >= set(types):
            return None
        some = {name: _PLAIN[of_type] for name, of_type in zip(names, types, strict=True)}
        found, flaw = declared(self._fields, some)
        if flaw or list(found.items()) != list(some.items()):
            return None
        numbers, texts = ([name for name, value in some.items() if type(value) is each] for each in (float, str))
        return _Plain(numbers, texts)


class _Plain(NamedTuple):
    """Numbers and texts of features that are read as they are, if those are finite and these can be sent."""

    numbers: list[str]
    texts: list[str]

    def holds(self, given: Mapping[str, Any]) -> bool:
        """Whether they are; the largest numbers are read one by one, for their sum is not finite."""
        is_finite = isfinite(sum([given[name] for name in self.numbers]))
        return is_finite and can_be_sent("".join([given[name] for name in self.texts]))


_PLAIN: Mapping[type, ContextValue] = {float: 0.5, str: "text", bool: True}
"""Types of values that may be read as they are, with one of each; no two of them are equal."""


@lru_cache(maxsize=256)
def reader_of(declared: tuple[ContextField, ...]) -> CandidateReader:
    """Return what reads candidates of these features: what it remembers outlives a change of the experiment."""
    return CandidateReader(fields(declared))


def check(candidates: Sequence[Candidate], variants: Collection[str]) -> None:
    """Refuse candidates that no experiment could choose among; `variants` are the experiment's own.

    Raises:
        InvalidRequest: they are too many, or one has no name, one that cannot be sent, that of another one or that of a
            variant.
    """
    if len(candidates) > MAX_CANDIDATES:
        raise InvalidRequest(f"a request brings at most {MAX_CANDIDATES:,} candidates, not {len(candidates):,}")
    names = [candidate.name for candidate in candidates]
    distinct = set(names)
    # All at once first: of a thousand the loop is felt.
    are_apart = len(distinct) == len(names) and distinct.isdisjoint(variants) and all(names)
    if are_apart and max(map(len, names), default=0) <= MAX_NAME and can_be_sent("".join(names)):
        return
    seen: set[str] = set()
    for name in names:
        if not 0 < len(name) <= MAX_NAME:
            raise InvalidRequest(f"a candidate needs a name of 1 to {MAX_NAME} characters: one has {len(name):,}")
        if not can_be_sent(name):
            raise InvalidRequest(f"a candidate is called {name!r}, which is no text that can be sent: use UTF-8")
        if name in seen:
            raise InvalidRequest(f"two candidates are called {name!r}: bring each once")
        if name in variants:
            raise InvalidRequest(f"candidate {name!r} has the name of a variant of the experiment: call it otherwise")
        seen.add(name)


def _copied(features: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return features that stay as they are where their owner changes them, or a list among them."""
    return {name: list(value) if isinstance(value, list) else value for name, value in features.items()}
