"""Random conditions and contexts, of which many make no sense: whatever could be written or sent, and more."""

import math

from hypothesis import strategies as st

from engine.condition_rules import KINDS, OF_FIELD
from engine.conditions import LISTS

FIELDS = (*("a", "b", "a.b", "a.0", "a.length") * 3, "", ".", "a..b", "\ud800", "$a")
TEXTS = ("", "a", "A", "1", "1.5", "-1e9", "0x1F", "1.2.3", "v2-rc.1+b", "^a", "(", "null", "é", "\U0001f600", "\ud800")
NUMBERS = (0, 1, -1, 2.5, -0.0, 2**53 + 1, 10**400, -(10**400), 1e308, math.nan, math.inf, -math.inf)

numbers = st.sampled_from(NUMBERS) | st.integers() | st.floats()
texts = st.sampled_from(TEXTS) | st.text(st.characters(codec=None), max_size=4)
scalars = st.none() | st.booleans() | numbers | texts
names = st.sampled_from(["a", "b", "0", "$eq", "$x", "\ud800"]) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
operators = st.sampled_from([*OF_FIELD, *LISTS, "$segment", "$bogus"])
somehow_named = st.sampled_from(["g", "h", "nobody"])


def operands(name):
    """Return what fits an operator often, and what does not sometimes."""
    match name:
        case "$in" | "$nin" | "$ini" | "$nini":
            often = st.lists(scalars, max_size=3)
        case "$all" | "$alli":
            often = st.lists(asked, max_size=3)
        case "$not" | "$size" | "$elemMatch":
            often = asked | conditions
        case "$inGroup" | "$notInGroup" | "$segment":
            often = somehow_named
        case "$type":
            often = st.sampled_from(KINDS)
        case "$and" | "$or" | "$nor":
            often = st.lists(conditions, max_size=3)
        case _:
            often = scalars
    return often | often | often | values


single = operators.flatmap(lambda name: st.fixed_dictionaries({name: operands(name)}))
asked = st.deferred(lambda: single | single | st.tuples(single, single).map(lambda two: {**two[0], **two[1]}) | values)
clauses = st.deferred(lambda: st.sampled_from(FIELDS).flatmap(lambda name: st.fixed_dictionaries({name: asked})))
logical = st.sampled_from([*LISTS, "$segment"]).flatmap(lambda name: st.fixed_dictionaries({name: operands(name)}))
conditions = st.deferred(
    lambda: st.one_of(
        clauses,
        clauses,
        logical,
        st.fixed_dictionaries({"$not": conditions}),
        st.tuples(clauses, clauses | logical).map(lambda two: {**two[0], **two[1]}),
        values,
    )
)
contexts = st.dictionaries(st.sampled_from(["a", "b", "\ud800", ""]) | names, values, max_size=4)
