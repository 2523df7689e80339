"""What was learned outlives an edit for as long as it means the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.experiments import ContextField, FieldType, Status, Variant
from engine.lifecycle import transition, update
from engine.metrics import Metric
from engine.specs import FixedSpec, ThompsonSpec
from tests.engine.learning_house import ANN, SPECS, experiment, started

LEARNING = replace(started(experiment("thompson")), snapshot="abc", pinned=True)
SHADOWED = replace(started(replace(experiment("thompson"), shadow=SPECS["contextual"])), shadow_snapshot="def")


def pointers(state, **changes):
    after = update(state, replace(state.experiment, **changes), state.etag, ANN)[0]
    return after.epoch, after.snapshot, after.shadow_snapshot, after.pinned


@pytest.mark.parametrize(
    ("changes", "epoch"),
    [
        ({"killed": ("bold",)}, 1),
        ({"seed": "another"}, 2),
        ({"metrics": (*LEARNING.experiment.metrics, Metric("visit"))}, 2),
        ({"policy": replace(SPECS["thompson"], floor=0.2, publish_every=3, shares={"bold": 0.1})}, 2),
    ],
)
def test_an_edit_that_teaches_nothing_else_keeps_the_pointer_and_its_pin(changes, epoch):
    assert pointers(LEARNING, **changes) == (epoch, "abc", "", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"variants": LEARNING.experiment.variants[:2]},
        {"variants": (*LEARNING.experiment.variants, Variant("new"))},
        {"reward_default": 0.5},
        {"policy": ThompsonSpec(prior_alpha=3.0)},
        {"policy": SPECS["contextual"]},
        {"policy": FixedSpec()},
    ],
)
def test_an_edit_after_which_it_means_something_else_lets_go_of_it(changes):
    assert pointers(LEARNING, **changes) == (2, "", "", False)


def test_a_shadow_keeps_its_own():
    assert pointers(SHADOWED, seed="another") == (2, "", "def", False)
    assert pointers(SHADOWED, shadow=replace(SPECS["contextual"], floor=0.3)) == (1, "", "def", False)
    assert pointers(SHADOWED, shadow=replace(SPECS["contextual"], gamma=3.0)) == (1, "", "", False)
    assert pointers(SHADOWED, shadow=None) == (1, "", "", False)
    fields = (ContextField("device", FieldType.TEXT),)
    assert pointers(SHADOWED, context=fields)[2] == ""


def test_pausing_and_going_on_keeps_it():
    paused = transition(LEARNING, Status.PAUSED, "", ANN)[0]
    resumed = transition(paused, Status.RUNNING, "", ANN)[0]
    assert (resumed.snapshot, resumed.pinned, resumed.epoch) == ("abc", True, 1)


def test_a_shadow_that_serves_from_now_on_serves_what_it_learned():
    assert pointers(SHADOWED, policy=SPECS["contextual"], shadow=None) == (2, "def", "", False)
    both = replace(SHADOWED, snapshot="abc", pinned=True)
    assert pointers(both, policy=SPECS["contextual"], shadow=SPECS["thompson"]) == (2, "def", "abc", False)
    assert pointers(both, policy=FixedSpec(), shadow=SPECS["thompson"]) == (2, "", "abc", False)
