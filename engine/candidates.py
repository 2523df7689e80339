"""What a request brings along: candidates, reduced to what the experiment declares of them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from engine.context import Fields, declared, fields
from engine.errors import InvalidRequest
from engine.experiments import ContextField, Variant
from engine.records import Candidate, Reason, Value

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


_Known = tuple[Mapping[str, Value], list[type], Candidate, Variant]
"""The values of a candidate that were read, of which type each was, and what became of them."""


@dataclass(slots=True)
class CandidateReader:
    """Reads candidates as an experiment declares them, and remembers those that came lately: the same come again.

    >>> from engine.experiments import FieldType
    >>> reader = CandidateReader(fields([ContextField("price", FieldType.NUMBER)]))
    >>> brought = reader.read([Candidate("article-7", {"price": 3, "colour": "red"})])
    >>> brought.candidates, brought.flaw
    ((Candidate(name='article-7', features={'price': 3.0}),), None)
    """

    fields: Fields
    _known: dict[str, _Known] = field(default_factory=dict)

    def read(self, candidates: Sequence[Candidate]) -> Brought:
        """Return the candidates with their declared features, and the first flaw of them.

        What is wrong in one is left out of it: CONTEXT_INVALID; what is required and not given: CONTEXT_MISSING.
        """
        flaw, read, variants = None, [], []
        for candidate in candidates:
            known, features = self._known.get(candidate.name), candidate.features
            # By type too: a flag equals the number 1 and is none.
            if known is None or known[0] != features or known[1] != list(map(type, features.values())):
                known, its_flaw = self._read(candidate)
                flaw = flaw or its_flaw
            read.append(known[2])
            variants.append(known[3])
        return Brought(tuple(read), tuple(variants), flaw)

    def _read(self, candidate: Candidate) -> tuple[_Known, Reason | None]:
        name, (features, flaw) = candidate.name, declared(self.fields, candidate.features)
        given, types = candidate.features, list(map(type, candidate.features.values()))
        # Kept as what was made of it where that is the same: of a thousand new ones each dictionary counts.
        is_same = given == features and types == list(map(type, features.values()))
        copied = features if is_same else _copied(given)
        known = copied, types, Candidate(name, features), Variant(name, "{}", features, _NO_LEVELS)
        if flaw is None:
            if len(self._known) >= _N_KNOWN:
                self._known.clear()
            self._known[name] = known
        return known, flaw


@lru_cache(maxsize=256)
def reader_of(declared: tuple[ContextField, ...]) -> CandidateReader:
    """Return what reads candidates of these features: what it remembers outlives a change of the experiment."""
    return CandidateReader(fields(declared))


def check(candidates: Sequence[Candidate], variants: Container[str]) -> None:
    """Refuse candidates that no experiment could choose among; `variants` are the experiment's own.

    Raises:
        InvalidRequest: they are too many, or one has no name, the name of another one, or that of a variant.
    """
    if len(candidates) > MAX_CANDIDATES:
        raise InvalidRequest(f"a request brings at most {MAX_CANDIDATES:,} candidates, not {len(candidates):,}")
    seen: set[str] = set()
    for candidate in candidates:
        name = candidate.name
        if not 0 < len(name) <= MAX_NAME:
            raise InvalidRequest(f"a candidate needs a name of 1 to {MAX_NAME} characters: one has {len(name):,}")
        if name in seen:
            raise InvalidRequest(f"two candidates are called {name!r}: bring each once")
        if name in variants:
            raise InvalidRequest(f"candidate {name!r} has the name of a variant of the experiment: call it otherwise")
        seen.add(name)


def _copied(features: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return features that stay as they are where their owner changes them, or a list among them."""
    return {name: list(value) if isinstance(value, list) else value for name, value in features.items()}
