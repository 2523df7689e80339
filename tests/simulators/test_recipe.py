"""What recipes may say, and what they are told when they are wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from engine.errors import InvalidExperiment
from engine.experiments import ExposureRule
from engine.specs import ContextualSpec, FixedSpec
from simulators.recipe import load_recipe, read_recipe

HILLSTROM = Path(__file__).parents[2] / "simulators" / "recipes" / "hillstrom.yaml"
SHORT = "recipe: mail, variant: {column: arm, names: [a, b, c]}, metrics: [visit]"


def test_the_hillstrom_recipe() -> None:
    recipe = read_recipe(HILLSTROM)
    assert recipe.variants == ("none", "mens", "womens")
    assert recipe.needed[0] == "segment"
    assert "zip_code" in recipe.needed
    assert "area" not in recipe.needed
    imported, replayed = recipe.imported(), recipe.replayed()
    assert imported.policy == FixedSpec()
    assert imported.control == "none"
    assert (replayed.experiment_id, replayed.exposure) == ("hillstrom-replay", ExposureRule.REPORTED)
    assert isinstance(replayed.policy, ContextualSpec)
    assert recipe.every == timedelta(seconds=10)


def test_propensities() -> None:
    assert load_recipe(f"{{{SHORT}}}").imported().policy == FixedSpec()
    by_variant = load_recipe(f"{{{SHORT}, propensity: {{a: 0.5, b: 0.3, c: 0.2}}}}")
    assert by_variant.imported().policy == FixedSpec({"a": 0.5, "b": 0.3, "c": 0.2})
    assert load_recipe(f"{{{SHORT}, propensity: 0.25}}").propensities == {"a": 0.25, "b": 0.25, "c": 0.25}
    assert load_recipe(f"{{{SHORT}, propensity_column: p}}").needed == ("arm", "visit", "p")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("propensity: 1.5", "in (0, 1]"),
        ("propensity: 0", "in (0, 1]"),
        ("propensity: {a: 0.5, b: 0.5}", "a number for every variant"),
        ("propensity: {a: 0.5, b: 0.5, c: 0.5}", "sum to 1"),
        ("propensity: often", "a number"),
        ("propensity_column: p, propensity: even", "left out"),
        ("columns: {weather: w}", "no field and no outcome"),
        ("policy: {contextual: {control_share: 0.1}}", "control_share"),
        ("every: 0s", "longer than nothing"),
        ("shuffle_seed: x", "whole number"),
        ("shufle_seed: 1", "did you mean `shuffle_seed`"),
        ("reward: {visits: 1}", "no metric of it"),
    ],
)
def test_wrong_recipes(more: str, says: str) -> None:
    with pytest.raises(InvalidExperiment, match=r"^mail\.yaml") as caught:
        load_recipe(f"{{{SHORT}, {more}}}", "mail.yaml")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_does_not_say_when_an_outcome_came() -> None:
    with pytest.raises(InvalidExperiment, match="'back' has `after`, and a row does not say when"):
        load_recipe(f"{{{SHORT.replace('[visit]', '{back: {kind: retention, after: 1d}}')}}}")


@pytest.mark.parametrize("missing", ["recipe", "variant", "metrics"])
def test_what_a_recipe_must_say(missing: str) -> None:
    parts = {
        "recipe": "recipe: mail",
        "variant": "variant: {column: arm, names: [a, b]}",
        "metrics": "metrics: [visit]",
    }
    text = ", ".join(part for name, part in parts.items() if name != missing)
    with pytest.raises(InvalidExperiment, match=f"`{missing}` is missing"):
        load_recipe(f"{{{text}}}")
