"""Random funnels, segments and populations: those that are right, and any that can be sent."""

import math
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from engine.experiments import FieldType
from engine.funnel import Cap, ForcedRule, Funnel, Layer, LayerRange, Population, RampStep, Rest, Sticky
from engine.metric_rules import MAX_WINDOW
from engine.specs import Rule, SegmentsSpec

words = st.sampled_from(
    ["no", "on", "1", "1.0", "1e3", "2024-01-01", "null", "true", "~", "", "ä ö", " x ", "a: b", "#x"]
)
texts = words | st.text(st.characters(exclude_categories=["C"]), max_size=8)
names = words.filter(str.strip) | st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
numbers = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
moments = st.datetimes(datetime(1970, 1, 2), datetime(8999, 1, 1), timezones=st.just(UTC))
times = st.timedeltas(timedelta(microseconds=1), MAX_WINDOW)
caps = st.builds(Cap, st.integers(1, 1000), times)
versions = st.integers(1, 99).flatmap(lambda last: st.builds(Sticky, st.just(last), st.integers(0, last)))

ranges_of_layers = (
    st.lists(st.integers(0, 2**32), min_size=2, max_size=2, unique=True)
    .map(sorted)
    .flatmap(lambda ends: st.builds(LayerRange, names, *(st.just(end / 2**32) for end in ends)))
)


# --- conditions ----------------------------------------------------------------------------------------------------


def asked_of(type_):
    """Return conditions on a field of a type."""
    match type_:
        case FieldType.NUMBER:
            return numbers | st.fixed_dictionaries({"$gte": numbers}, optional={"$lt": numbers})
        case FieldType.TEXT:
            return texts | st.fixed_dictionaries({"$in": st.lists(texts, min_size=1, max_size=3)})
        case FieldType.FLAG:
            return st.booleans()
        case FieldType.TEXTS:
            return st.fixed_dictionaries({"$elemMatch": st.fixed_dictionaries({"$eq": texts})})


def conditions_on(types):
    """Return conditions on fields of these types, with something in them."""
    by_name = {name: asked_of(type_) for name, type_ in types.items() if not name.startswith("$") and "." not in name}
    if not by_name:
        return st.nothing()
    plain = st.sampled_from(sorted(by_name)).flatmap(lambda name: st.fixed_dictionaries({name: by_name[name]}))
    both = st.lists(plain, min_size=1, max_size=2)
    joined = st.sampled_from(["$or", "$and", "$nor"]).flatmap(lambda word: st.fixed_dictionaries({word: both}))
    return plain | joined | st.fixed_dictionaries({"$not": plain})


ANY_FIELDS = {"of the request": FieldType.NUMBER, "where it is": FieldType.TEXT, "is it": FieldType.FLAG}
conditions = conditions_on(ANY_FIELDS)
sendable = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | texts
anything = st.dictionaries(
    texts, st.recursive(sendable, lambda each: st.lists(each) | st.dictionaries(texts, each), max_leaves=5), max_size=3
)
"""What a condition could look like before anybody checked it."""


# --- what is right ---------------------------------------------------------------------------------------------------


@st.composite
def ramps(draw):
    shares = sorted(draw(st.lists(st.integers(1, 2**32), min_size=2, max_size=4, unique=True)))
    gates = st.tuples(st.just(timedelta(0)) | times, st.integers(0, 10**12))
    *steps, last = (share / 2**32 for share in shares)
    return (*(RampStep(share, *draw(gates)) for share in steps), RampStep(last))


# No experiment's id ends like these, so none is its own prerequisite.
others = names.map(lambda name: name + "!")
prerequisites = st.dictionaries(others, st.lists(names, min_size=1, max_size=3, unique=True).map(tuple), max_size=2)


@st.composite
def funnels_of(draw, outcomes):
    starts_at, ends_at = draw(st.tuples(st.none() | moments, st.none() | moments))
    if starts_at and ends_at and ends_at <= starts_at:
        ends_at = starts_at + timedelta(microseconds=1)
    ramp = draw(st.just(()) | ramps())
    rest = st.builds(Rest, st.sampled_from(sorted(outcomes)), times, times) if outcomes else st.none()
    return Funnel(
        prerequisites=draw(prerequisites),
        audience=draw(st.just({}) | conditions),
        layer=draw(st.none() | names.map(LayerRange) | ranges_of_layers),
        traffic=1.0 if ramp else draw(st.integers(1, 2**32)) / 2**32,
        ramp=ramp,
        starts_at=starts_at,
        ends_at=ends_at,
        cap=draw(st.none() | caps),
        rest=draw(st.none() | rest),
    )


def forced_of(variant_names):
    return st.lists(st.builds(ForcedRule, st.sampled_from(variant_names), conditions), max_size=2).map(tuple)


def weights_of(variant_names, alive):
    """Return weights of some of the variants, of which one is `alive`."""
    others = st.lists(st.sampled_from(variant_names), unique=True)
    return st.just({}) | others.flatmap(lambda names: shares_of(list(dict.fromkeys([alive, *names]))))


def shares_of(keys):
    counts = st.lists(st.integers(1, 100), min_size=len(keys), max_size=len(keys))
    return counts.map(lambda parts: {key: part / math.fsum(parts) for key, part in zip(keys, parts, strict=True)})


def segments_of(variant_names, alive, context, floors):
    """Return policies that map conditions on declared fields to weights; nothing where no field can be asked for."""
    when = conditions_on({field.name: field.type for field in context})
    if when.is_empty:
        return st.nothing()
    weights = weights_of(variant_names, alive)
    rules = st.lists(st.builds(Rule, when, weights), min_size=1, max_size=3).map(tuple)
    return st.builds(SegmentsSpec, rules, weights, floors)


layers = st.builds(Layer, st.just("customer") | names, st.floats(0, 0.99), st.just("") | names, st.none() | caps)
groups = st.sampled_from([st.booleans(), numbers.map(float), texts]).flatmap(
    lambda members: st.lists(members, min_size=1, max_size=3).map(tuple)
)


def have_seeds_of_their_own(population):
    seeds = [population.seed, *(layer.seed or name for name, layer in population.layers.items())]
    return len(set(seeds)) == len(seeds)


populations = st.builds(
    Population,
    st.dictionaries(names, conditions, max_size=2),
    st.dictionaries(names, groups, max_size=2),
    st.dictionaries(names, layers, max_size=2),
    st.floats(0, 0.99),
    st.just("holdout") | names,
).filter(have_seeds_of_their_own)


# --- what can be sent, right or not --------------------------------------------------------------------------------

shares = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 10_000)
any_times = st.timedeltas(timedelta(0), MAX_WINDOW)
any_texts = st.lists(texts, max_size=2).map(tuple)
any_weights = st.dictionaries(texts, shares, max_size=3)
any_segments = st.builds(
    SegmentsSpec, st.lists(st.builds(Rule, anything, any_weights), max_size=2).map(tuple), any_weights, shares
)
any_funnels = st.builds(
    Funnel,
    prerequisites=st.dictionaries(texts, any_texts, max_size=2),
    audience=anything,
    layer=st.none() | st.builds(LayerRange, texts, shares, shares),
    traffic=shares,
    ramp=st.lists(st.builds(RampStep, shares, any_times, counts), max_size=2).map(tuple),
    starts_at=st.none() | moments,
    ends_at=st.none() | moments,
    cap=st.none() | st.builds(Cap, counts, any_times),
    rest=st.none() | st.builds(Rest, texts, any_times, any_times),
)
