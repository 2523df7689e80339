"""Random conditions against GrowthBook's own evaluator for Python, where it and the one for JavaScript agree.

JavaScript's is the definition, and ours follows it. The one for Python differs on purpose or by its language, so the
conditions here ask

- texts, numbers and flags for their own type only: JavaScript coerces, so "8" is over 5 and a missing field is 0;
- patterns and versions of texts only: JavaScript reads "null" and "1,2" in what is none, and takes it for version 0;
- for no empty map as a value: JavaScript compares it, it holds there for everybody;
- for maps whose names stand in order: JavaScript compares the order too, and ours none, as the wire has none;
- by known operators: an unknown one holds for nobody there even under `$not`;
- by patterns without look-ahead and back-references, on a text of one line: ours has neither.
"""

import pytest
from growthbook.core import evalCondition, getBucketRanges, getEqualWeights, inNamespace, paddedVersionString
from growthbook.core import gbhash as split_number
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import growthbook
from engine.coercions import as_version
from engine.targeting import evaluate

GROUPS = {"some": ["a", "b", 1, True], "none": []}
numbers = st.integers(-3, 12) | st.sampled_from([0.5, 1.5, -0.5, 1e21])
texts = st.sampled_from(["", "a", "A", "b", "ab", "é", "É", "z", "10", "9", "\uffff", "\U0001f600"])
versions = st.from_regex(
    r"v?[0-9]{1,4}(\.[0-9]{1,3}){0,3}(-(rc|beta|[0-9])(\.[0-9]{1,2})?)?(\+b[0-9])?", fullmatch=True
)
flags = st.booleans()
scalars = st.none() | flags | numbers | texts
patterns = st.sampled_from(["a", "^a", "b$", "(a|b)", "[0-9]+", "^.$", "[a-z]{2}", "é"])


def one(**operands):
    """Return conditions with one operator each."""
    return st.one_of(*(st.fixed_dictionaries({f"${name}": operand}) for name, operand in operands.items()))


def joined(alone):
    """Return what may be asked together, or turned round."""
    both = st.lists(alone, min_size=1, max_size=3).map(lambda each: {key: one[key] for one in each for key in one})
    return both | st.fixed_dictionaries({"$not": both})


def ordered(bounds):
    return one(lt=bounds, lte=bounds, gt=bounds, gte=bounds)


some = st.lists(scalars, max_size=4)
kinds = st.sampled_from(["string", "number", "boolean", "array", "object", "null", "other"])
of_all = one(eq=scalars, ne=scalars, exists=flags, type=kinds, inGroup=st.sampled_from(["some", "none", "unknown"]))
of_all |= one(notInGroup=st.sampled_from(["some", "none", "unknown"])) | one(
    **{"in": some}, nin=some, ini=some, nini=some
)
of_versions = one(veq=versions, vne=versions, vlt=versions, vlte=versions, vgt=versions, vgte=versions)
of_numbers = numbers | joined(of_all | ordered(numbers))
of_texts = texts | joined(of_all | ordered(texts) | one(regex=patterns, regexi=patterns))
items = st.lists(of_texts, max_size=2)
of_lists = joined(of_all | one(size=of_numbers, elemMatch=joined(of_all | ordered(texts)), all=items, alli=items))
of_lists |= st.lists(texts, max_size=3)

# Put off, since they would print as a page.
clauses = st.deferred(
    lambda: st.one_of(
        st.fixed_dictionaries({"n": of_numbers}),
        st.fixed_dictionaries({"t": of_texts}),
        st.fixed_dictionaries({"f": flags | joined(of_all)}),
        st.fixed_dictionaries({"v": joined(of_versions)}),
        st.fixed_dictionaries({"l": of_lists}),
        st.fixed_dictionaries({"l.length": of_numbers}),
        st.fixed_dictionaries({"m.in.n": of_numbers}),
        st.fixed_dictionaries({"maps": one(elemMatch=st.fixed_dictionaries({"n": of_numbers, "t": of_texts}))}),
        st.fixed_dictionaries({"perhaps": joined(of_all)}),
        st.fixed_dictionaries({"perhaps.inside": joined(of_all)}),
    )
)
conditions = st.deferred(
    lambda: st.one_of(
        clauses,
        clauses,
        st.fixed_dictionaries({"$not": conditions}),
        *(st.fixed_dictionaries({name: st.lists(conditions, max_size=3)}) for name in ("$and", "$or", "$nor")),
        st.tuples(clauses, conditions).map(lambda two: {**two[0], **two[1]}),
    )
)
attributes = st.fixed_dictionaries(
    {
        "n": numbers,
        "t": texts,
        "f": flags,
        "v": versions,
        "l": st.lists(texts, max_size=4),
        "m": st.fixed_dictionaries({"in": st.fixed_dictionaries({"n": numbers})}),
        "maps": st.lists(st.none() | st.fixed_dictionaries({"n": numbers, "t": texts}), max_size=3),
    },
    optional={"perhaps": scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.just("inside"), scalars)},
)


@settings(max_examples=700)
@given(conditions, attributes)
def test_a_condition_holds_here_where_it_holds_there(condition, known):
    assert evaluate(condition, known, GROUPS) is evalCondition(known, condition, GROUPS)


@given(versions | texts)
def test_a_version_is_padded_as_there(version):
    assert as_version(version) == paddedVersionString(version)


@given(st.text(), st.text(), st.sampled_from([1, 2, 3]))
def test_a_unit_has_the_same_number(seed, unit_id, version):
    assert growthbook.split_number(seed, unit_id, version) == split_number(seed, unit_id, version)


@given(st.text(max_size=9), st.text(max_size=9), st.floats(0, 1), st.floats(0, 1))
def test_a_unit_is_in_the_same_parts_of_namespaces(unit_id, name, start, end):
    assert growthbook.in_namespace(unit_id, name, start, end) is inNamespace(unit_id, (name, start, end))


@given(
    st.integers(-1, 9), st.floats(-0.5, 1.5), st.none() | st.lists(st.sampled_from([0.01, 0.24, 0.49, 0.5, 0.51, 1]))
)
def test_ranges_and_weights_are_the_same(n, traffic, weights):
    assert growthbook.equal_weights(n) == getEqualWeights(n)
    assert growthbook.bucket_ranges(n, traffic, weights) == getBucketRanges(n, traffic, weights)


@pytest.mark.parametrize("weights", [[0.99], [0.49, 0.5], [0.51, 0.5], [0.5, 0.48], [0.5, 0.52]])
def test_a_sum_at_the_tolerance_is_usable(weights):
    assert growthbook.bucket_ranges(len(weights), 1.0, weights) == getBucketRanges(len(weights), 1.0, weights)
