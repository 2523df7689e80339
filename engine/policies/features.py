"""Context and variants as numbered features, without a parser: names are data and can never become syntax.

    number          its value, squashed; nothing else, so that 0 is the point from which it is measured
    text            one feature for each value
    flag            one feature for true, another for false
    list of text    one feature for each distinct item
    missing field   a feature of its own
    variant         its name, its declared features and its levels

Every feature's index is a hash of what it is (context or variant), its kind, its field and its value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from engine.errors import PolicyFailed
from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.randomness import digest, feature_index
from engine.records import Context, ContextValue

BITS = 18
"""Indices lie in [0, 2**18)."""

Features = tuple[NDArray[np.uint64], NDArray[np.float32]]
"""Indices and values, shape (n,) each."""

_ENCODING_VERSION = "1"
"""Changes when the same context no longer gives the same features."""
_LONGEST_TEXT = 100
_Pair = tuple[int, float]
_Encoder = Callable[[ContextValue], Iterable[_Pair]]


class ContextEncoder:
    """Turns contexts into features: of the declared fields and no others.

    >>> encoder = ContextEncoder([ContextField("visits", FieldType.NUMBER), ContextField("plan", FieldType.TEXT)])
    >>> indices, values = encoder.encode({"visits": 1.0, "unseen": "x"})  # one for visits, one for the missing plan
    >>> indices.dtype.name, values.tolist()
    ('uint64', [1.0, 1.0])
    """

    def __init__(self, fields: Sequence[ContextField]) -> None:
        self._fields = [
            (declared.name, _missing(declared.name), _encoder("context", declared.name, declared.type))
            for declared in fields
        ]

    def encode(self, context: Context) -> Features:
        """Return the features of the declared fields, in the order in which they were declared.

        Raises:
            PolicyFailed: a value is not of its field's type, or not finite.
        """
        pairs: list[_Pair] = []
        for name, missing, encoder in self._fields:
            value = context.get(name)
            if value is None:
                pairs.append(missing)
            else:
                pairs += encoder(value)
        return _arrays(pairs)


def variant_features(variant: Variant) -> Features:
    """Return the features of a variant: its name, its declared features and its levels.

    >>> variant_features(Variant("hero", features={"price": 0.5}))[1].tolist()
    [1.0, 0.5]
    """
    pairs = [(feature_index("variant", variant.name, BITS), 1.0)]
    for name, value in variant.features.items():
        pairs += _encoder("feature", name, _type_of(value))(value)
    for factor, level in variant.levels.items():
        pairs += _encoder("level", factor, FieldType.TEXT)(level)
    return _arrays(pairs)


def schema(experiment: Experiment) -> str:
    """Return a digest of what gives learned state its meaning: fields, variants and this encoding; 32 hex digits.

    >>> from engine.experiments import Metric
    >>> hero = Experiment("hero", (Variant("a"), Variant("b")), (Metric("click"),))
    >>> other = Experiment("other", (Variant("a"), Variant("c")), (Metric("click"),))
    >>> schema(hero) == schema(hero), schema(hero) == schema(other)
    (True, False)
    """
    fields = [[declared.name, declared.type.value] for declared in experiment.context]
    variants = [[variant.name, dict(variant.features), dict(variant.levels)] for variant in experiment.variants]
    return digest("schema", _ENCODING_VERSION, str(BITS), json.dumps([fields, variants], sort_keys=True)).hex()


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


def _arrays(pairs: Sequence[_Pair]) -> Features:
    indices, values = zip(*pairs, strict=True) if pairs else ((), ())
    return np.array(indices, dtype=np.uint64), np.array(values, dtype=np.float32)


def _missing(name: str) -> _Pair:
    return feature_index("context missing", name, BITS), 1.0


def _encoder(side: str, name: str, type: FieldType) -> _Encoder:
    """Return what turns values of a field into indices and values; the kind and the field are part of the namespace."""
    return partial(_ENCODERS[type], f"{side} {type.value} {name}")


def _type_of(value: ContextValue) -> FieldType:
    for field_type, python_types in _PYTHON_TYPES.items():
        if isinstance(value, python_types):
            return field_type
    raise PolicyFailed(f"a feature of a variant is {value!r}: give a number, a text, a flag or a list of text")


def _number(namespace: str, value: ContextValue) -> Iterable[_Pair]:
    if isinstance(value, bool) or not isinstance(value, float | int) or not abs(value) < math.inf:
        raise _refused(namespace)
    return ((feature_index(namespace, "", BITS), squash(value)),)


def _text(namespace: str, value: ContextValue) -> Iterable[_Pair]:
    return ((_text_index(namespace, value), 1.0),)


def _flag(namespace: str, value: ContextValue) -> Iterable[_Pair]:
    if not isinstance(value, bool):
        raise _refused(namespace)
    return ((feature_index(namespace, "true" if value else "false", BITS), 1.0),)


def _texts(namespace: str, value: ContextValue) -> Iterable[_Pair]:
    if not isinstance(value, tuple | list):
        raise _refused(namespace)
    return [(_text_index(namespace, item), 1.0) for item in dict.fromkeys(value)]


def _text_index(namespace: str, value: object) -> int:
    if not isinstance(value, str):
        raise _refused(namespace)
    try:
        # Indices are remembered by their text, and what is remembered must not grow with what callers send.
        name = value if len(value) <= _LONGEST_TEXT else digest("long-text", value).hex()
        return feature_index(namespace, name, BITS)
    except UnicodeEncodeError as error:
        raise _refused(namespace) from error


def _refused(namespace: str) -> PolicyFailed:
    return PolicyFailed(f"the value of {namespace!r} cannot be read: send a finite one of the declared type")


_ENCODERS: Mapping[FieldType, Callable[[str, ContextValue], Iterable[_Pair]]] = {
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
