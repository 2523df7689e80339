"""The world of channels does what its rates say, and its truth is what comes of it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files as resources
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from armlift import Client

from engine import files
from engine.clock import RequestClock
from engine.experiments import Experiment, Status, Variant
from engine.files import load
from engine.records import Assignment, Outcome
from engine.service.management import Management
from engine.service.server import Serving, serving_beside
from engine.storage import open_reader
from simulators.doors import ClientDoor, EngineDoor
from simulators.environment import Visit
from simulators.play import Player
from simulators.rehearsal import rehearse
from simulators.worlds import Channels
from simulators.worlds.channels import CAUSES, EUROS, PURCHASE, STRENGTHS
from simulators.worlds.demand import CHANNELS, DIRECT, INTENTS
from simulators.worlds.increments import direct_demand, meets, visits

START = datetime(2026, 3, 2, tzinfo=UTC)
SPAN = timedelta(days=30)
RECIPES = {
    path.name.removesuffix(".yaml"): files.load(path.read_text(encoding="utf-8"), path.name)
    for path in (resources("simulators.recipes") / "channels").iterdir()
}
EXPERIMENTS = [RECIPES[name] for name in sorted(RECIPES)]
Z = 4.5
"""About 70 means are compared with normal intervals of so many standard errors: a false alarm in 1 of 2,000."""


@pytest.fixture(scope="module")
def by_customer() -> list[list[Visit]]:
    """The visits of 6,000 customers."""
    found: dict[str, list[Visit]] = defaultdict(list)
    for visit in Channels().visits(6000, START, SPAN, np.random.default_rng(3)):
        found[visit.unit_id].append(visit)
    return list(found.values())


def is_mean(found: list[float], mean: float) -> bool:
    return abs(np.mean(found) - mean) <= Z * np.std(found) / math.sqrt(len(found))


@pytest.mark.parametrize("channel", CHANNELS)
def test_customers_come_by_as_often_as_arithmetic_says(channel: str, by_customer: list[list[Visit]]) -> None:
    counts = [float(sum(visit.context["channel"] == channel for visit in those)) for those in by_customer]
    assert is_mean(counts, visits(channel))
    assert is_mean([float(count > 0) for count in counts], meets({channel}))
    for place, intent in enumerate(INTENTS):
        own = [n for n, those in zip(counts, by_customer, strict=True) if those[0].hidden["intent"] == place]
        assert is_mean(own, intent.visits[CHANNELS.index(channel)])


def test_who_is_met_by_any_of_some_channels_is_counted_once(by_customer: list[list[Visit]]) -> None:
    for some in ({"search", "social"}, {"email", "retargeting", "display"}):
        met = [float(any(visit.context["channel"] in some for visit in those)) for those in by_customer]
        assert is_mean(met, meets(some))
    assert meets(CHANNELS) == pytest.approx(1.0, abs=1e-12)
    assert meets(()) == pytest.approx(0.0, abs=1e-12)


def test_one_visit_begets_another_of_its_kind(by_customer: list[list[Visit]]) -> None:
    """Among the idle, half the visits after a social one are again of its kind, and half are as any other."""
    then = dict(zip(CHANNELS, INTENTS[0].then, strict=True))
    idle = [[visit.context["channel"] for visit in those] for those in by_customer if those[0].hidden["intent"] == 0]
    # Steps of a journey, as it was drawn: the times are sorted, so the order of time is that of the steps.
    after = [later for those in idle for one, later in pairwise(those) if one == "social"]
    again = [float(channel in ("social", "display")) for channel in after]
    assert is_mean(again, 0.5 + 0.5 * (then["social"] + then["display"]))


def test_those_who_would_buy_anyway_meet_the_most_of_what_causes_least(by_customer: list[list[Visit]]) -> None:
    touches = {
        channel: [sum(visit.context["channel"] == channel for visit in those) for those in by_customer]
        for channel in CHANNELS
    }
    wants = [INTENTS[those[0].hidden["intent"]].demand for those in by_customer]
    confounded = {channel: float(np.corrcoef(touches[channel], wants)[0, 1]) for channel in CHANNELS}
    assert max(confounded, key=confounded.__getitem__) == "retargeting"
    assert confounded["retargeting"] > 0.35
    assert CAUSES["retargeting"] == min(CAUSES.values())


def test_members_give_a_little_of_the_intent_away(by_customer: list[list[Visit]]) -> None:
    for place, intent in enumerate(INTENTS):
        members = [float(those[0].context["member"]) for those in by_customer if those[0].hidden["intent"] == place]
        assert is_mean(members, intent.members)
    assert all(len({visit.context["member"] for visit in those}) == 1 for those in by_customer)


@pytest.mark.parametrize(("name", "variant"), [("email-letter", "letter"), ("social-film", "video")])
def test_what_is_shown_causes_purchases_of_known_worth(name: str, variant: str) -> None:
    world, experiment, rng = Channels(), RECIPES[name], np.random.default_rng(2)
    channel = experiment.brief.channel
    visit = Visit("anna", START, {"channel": channel, "member": False}, {"intent": 0})
    told = [world.outcomes(experiment, visit, experiment.variant(variant), rng) for _ in range(20_000)]
    assert is_mean([float(len(each)) for each in told], CAUSES[channel] * STRENGTHS[variant])
    purchases = [each[0] for each in told if each]
    assert is_mean([float(each.value or 0) for each in purchases], EUROS)
    assert all(each.metric == PURCHASE and each.of_unit and each.at >= START for each in purchases)
    waits = [(each.at - START) / timedelta(hours=1) for each in purchases]
    assert 3 < np.mean(waits) < 17


def test_what_is_blank_causes_nothing() -> None:
    world, rng = Channels(), np.random.default_rng(2)
    for experiment in EXPERIMENTS:
        visit = Visit("anna", START, {"channel": experiment.brief.channel, "member": False}, {"intent": 2})
        nothing = experiment.variant("nothing")
        assert nothing.is_blank
        assert not any(world.outcomes(experiment, visit, nothing, rng) for _ in range(500))
        assert world.expected_rewards(replace(experiment, reward=()), visit)["nothing"] == 0


def test_demand_is_there_whatever_is_shown_and_told_once() -> None:
    world, rng = Channels(), np.random.default_rng(4)
    keen = Visit("anna", START, {"channel": DIRECT, "member": True}, {"intent": 2})
    bought = [world.demand(EXPERIMENTS, keen, rng) for _ in range(10_000)]
    assert is_mean([float(len(each)) for each in bought], INTENTS[2].buys[CHANNELS.index(DIRECT)])
    assert is_mean([float(each[0].value or 0) for each in bought if each], EUROS)
    assert all(told.of_unit and told.at >= START for each in bought for told in each)


def test_demand_is_told_as_the_experiments_declare_it() -> None:
    world, keen = Channels(), Visit("anna", START, {"channel": DIRECT, "member": True}, {"intent": 2})
    clicks, buys = (load(f"{{experiment: e, variants: [a, b], metrics: [{name}]}}") for name in ("click", PURCHASE))

    def values(*experiments: Experiment) -> set[bool]:
        rng = np.random.default_rng(4)
        return {told.value is None for _ in range(200) for told in world.demand(experiments, keen, rng)}

    assert values(clicks) == set(), "nobody asks for it"
    assert values(clicks, buys) == {True}, "whether, and not how much"
    assert values(buys, EXPERIMENTS[0]) == {False}


def test_the_truth_is_the_mean_of_what_is_caused() -> None:
    """Purchases that are caused are added up over customers, with the shares of variants that are declared."""
    world, rng = Channels(), np.random.default_rng(6)
    tests = [experiment for experiment in EXPERIMENTS if not experiment.policy.learns]
    n, caused, demand = 3000, Counter[tuple[str, str]](), Counter[str]()
    shown = world.truth(tests)
    for visit in world.visits(n, START, SPAN, rng):
        demand[visit.unit_id] += len(world.demand(tests, visit, rng))
        for experiment in tests:
            if experiment.brief.channel == visit.context["channel"]:
                weights = getattr(experiment.policy, "weights", {}) or dict.fromkeys(_names(experiment), 1.0)
                p = np.array([weights[name] for name in _names(experiment)])
                variant = experiment.variants[rng.choice(len(p), p=p / p.sum())]
                caused[experiment.experiment_id, visit.unit_id] += len(world.outcomes(experiment, visit, variant, rng))
    for experiment in tests:
        name = experiment.experiment_id
        own = [float(count) for (where, _), count in caused.items() if where == name]
        assert is_mean([*own, *[0.0] * (n - len(own))], shown.by_experiment[name].purchases)
        assert is_mean([1.0] * len(own) + [0.0] * (n - len(own)), shown.by_experiment[name].units)
    assert is_mean([float(demand[unit]) for unit in demand], direct_demand())


def _names(experiment: Experiment) -> list[str]:
    return [variant.name for variant in experiment.variants]


def test_truths_of_variants_add_up_to_their_experiment_and_of_experiments_to_their_channel() -> None:
    found = Channels().truth(EXPERIMENTS)
    for experiment in EXPERIMENTS:
        name = experiment.experiment_id
        own = [each for variant, each in found.by_variant.items() if variant.startswith(f"{name}/")]
        assert sum(each.purchases for each in own) == pytest.approx(found.by_experiment[name].purchases)
        assert sum(each.touches for each in own) == pytest.approx(found.by_experiment[name].touches)
    email = found.by_channel["email"]
    letter, coupon = (found.by_experiment[name] for name in ("email-letter", "email-coupon"))
    assert email.purchases == pytest.approx(letter.purchases + coupon.purchases)
    assert email.units == letter.units == coupon.units
    assert email.value == pytest.approx(EUROS * email.purchases)
    assert letter.per_touch == pytest.approx(CAUSES["email"])
    assert letter.per_unit * letter.units == pytest.approx(letter.purchases)
    assert "email-letter/nothing" not in found.by_variant


def test_shares_that_the_log_had_can_be_given() -> None:
    bandit = RECIPES["display-banner"]
    found = Channels().truth([bandit], {"display-banner": {"nothing": 0.2, "still": 0.0, "moving": 0.8}})
    assert found.by_experiment["display-banner"].purchases == pytest.approx(visits("display") * 0.8 * CAUSES["display"])
    declared = Channels().truth([bandit]).by_variant["display-banner/moving"]
    assert declared.touches == pytest.approx(visits("display") * 0.7 / 3), "three in ten are in the control share"


def test_a_control_that_shows_something_counts_as_nothing() -> None:
    email = "brief: {channel: email}, metrics: [purchase]"
    found = Channels().truth([load(f"{{experiment: e, variants: [coupon, letter], {email}}}")])
    assert found.by_experiment["e"].purchases == pytest.approx(visits("email") * 0.5 * 0.04)
    assert found.by_experiment["e"].touches == pytest.approx(visits("email"))


def test_recipes_ask_in_the_channel_of_their_brief() -> None:
    for experiment in EXPERIMENTS:
        assert experiment.funnel.audience == {"channel": experiment.brief.channel}
        assert set(_names(experiment)) - {"nothing"} <= set(STRENGTHS)
    assert {experiment.brief.channel for experiment in EXPERIMENTS} == set(CHANNELS) - {DIRECT}


def test_a_rehearsal_logs_what_was_met_and_tells_purchases_of_customers() -> None:
    door, player = rehearse(Channels(), EXPERIMENTS, 300, 5)
    log = door.store.entries(limit=10**6)
    answers = [entry for entry in log if isinstance(entry, Assignment)]
    purchases = [entry for entry in log if isinstance(entry, Outcome)]
    channels = {experiment.experiment_id: experiment.brief.channel for experiment in EXPERIMENTS}
    assert {answer.experiment_id for answer in answers} == set(channels)
    assert all(answer.context["channel"] == channels[answer.experiment_id] for answer in answers)
    assert all(purchase.unit and purchase.metric == PURCHASE and purchase.value > 0 for purchase in purchases)
    asked = {answer.unit.id for answer in answers}
    assert {purchase.unit.id for purchase in purchases if purchase.unit} - asked, "some buy and met nothing"
    assert player.tallies["email-letter"].reasons["NOT_IN_AUDIENCE"] > 0


def test_over_grpc_the_same_is_met_and_demand_is_told(tmp_path: Path) -> None:
    """Draws by unit need no server's secret, so both doors answer alike; luck meets the visits in another order."""
    tests, world = [RECIPES["email-letter"], RECIPES["search-ad"]], Channels()
    met = world.visits(150, START, SPAN, np.random.default_rng(8))
    beside = EngineDoor(tests, START, seed=1)
    Player(world, tests, beside, np.random.default_rng(9)).play(met)
    with (
        serving_beside(Serving(tmp_path, "127.0.0.1:0", RequestClock(), companions=())) as address,
        Client(address, timeout_s=10.0) as client,
        Management(address, "tests") as management,
    ):
        for experiment in tests:
            management.apply(experiment, "to be asked")
            management.move(experiment.experiment_id, Status.RUNNING, "to be asked")
        Player(world, tests, ClientDoor(client, lambda: None), np.random.default_rng(9)).play(met)
    with closing(open_reader(tmp_path)) as reader:
        logs = [each.entries(limit=10**6) for each in (reader, beside.store)]
    served, inside = ([entry for entry in log if isinstance(entry, Assignment)] for log in logs)
    assert [(each.unit.id, each.variant) for each in served] == [(each.unit.id, each.variant) for each in inside]
    for log in logs:
        bought = {entry.unit.id for entry in log if isinstance(entry, Outcome) and entry.unit}
        assert bought - {each.unit.id for each in served}, "also who met nothing"


def test_demand_alone_is_told_of_each_type_of_unit_once() -> None:
    """Both experiments show nothing, so every purchase is demand, and each type of unit hears of it once."""
    text = "{{experiment: {name}, unit: {unit}, variants: {{a: {{blank: true}}, b: {{}}}}, metrics: [purchase]}}"
    pairs = [("one", "customer"), ("two", "customer"), ("three", "household")]
    shy = [load(text.format(name=name, unit=unit)) for name, unit in pairs]
    never = [replace(each, funnel=replace(each.funnel, audience={"channel": "none"})) for each in shy]
    door, _ = rehearse(Channels(), never, 400, 9)
    log = door.store.entries(limit=10**6)
    told = [entry for entry in log if isinstance(entry, Outcome)]
    by_type = Counter(entry.unit.type for entry in told if entry.unit)
    assert not any(isinstance(entry, Assignment) for entry in log)
    assert by_type["customer"] == by_type["household"] > 20
    assert len({entry.outcome_id for entry in told}) == len(told)


def test_variants_of_other_files_have_strengths_of_their_own() -> None:
    experiment = load("{experiment: e, variants: {off: {blank: true}, ochre: {}, teal: {}}, metrics: [win]}")
    visit = Visit("anna", START, {"channel": "social", "member": False}, {"intent": 0})
    world = Channels()
    off, ochre, teal = world.chances(world.scene(experiment), visit, experiment.variants)
    assert off == 0
    assert ochre != teal
    assert all(0.6 <= each / CAUSES["social"] <= 1.4 for each in (ochre, teal))
    brought = world.chances(world.scene(experiment), visit, [Variant("ochre")])
    assert brought == pytest.approx([ochre])
