"""The population between the contract and the engine."""

from __future__ import annotations

import pytest
from armlift.v1 import experiment_pb2 as contract
from armlift.v1.value_pb2 import ListValue, MapValue, Value
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidPopulation
from engine.funnel import Population, PopulationChange
from engine.population_rules import define_population
from engine.service import funnels
from tests.engine.funnel_strategies import any_texts, counts, moments, populations, texts


@given(populations.map(define_population))
def test_a_population_survives_the_wire(population: Population) -> None:
    message = funnels.from_population(population).SerializeToString()
    again = funnels.to_population(contract.Population.FromString(message))
    assert again == population
    for name, group in population.groups.items():
        assert [type(each) for each in again.groups[name]] == [type(each) for each in group], "true is no 1.0"


@given(st.builds(PopulationChange, counts, moments, texts, texts, any_texts))
def test_a_change_of_it_survives_the_wire(change: PopulationChange) -> None:
    message = funnels.from_population_change(change).SerializeToString()
    assert funnels.to_population_change(contract.PopulationChange.FromString(message)) == change


def test_a_group_holds_single_values() -> None:
    for wrong in (Value(), Value(map=MapValue()), Value(list=ListValue())):
        message = contract.Population(groups={"nordic": ListValue(values=[Value(text="NO"), wrong])})
        with pytest.raises(InvalidPopulation, match="group 'nordic' must hold numbers, texts and flags alone"):
            funnels.to_population(message)


def test_a_condition_comes_in_the_order_of_the_alphabet() -> None:
    condition = {"b": 1.0, "a": {"$lt": 2.0, "$gte": 1.0}, "c": [{"z": 1.0, "y": 2.0}]}
    read = funnels.to_condition(funnels.from_condition(condition))
    assert read == condition
    assert str(read) == "{'a': {'$gte': 1.0, '$lt': 2.0}, 'b': 1.0, 'c': [{'y': 2.0, 'z': 1.0}]}"


def test_the_deepest_condition_can_be_sent() -> None:
    """As deep in a message as one can be: a rule of a prior, in a page of states."""
    # The contract's messages nest at most 100 levels.
    deep: object = 1.0
    for _ in range(20):
        deep = {"a": deep}
    rule = contract.Rule(when=funnels.from_condition(deep))  # type: ignore[arg-type]
    policy = contract.Policy(thompson=contract.ThompsonPolicy(prior=contract.SegmentsPolicy(rules=[rule])))
    state = contract.ExperimentState(experiment=contract.Experiment(policy=policy))
    page = contract.ListExperimentsResponse(states=[state])
    assert contract.ListExperimentsResponse.FromString(page.SerializeToString()) == page
