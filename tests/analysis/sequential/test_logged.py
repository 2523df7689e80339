import numpy as np

from analysis.logs import frames
from analysis.sequential import logged
from engine.experiments import Experiment, Variant
from engine.metrics import Metric
from engine.specs import FixedSpec, ThompsonSpec

VARIANTS = (Variant("a"), Variant("b"), Variant("c"))


def test_each_stratum_has_the_distribution_of_its_draws(new_log):
    log = new_log(Experiment("hero", VARIANTS, (Metric("click"),), policy=FixedSpec({"a": 0.5, "b": 0.3, "c": 0.2})))
    for i in range(20):
        log.assign(f"unit {i}", i / 100, shares=(0.5, 0.3, 0.2) if i % 2 else (0.2, 0.2, 0.6))
    log.default("late", 1.0)
    rows = frames.read(log.store, "hero").assignments
    found = logged.variants(rows)
    np.testing.assert_allclose(found[rows.stratum[0]], (0.2, 0.2, 0.6), atol=1e-9)
    np.testing.assert_allclose(found[rows.stratum[1]], (0.5, 0.3, 0.2), atol=1e-9)
    assert found[rows.stratum[-1]].sum() == 0


def test_groups_have_the_share_that_was_declared(new_log):
    log = new_log(Experiment("offer", VARIANTS, (Metric("click"),), policy=ThompsonSpec(control_share=0.25)))
    for i in range(20):
        log.assign(f"unit {i}", i / 100)
    rows = frames.read(log.store, "offer").assignments
    np.testing.assert_allclose(logged.groups(rows), [[0.25, 0.75]], atol=1e-9)
    rows.group_weight[3] = 7
    assert logged.groups(rows) is None
