"""A flag's value in an answer: what is read of which payload, and what is another type."""

from __future__ import annotations

import math
from typing import Any

import pytest
from armlift import Answer
from armlift.flags import Flag, boolean, integer, number, structure, text
from hypothesis import given
from hypothesis import strategies as st

READERS = [boolean, text, integer, number, structure]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def answer(payload: Any) -> Answer:
    return Answer("hero", "bold", payload, "DRAWN", "SPLIT")


@pytest.mark.parametrize(
    ("payload", "read", "value"),
    [
        (True, boolean, True),
        ({"value": False, "more": 1}, boolean, False),
        ({}, boolean, None),
        ({"more": True}, boolean, None),
        (1, boolean, None),
        ("hi", text, "hi"),
        ({"value": ""}, text, ""),
        ({}, text, "bold"),
        ({"more": "hi"}, text, None),
        ({"value": 3}, text, None),
        (None, text, None),
        (3.0, integer, 3),
        (3.5, integer, None),
        (True, integer, None),
        ({"value": 10**30}, integer, 10**30),
        (3, number, 3.0),
        (False, number, None),
        (2**53 + 1, number, None),
        (10**400, number, None),
        ({"value": 1}, structure, {"value": 1}),
        ({}, structure, {}),
        ([1, 2], structure, [1, 2]),
        ("hi", structure, None),
    ],
)
def test_a_whole_experiments_flag_is_its_payload_or_the_value_in_it(payload: Any, read: Any, value: Any) -> None:
    found = Flag("hero", None, read).value_in(answer(payload))
    assert (found, found.__class__) == (value, value.__class__)


@pytest.mark.parametrize("payload", [{}, {"title": None}, {"subtitle": "Hi"}, "title", None, ["title"]])
def test_where_a_payload_lacks_the_field_the_caller_has_its_default(payload: Any) -> None:
    assert Flag("hero/title", "Welcome", text).value_in(answer(payload)) == "Welcome"


def test_a_field_is_found_inside_fields_and_has_a_type() -> None:
    nested = answer({"banner": {"title": "Hi", "size": 3}})
    assert Flag("a.b-c/banner/title", "", text).experiment == "a.b-c"
    assert Flag("hero/banner/title", "", text).value_in(nested) == "Hi"
    assert Flag("hero/banner", {}, structure).value_in(nested) == {"title": "Hi", "size": 3}
    assert Flag("hero/banner/size", "", text).value_in(nested) is None
    assert Flag("hero/banner/title/letters", 2, integer).value_in(nested) == 2


@given(JSON, st.sampled_from(READERS), st.sampled_from(["hero", "hero/value", "hero//", "/"]))
def test_any_payload_has_a_value_of_the_type_or_none(payload: Any, read: Any, key: str) -> None:
    value = Flag(key, None, read).value_in(answer(payload))
    assert value is None or read(value) == value


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_read_without_loss_or_not_at_all(given: float) -> None:
    for read in (integer, number):
        value = read(given)
        assert value is None or (value == given and math.isfinite(value))
