"""Context and variants as numbered features, without a parser: names are data and can never become syntax.

    number          its value, squashed; nothing else, so that 0 is the point from which it is measured
    text            one feature for each value
    flag            one feature for true, another for false
    list of text    one feature for each distinct item
    missing field   a feature of its own
    variant         its name, its features and its levels, and the same for a candidate

Every feature's index is a hash of what it is (context or variant), its kind, its field and its value.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.errors import PolicyFailed
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.randomness import digest, feature_index
from engine.records import Context, ContextValue
from engine.specs import ContextFreeSpec

BITS = 18
"""Indices lie in [0, 2**18)."""

Features = tuple[NDArray[np.uint64], NDArray[np.float32]]
"""Indices and values, shape (n,) each."""

_ENCODING_VERSION = "1"
"""Changes when the same context no longer gives the same features."""
_LONGEST_TEXT = 100
_Encoder = Callable[[ContextValue, list[int], list[float]], None]
"""Adds the features of a value to the indices and the values of those before."""


class ContextEncoder:
    """Turns contexts into features: of the declared fields and no others.

    >>> encoder = ContextEncoder([ContextField("visits", FieldType.NUMBER), ContextField("plan", FieldType.TEXT)])
    >>> indices, values = encoder.encode({"visits": 1.0, "unseen": "x"})  # one for visits, one for the missing plan
    >>> indices.dtype.name, values.tolist()
    ('uint64', [1.0, 1.0])
    """

    def __init__(self, fields: Sequence[ContextField]) -> None:
        self._fields = [
            (declared.name, missing("context", declared.name), _encoder("context", declared.name, declared.type))
            for declared in fields
        ]
        self.names = tuple(declared.name for declared in fields)

    def encode(self, context: Context) -> Features:
        """Return the features of the declared fields, in the order in which they were declared.

        Raises:
            PolicyFailed: a value is not of its field's type, or not finite.
        """
        indices: list[int] = []
        values: list[float] = []
        for name, of_missing, encode in self._fields:
            value = context.get(name)
            if value is None:
                indices.append(of_missing)
                values.append(1.0)
            else:
                encode(value, indices, values)
        return _arrays(indices, values)


def variant_features(variant: Variant, declared: tuple[str, ...] = ()) -> Features:
    """Return the features of a variant: its name, its features and its levels, and which declared ones are missing.

    Raises:
        PolicyFailed: a feature is not finite, or nothing that can be read.

    >>> variant_features(Variant("hero", features={"price": 0.5}))[1].tolist()
    [1.0, 0.5]
    """
    features = variant.features
    # Candidates' names are rarely the same again: they are not worth their place among the remembered ones.
    indices, values = [feature_index.__wrapped__("variant", variant.name, BITS)], [1.0]
    encoders, lacking = _layout(tuple(features), tuple(map(type, features.values())), declared)
    for name, encode in encoders:
        encode(features[name], indices, values)
    for factor, level in sorted(variant.levels.items()):
        _encoder("level", factor, FieldType.TEXT)(level, indices, values)
    indices += lacking
    values += [1.0] * len(lacking)
    return _arrays(indices, values)


@lru_cache(maxsize=1024)
def _layout(
    names: tuple[str, ...], types: tuple[type, ...], declared: tuple[str, ...]
) -> tuple[list[tuple[str, _Encoder]], list[int]]:
    """Return how features of these names and types are read, and the indices of the declared ones that are missing."""
    # By name: the log keeps features without their order, and sums of 32-bit numbers depend on it.
    encoders = [(name, _feature_encoder(name, of_type)) for name, of_type in sorted(zip(names, types, strict=True))]
    return encoders, [missing("feature", name) for name in declared if name not in names]


def schema(experiment: Experiment) -> str:
    """Return a digest of what gives learned state its meaning: fields, variants, reward and encoding; 32 hex digits.

    A policy without context sees the names of the variants alone: an edit of what else there is teaches it nothing.

    >>> from engine.metrics import Metric
    >>> hero = Experiment("hero", (Variant("a"), Variant("b")), (Metric("click"),))
    >>> other = Experiment("other", (Variant("a"), Variant("c")), (Metric("click"),))
    >>> schema(hero) == schema(hero), schema(hero) == schema(other)
    (True, False)
    """
    is_blind = isinstance(experiment.policy, ContextFreeSpec)
    seen = [variant.name for variant in experiment.variants] if is_blind else _features_of(experiment)
    meaning = [seen, _reward_of(experiment)]
    return digest("schema", _ENCODING_VERSION, str(BITS), json.dumps(meaning, sort_keys=True)).hex()


def _features_of(experiment: Experiment) -> list[object]:
    variants = [[variant.name, dict(variant.features), dict(variant.levels)] for variant in experiment.variants]
    candidates = None if experiment.candidates is None else _types(experiment.candidates)
    return [_types(experiment.context), variants, candidates]


def _types(fields: Sequence[ContextField]) -> list[list[str]]:
    return [[declared.name, declared.type.value] for declared in fields]


def _reward_of(experiment: Experiment) -> list[object]:
    """Return all that decides what an assignment earns, and when."""
    terms = [[term.metric, term.weight, term.aggregation.value] for term in experiment.reward]
    used = sorted({term.metric for term in experiment.reward})
    metrics = [
        [
            metric.name,
            metric.kind.value,
            str(metric.window),
            str(metric.after),
            metric.cap,
            metric.range,
            metric.outcome,
        ]
        for metric in map(experiment.metric, used)
        if metric is not None
    ]
    scale = [experiment.reward_scale, experiment.reward_default]
    return [terms, metrics, scale, str(experiment.grace), experiment.exposure.value]


def squash(value: float) -> float:
    """Return the number itself up to 1 and its logarithm beyond, with its sign.

    It is smooth, grows for ever and maps the largest float to 711. A linear learner scales its steps by the largest
    value it has met, so that one wild number would stop it from learning; and beyond 1e19 squares overflow in 32 bits.

    >>> squash(0.5), squash(-1.0), squash(-math.e), round(squash(1e308))
    (0.5, -1.0, -2.0, 710)
    """
    if -1.0 <= value <= 1.0:
        return value
    size = 1.0 + math.log(abs(value))
    return size if value > 0 else -size


def _arrays(indices: list[int], values: list[float]) -> Features:
    if not indices:
        return np.zeros(0, np.uint64), np.zeros(0, np.float32)
    # By way of the standard library's arrays: of a few numbers numpy makes its own in twice the time.
    return np.frombuffer(array("Q", indices), np.uint64), np.frombuffer(array("f", values), np.float32)


def missing(side: str, name: str) -> int:
    """Return the index of what is missing: a field of the context, or a feature of a candidate."""
    return feature_index(f"{side} missing", name, BITS)


def namespace_of(side: str, name: str, type: FieldType) -> str:
    """Return what a field's features are hashed with: whose it is, its kind and its name."""
    return f"{side} {type.value} {name}"


@lru_cache(maxsize=10_000)
def _encoder(side: str, name: str, type: FieldType) -> _Encoder:
    """Return what turns values of a field into indices and values."""
    return _ENCODERS[type](namespace_of(side, name, type))


def _feature_encoder(name: str, python_type: type) -> _Encoder:
    """Return what turns values of a variant's feature into indices and values, by the type that they have."""
    field_type = next((found for found, each in _PYTHON_TYPES.items() if issubclass(python_type, each)), None)
    if field_type is None:
        raise PolicyFailed(f"the feature {name!r} of a variant must be a number, a text, a flag or a list of text")
    return _encoder("feature", name, field_type)


def _number(namespace: str) -> _Encoder:
    index = feature_index(namespace, "", BITS)

    def encode(value: ContextValue, indices: list[int], values: list[float]) -> None:
        if isinstance(value, bool) or not isinstance(value, (float, int)) or not abs(value) < math.inf:
            raise refused(namespace)
        indices.append(index)
        values.append(squash(value))

    return encode


def _text(namespace: str) -> _Encoder:
    def encode(value: ContextValue, indices: list[int], values: list[float]) -> None:
        indices.append(text_index(namespace, value))
        values.append(1.0)

    return encode


def _flag(namespace: str) -> _Encoder:
    of_flag = {flag: feature_index(namespace, name, BITS) for flag, name in ((True, "true"), (False, "false"))}

    def encode(value: ContextValue, indices: list[int], values: list[float]) -> None:
        if not isinstance(value, bool):
            raise refused(namespace)
        indices.append(of_flag[value])
        values.append(1.0)

    return encode


def _texts(namespace: str) -> _Encoder:
    def encode(value: ContextValue, indices: list[int], values: list[float]) -> None:
        if not isinstance(value, tuple | list):
            raise refused(namespace)
        distinct = [text_index(namespace, item) for item in dict.fromkeys(value)]
        indices += distinct
        values += [1.0] * len(distinct)

    return encode


def text_index(namespace: str, value: object) -> int:
    """Return the index of a text.

    Raises:
        PolicyFailed: it is none, or one that cannot be written.
    """
    if not isinstance(value, str):
        raise refused(namespace)
    try:
        # Indices are remembered by their text, and what is remembered must not grow with what callers send.
        name = value if len(value) <= _LONGEST_TEXT else digest("long-text", value).hex()
        return feature_index(namespace, name, BITS)
    except UnicodeEncodeError as error:
        raise refused(namespace) from error


def refused(namespace: str) -> PolicyFailed:
    """Return the error of a value that is not of its field's type, or not finite."""
    return PolicyFailed(f"the value of {namespace!r} cannot be read: send a finite one of the declared type")


_ENCODERS: Mapping[FieldType, Callable[[str], _Encoder]] = {
    FieldType.NUMBER: _number,
    FieldType.TEXT: _text,
    FieldType.FLAG: _flag,
    FieldType.TEXTS: _texts,
}

_PYTHON_TYPES: Mapping[FieldType, type | tuple[type, ...]] = {
    FieldType.FLAG: bool,
    FieldType.NUMBER: (float, int),
    FieldType.TEXT: str,
    FieldType.TEXTS: (tuple, list),
}
"""In this order: a flag is a number too."""
