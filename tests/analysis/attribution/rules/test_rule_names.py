"""Rules by name, and what they say of themselves in every language."""

from datetime import timedelta

import pytest

from analysis.attribution.rules import by_name
from analysis.attribution.rules.by_name import DEFAULT, RULES, rule
from analysis.attribution.rules.markov import Markov
from analysis.attribution.rules.positional import LastNonDirect, Position
from analysis.attribution.rules.time_decay import TimeDecay
from analysis.pages.languages import CODES, load
from engine.errors import InvalidRequest

OTHERWISE = [
    (Position(0.3, 0.2), "position_0.3_0.2", "By position (30 % first, 50 % between, 20 % last)"),
    (TimeDecay(timedelta(days=2)), "time_decay_172800s", "Time decay (half-life: 2 days)"),
    (LastNonDirect(frozenset({"b", "a"})), "last_non_a,b", "Last touch other than a, b"),
]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_asked_for_by_its_name(name):
    assert rule(name).name == name


def test_the_rules_are_those_that_were_promised():
    markov, shapley = ("markov_1", "markov_2", "markov_3"), ("shapley_conversions", "shapley_rate")
    by_touch = ("first", "last", "last_non_direct", "linear", "position", "time_decay")
    assert (*by_touch, *markov, *shapley) == RULES
    assert set(DEFAULT) < set(RULES)


def test_time_decay_alone_needs_times():
    assert [name for name in RULES if rule(name).needs_times] == ["time_decay"]


def test_a_name_that_is_none_is_told_the_others():
    with pytest.raises(InvalidRequest, match=r"no rule 'markov': choose among first, last, .*shapley_rate"):
        by_name.rule("markov")


def test_there_are_three_orders():
    for order in (0, 4):
        with pytest.raises(InvalidRequest, match=f"no markov of order {order}: give 1, 2 or 3"):
            Markov(order)


@pytest.mark.parametrize("code", CODES)
def test_every_rule_says_its_name_and_what_it_assumes_and_no_two_the_same(code):
    everything = [*map(rule, RULES), *(each for each, *_ in OTHERWISE)]
    titles = [load(code).say(each.title) for each in everything]
    assumed = [load(code).say(each.assumes) for each in map(rule, RULES)]
    assert len({*titles, *assumed}) == len(titles) + len(assumed)


@pytest.mark.parametrize(("other", "name", "title"), OTHERWISE)
def test_other_parameters_are_in_the_name_and_in_the_title(other, name, title):
    assert (other.name, str(other.title)) == (name, title)
    assert other.assumes == type(other)().assumes
