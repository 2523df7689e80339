"""A blank variant shows nothing: it is written, kept and sent as such, and changes no draw and nothing learned."""

from contextlib import closing
from dataclasses import replace

import pytest
from armlift.v1 import experiment_pb2 as contract
from click.testing import CliRunner

from engine.cli import cli
from engine.definition import define
from engine.edits import changed_fields
from engine.experiments import Experiment, Status, Variant
from engine.files import dump, load
from engine.lifecycle import Author, create, update
from engine.metrics import Metric
from engine.policies.features import schema
from engine.service import definitions
from engine.specs import ContextualSpec, FixedSpec, ThompsonSpec
from engine.storage import open_reader, open_store
from tests.engine.house import NOW, House

FILE = """\
experiment: spring-mail
variants: {none: {blank: true}, offer: {payload: {headline: Two for one}}}
metrics: [order]
"""
OLD = """\
experiment: spring-mail
variants:
  none: {}
  offer:
    payload: {headline: Two for one}
metrics: [order]
"""
MAIL = load(FILE)
SHOWN = load(FILE.replace("{blank: true}", "{}"))
AUTHOR = Author("ann", "a test", NOW)


def test_the_usual_case_is_a_blank_control():
    assert MAIL.variants == (
        Variant("none", is_blank=True),
        Variant("offer", '{"headline": "Two for one"}'),
    )
    assert (MAIL.control, MAIL.default) == ("none", "none")
    assert load(dump(MAIL)) == MAIL
    assert "none: {blank: true}" in dump(MAIL)


def test_a_definition_from_before_there_were_blank_variants_is_written_and_read_as_then():
    assert dump(SHOWN) == OLD
    assert load(OLD) == SHOWN
    assert not any(variant.is_blank for variant in SHOWN.variants)
    then = contract.Variant(name="none", payload="{}")
    assert definitions.from_experiment(SHOWN).variants[0] == then
    assert definitions.from_experiment(MAIL).variants[0].is_blank


@pytest.mark.parametrize("blank", [("none",), ("none", "nothing"), ("nothing",)])
def test_any_variant_may_be_blank_as_long_as_one_shows_something(blank):
    variants = tuple(Variant(name, is_blank=name in blank) for name in ("none", "nothing", "offer"))
    assert define(replace(MAIL, variants=variants)).variants == variants


def test_all_that_is_declared_may_be_blank_where_requests_bring_the_rest():
    feed = Experiment("feed", (Variant("none", is_blank=True),), (Metric("click"),), candidates=())
    assert define(feed).variants == feed.variants
    house = House()
    house.run(feed)
    (row,) = house.fill(experiment_id="feed")
    assert row.variant == "none"


def test_a_blank_variant_may_have_features_that_a_policy_knows_it_by():
    known = Variant("none", features={"cost": 0.0}, is_blank=True), Variant("offer", features={"cost": 1.0})
    priced = define(replace(MAIL, variants=known, policy=ContextualSpec()))
    assert load(dump(priced)) == priced


@pytest.mark.parametrize("policy", [FixedSpec(), ThompsonSpec(), ContextualSpec()])
def test_what_is_drawn_and_logged_is_the_same_whether_it_is_blank_or_not(policy):
    rows = []
    for experiment in (MAIL, SHOWN):
        house = House()
        house.run(define(replace(experiment, policy=policy)))
        rows.append([house.ask(f"u{n}", experiment_id="spring-mail") for n in range(20)])
    assert rows[0] == rows[1]
    assert {row.variant for row in rows[0]} == {"none", "offer"}


@pytest.mark.parametrize("policy", [FixedSpec(), ThompsonSpec(), ContextualSpec()])
@pytest.mark.parametrize(("before", "after"), [(MAIL, SHOWN), (SHOWN, MAIL)])
def test_an_edit_of_it_moves_nobody_and_keeps_what_was_learned(before, after, policy):
    before, after = (define(replace(each, policy=policy)) for each in (before, after))
    learned = "ab" * 32 if policy.learns else ""
    state = replace(create(before, AUTHOR)[0], status=Status.RUNNING, snapshot=learned)
    edited, change = update(state, after, state.etag, AUTHOR)
    assert (edited.revision, edited.epoch, edited.snapshot) == (2, state.epoch, learned)
    assert change.fields == changed_fields(before, after) == ("variants",)
    assert schema(before) == schema(after)


@pytest.mark.parametrize(
    "offer",
    [
        Variant("offer"),
        Variant("offer", '{"headline": "Now"}'),
        Variant("offer", MAIL.variants[1].payload, {"price": 1.0}),
        Variant("offers", MAIL.variants[1].payload),
    ],
)
def test_an_edit_of_more_than_that_moves_units_as_ever(offer):
    state = replace(create(SHOWN, AUTHOR)[0], status=Status.RUNNING)
    other = replace(SHOWN, variants=(MAIL.variants[0], offer))
    assert update(state, other, state.etag, AUTHOR)[0].epoch == state.epoch + 1


def test_a_store_keeps_each_revision_as_it_was(tmp_path):
    with closing(open_store(tmp_path)) as store:
        draft, first = create(SHOWN, AUTHOR)
        store.save(draft, first, "")
        store.save(*update(draft, MAIL, draft.etag, AUTHOR), draft.etag)
    with closing(open_reader(tmp_path)) as reader:
        assert reader.definition("spring-mail", 1) == SHOWN
        assert reader.definition("spring-mail", 2) == MAIL


def test_check_says_which_variants_are_blank(tmp_path):
    path = tmp_path / "mail.yaml"
    path.write_text(FILE)
    done = CliRunner().invoke(cli, ["check", str(path)])
    assert "variants none (blank), offer" in done.output
