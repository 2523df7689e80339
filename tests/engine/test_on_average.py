"""Averages of what is predicted and why, over the contexts of a log, of probes, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from engine.experiments import ContextField, FieldType, Variant
from engine.on_average import Case, cases_of, on_average
from engine.records import BEFORE_THE_LOG, Candidate, Context, Probe, Snapshot
from tests.engine.house import House, experiment

PLAIN, BOLD = Variant("plain"), Variant("bold")
SNAPSHOT = Snapshot("0a" * 32, "hero", 1, "thompson", b"", "", BEFORE_THE_LOG, 0, "numpy", (), "s", ())


class Linear:
    """Predicts 0.1 a visit for `bold`, and moves that down by 0.2 on a phone."""

    library, arguments = "", ()

    def expected_rewards(self, context: Context, eligible: Sequence[Variant]) -> Sequence[float]:
        return [sum(self.contributions(context, variant).values()) for variant in eligible]

    def contributions(self, context: Context, variant: Variant) -> Mapping[str, float]:
        if variant.name != "bold":
            return {}
        by = {"visits": 0.1 * float(context["visits"])} if "visits" in context else {}
        return by | ({"phone": -0.2} if context.get("phone") else {})


def test_averages_are_over_all_cases_also_those_without_the_field() -> None:
    cases = [Case({"visits": 4.0}, (PLAIN, BOLD)), Case({"visits": 2.0, "phone": True}, (PLAIN, BOLD))]
    found = on_average(Linear(), cases)  # type: ignore[arg-type]
    assert found.n == 2
    assert dict(found.predicted) == pytest.approx({"plain": 0.0, "bold": 0.2})
    assert dict(found.because["visits"]) == pytest.approx({"bold": 0.3})
    assert dict(found.because["phone"]) == pytest.approx({"bold": -0.1})
    assert dict(found.sizes) == pytest.approx({"visits": 0.6 / 4, "phone": 0.2 / 4})


def test_a_variant_is_averaged_over_the_cases_in_which_it_was_eligible() -> None:
    found = on_average(Linear(), [Case({"visits": 4.0}, (PLAIN,)), Case({"visits": 2.0}, (BOLD,))])  # type: ignore[arg-type]
    assert dict(found.predicted) == pytest.approx({"plain": 0.0, "bold": 0.2})


def test_cases_are_the_latest_draws_of_the_log_with_what_is_declared_today() -> None:
    house = House()
    house.run(experiment(), experiment("other"))
    for visits in range(3):
        house.ask(f"u{visits}", context={"country": "no", "visits": float(visits)})
    house.ask("u9", experiment_id="other", context={"visits": 9.0})
    today = replace(
        experiment(), context=(ContextField("visits", FieldType.NUMBER), ContextField("country", FieldType.FLAG))
    )
    found = cases_of(house.store, today, SNAPSHOT)
    assert [dict(case.context) for case in found] == [{"visits": 2.0}, {"visits": 1.0}, {"visits": 0.0}]
    assert all(case.eligible == today.variants for case in found)


def test_without_a_log_the_probes_are_asked_and_without_those_an_empty_context() -> None:
    store = House().store
    probed = replace(SNAPSHOT, probes=(Probe({"visits": 3.0}, ("plain",), (1.0,)),))
    assert [dict(case.context) for case in cases_of(store, experiment(), probed)] == [{"visits": 3.0}]
    assert cases_of(store, experiment(), SNAPSHOT) == [Case({}, experiment().variants)]


def test_killed_variants_are_left_out_and_candidates_take_the_place_of_variants() -> None:
    killed = replace(experiment(), killed=("bold",))
    assert [variant.name for variant in cases_of(House().store, killed, SNAPSHOT)[0].eligible] == ["plain", "quiet"]
    takes = replace(experiment(), candidates=(ContextField("price", FieldType.NUMBER),))
    brought = Candidate("shoe", {"price": 3.0, "colour": "red"}), Candidate("hat")
    (case,) = cases_of(House().store, takes, replace(SNAPSHOT, probes=(Probe({}, (), (), brought),)))
    assert case.eligible == (Variant("shoe", features={"price": 3.0}), Variant("hat"))
