"""Rows of all revisions come out the same, though the experiment was edited since in every way that there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.experiments import ContextField, Experiment, FieldType, Variant
from engine.metrics import Metric, RewardTerm
from engine.records import Assignment
from engine.specs import ContextualSpec, EpsilonGreedySpec, LearningSpec, LinearSpec, ThompsonSpec
from engine.storage import find_snapshot_in, open_reader, open_snapshots, open_store
from tests.statistical.test_recompute import recomputed_elsewhere

N_VISITS = 200
SEED = 11
SHADOW = EpsilonGreedySpec(publish_every=50)
SPECS = {
    "thompson": ThompsonSpec(publish_every=50),
    "linear": LinearSpec(publish_every=50),
    "contextual": ContextualSpec(publish_every=50),
}

Edit = Callable[[Experiment], Mapping[str, Any]]
EDITS: Mapping[str, Edit] = {
    "a field of the context is added": lambda hero: {
        "context": (*hero.context, ContextField("member", FieldType.FLAG))
    },
    "a variant is added": lambda hero: {"variants": (*hero.variants, Variant("new"))},
    "a metric that nobody learns from is added": lambda hero: {"metrics": (*hero.metrics, Metric("visit"))},
    # Nothing else is observed in the longer window: what is learned again is the same, and means something else.
    "the window is longer": lambda hero: {
        "metrics": (replace(hero.metrics[0], window=timedelta(minutes=90)), *hero.metrics[1:])
    },
    "the weight is another one": lambda hero: {"reward": (RewardTerm("click", 2.0),)},
    "the scale is another one": lambda _: {"reward_scale": (-1.0, 3.0)},
    "the floor is higher": lambda hero: {"policy": replace(hero.policy, floor=0.2)},
    "a shadow is added": lambda _: {"shadow": SHADOW},
    "another shadow": lambda _: {"shadow": replace(SHADOW, epsilon=0.3)},
    "a variant is killed": lambda _: {"killed": ("bold",)},
    "a variant is gone": lambda hero: {"variants": hero.variants[:-1]},
    "the seed is another one": lambda _: {"seed": "another"},
    "another policy": lambda hero: {
        "policy": ContextualSpec(publish_every=50)
        if isinstance(hero.policy, ThompsonSpec)
        else ThompsonSpec(publish_every=50)
    },
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_draw_of_every_revision_comes_out_the_same(
    tmp_path: Path, spec: LearningSpec, local: Callable[..., Any]
) -> None:
    with (
        closing(open_store(tmp_path)) as store,
        closing(open_reader(tmp_path)) as reader,
        closing(open_snapshots(tmp_path, write=True)) as snapshots,
    ):
        service = local(store, reader, snapshots, find_snapshot_in(tmp_path))
        service.start(spec)
        rows = service.traffic(2 * N_VISITS, SEED)
        for number, edit in enumerate(EDITS.values(), 2):
            service.edit(**edit(service.engine.catalog.find("hero").state.experiment))
            rows += service.traffic(N_VISITS, SEED + number, first=number * N_VISITS)
    counts = recomputed_elsewhere(tmp_path)
    assert_all_learned(rows)
    assert counts.pop("n_snapshots") > len(EDITS)
    assert counts == {"n_rows": len(rows), "reproduced": len(rows)}


def assert_all_learned(rows: list[Assignment]) -> None:
    """In each revision what was learned served."""
    revisions = {row.revision for row in rows}
    assert revisions == {row.revision for row in rows if row.snapshot}
    assert len(revisions) == len(EDITS) + 1
