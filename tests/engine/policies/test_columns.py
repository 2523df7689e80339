"""Features of many variants at once: against those of each one by itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import PolicyFailed
from engine.experiments import Variant
from engine.policies.columns import features_of_all
from engine.policies.features import variant_features

DECLARED = ("price", "topic", "new", "tags")
finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=3) | st.just("long" * 100)
values = st.one_of(finite, st.integers(-5, 5), texts, st.booleans(), st.lists(texts, max_size=2).map(tuple))
shapes = st.dictionaries(st.sampled_from([*DECLARED, "own"]), st.sampled_from([finite, texts, st.booleans(), values]))


@st.composite
def many(draw: st.DrawFn) -> list[Variant]:
    """Return variants, mostly of one shape, with some in between that have levels or features of their own."""
    shape, features = draw(shapes), st.dictionaries(st.sampled_from(DECLARED), values)
    alike = st.fixed_dictionaries(shape)
    made = draw(st.lists(alike | alike | alike | features, max_size=30))
    return [
        Variant(f"v{place}", features=each, levels={"image": "big"} if place % 17 == 16 else {})
        for place, each in enumerate(made)
    ]


@given(many(), st.sampled_from([(), DECLARED]))
def test_many_together_have_the_features_of_each_alone(variants: list[Variant], declared: tuple[str, ...]) -> None:
    found = features_of_all(variants, declared)
    expected = [variant_features(variant, declared) for variant in variants]
    assert len(found) == len(expected)
    for (indices, numbers), (alone, of_alone) in zip(found, expected, strict=True):
        assert (indices.dtype, numbers.dtype) == (np.uint64, np.float32)
        assert indices.tolist() == alone.tolist()
        assert numbers.tobytes() == of_alone.tobytes()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "\ud800", None, b"x", {"a": 1.0}])
@pytest.mark.parametrize("place", [0, 11, 19])
def test_one_that_cannot_be_read_is_refused_among_many(value: object, place: int) -> None:
    usual: object = "text" if isinstance(value, str) else 0.5
    variants = [Variant(f"v{n}", features={"x": value if n == place else usual}) for n in range(20)]
    with pytest.raises(PolicyFailed):
        features_of_all(variants)
