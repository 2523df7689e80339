"""The public cases of GrowthBook's SDKs, as far as they are here: conditions, and how units are split."""

import json
from pathlib import Path

import pytest

from engine import growthbook
from engine.targeting import evaluate

FILE = Path(__file__).parents[3] / "shared" / "conformance" / "growthbook_cases.json"
CASES = json.loads(FILE.read_text()) if FILE.exists() else {}
SECTIONS = ("evalCondition", "hash", "getBucketRange", "chooseVariation", "inNamespace", "getEqualWeights")

pytestmark = pytest.mark.skipif(not CASES, reason=f"{FILE.name} is not beside the repository")


def each_of(section):
    cases = CASES.get(section, [])
    return pytest.mark.parametrize("case", cases, ids=[f"{number} {case[0]}" for number, case in enumerate(cases)])


def test_no_section_is_missing_or_empty():
    assert {section for section in SECTIONS if CASES[section]} == set(SECTIONS)
    assert set(CASES) - {"specVersion"} == set(SECTIONS)


@each_of("evalCondition")
def test_a_condition_holds_for_whom_it_holds_there(case):
    _, condition, attributes, expected, *groups = case
    assert evaluate(condition, attributes, *groups) is expected


@each_of("hash")
def test_a_unit_has_the_number_that_it_has_there(case):
    *arguments, expected = case
    assert growthbook.split_number(*arguments) == expected


@each_of("getBucketRange")
def test_each_variant_has_the_range_that_it_has_there(case):
    _, arguments, expected = case
    assert growthbook.bucket_ranges(*arguments) == [pytest.approx(each, abs=1e-9) for each in expected]


@each_of("chooseVariation")
def test_a_number_leads_to_the_variant_that_it_leads_to_there(case):
    _, number, ranges, expected = case
    assert growthbook.choose_variation(number, ranges) == expected


@each_of("inNamespace")
def test_a_unit_is_in_the_part_of_a_namespace_in_which_it_is_there(case):
    _, unit_id, namespace, expected = case
    assert growthbook.in_namespace(unit_id, *namespace) is expected


@each_of("getEqualWeights")
def test_equal_weights_are_those_that_they_are_there(case):
    n, expected = case
    assert growthbook.equal_weights(n) == pytest.approx(expected, abs=1e-6)
