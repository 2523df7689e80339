"""What is proven of channels, experiments and variants, from which effects, and what a reader must know of it."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.attribution.incremental import added, effect
from analysis.attribution.incremental.effect import Effect
from analysis.attribution.journeys import NO_CHANNEL, By
from analysis.attribution.proving import noted, proven
from analysis.attribution.stores.answers import Answer
from analysis.estimate import Holds
from analysis.texts import text
from tests.analysis.attribution.incremental.making_units import did, draws, units, world

NAMES = ["e0", "e1", "e2", "e3"]
NOTE = text("attribution.proven.holdout_note")


@pytest.fixture(scope="module")
def four():
    """Four experiments, of which few units drew all controls."""
    return world(np.random.default_rng(4), 4000, (0.1,) * 4, 0.2).units


def answers(channels):
    return [Answer(each, variant, channel) for each, channel in channels.items() for variant in ("a", "b")]


def test_a_channel_of_few_experiments_is_their_joint_effect_and_one_of_many_their_sum(four):
    found = proven(answers(dict(zip(NAMES, ["web", "web", "mail", ""], strict=True))), four, By.CHANNEL)
    assert list(found) == [NO_CHANNEL, "mail", "web"]
    assert found["web"].total == effect(four, NAMES[:2], "web").total
    everything = proven(answers(dict.fromkeys(NAMES, "web")), four, By.CHANNEL)
    assert everything["web"].total == added(four, NAMES, "web").total


def test_an_experiment_that_answers_in_two_channels_proves_nothing_of_either(four):
    both = [Answer("e0", "b", "web"), Answer("e0", "b", "app"), Answer("e1", "b", "mail")]
    found = proven(both, four, By.CHANNEL)
    assert str(found["web"]) == str(found["app"])
    assert str(found["web"]).startswith("These experiments answer in several channels")
    assert isinstance(found["mail"], Effect)


def test_of_variants_the_control_is_what_the_others_are_held_against(four):
    found = proven(answers({"e0": "web"}), four, By.VARIANT)
    assert str(found["e0/a"]) == "It is the control, which the others are held against"
    assert found["e0/b"].total[0].interval is not None
    refused = replace(four, draws=(), refused={"e0": text("attribution.incremental.unbalanced")})
    assert {str(why)[:10] for why in proven(answers({"e0": "web"}), refused, By.VARIANT).values()} == {"its counts"}


def test_it_is_said_once_of_which_estimates_something_must_be_known(four):
    total, alone = added(four, NAMES, "web").total[0], effect(four, ["e0"], "e0").total[0]
    said = str(noted(NOTE, [("web", total), ("e0", alone), ("all", total)]))
    assert said.startswith(f"{NOTE} Of web, all: This is the sum of the experiments’ own effects")  # noqa: RUF001
    assert noted(NOTE, [("e0", alone)]) == NOTE
    assert noted(NOTE, []) == NOTE


def test_it_is_said_which_interval_holds_at_another_look_than_the_first(four):
    alone = effect(four, ["e0"], "e0").total[0]
    always = replace(alone, holds=Holds.ALWAYS_IN_THE_LIMIT)
    assert str(noted(NOTE, [("x", always), ("y", alone)])).endswith(
        "Of y: It was to be read once and is over, so that its interval holds at that look."
    )
    assert "Of y: It may be read at any time" in str(noted(NOTE, [("x", alone), ("y", always)]))


def test_an_experiment_that_is_refused_is_not_silently_out_of_its_channel():
    hero = draws("hero", range(400), 1, np.arange(400) % 2, [0.5, 0.5])
    refused = {"offer": text("attribution.incremental.unbalanced")}
    of = units([hero], did(range(400), 2, 1.0), refused=refused)
    (found,) = proven(answers({"hero": "web", "offer": "web"}), of, By.CHANNEL).values()
    assert (found.of, found.left_out) == (("hero",), ("offer",))
    assert "Of web: Without offer: its counts do not fit" in str(noted(NOTE, [("web", found.total[0])]))
