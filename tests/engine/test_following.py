"""What requires an experiment is moved with it: an epoch of the one opens one in the other."""

from dataclasses import replace

from engine.experiments import Experiment, ExperimentState, Status
from engine.funnel import Funnel, Layer, LayerRange, Population, PopulationState, RampStep
from engine.lifecycle import create, follow, move_ramp, update, update_population
from engine.neighbours import depending_on
from engine.population_rules import define_population
from tests.engine.house import AUTHOR, experiment

RAMP = (RampStep(0.5), RampStep(1.0))


def requiring(name: str, *others: str) -> Experiment:
    return experiment(name, funnel=Funnel(prerequisites=dict.fromkeys(others, ("bold",))))


def running(defined: Experiment, status: Status = Status.RUNNING) -> ExperimentState:
    return replace(create(defined, AUTHOR)[0], status=status, snapshot="abc")


BASE = running(experiment("base", funnel=Funnel(ramp=RAMP)))
NEXT = running(requiring("next", "base"))
LAST = running(requiring("last", "next"), Status.PAUSED)
DRAFT = running(requiring("draft", "base"), Status.DRAFT)
BEHIND_THE_DRAFT = running(requiring("behind", "draft"))
ALONE = running(experiment("alone"))
OTHERS = (NEXT, LAST, DRAFT, BEHIND_THE_DRAFT, ALONE)


def moved_by(change):
    after, its_change = change
    return follow(BASE, after, its_change, OTHERS)


def test_an_edit_that_moves_units_moves_those_of_whoever_requires_it():
    moved = moved_by(update(BASE, replace(BASE.experiment, seed="another"), BASE.etag, AUTHOR))
    assert [(state.experiment.experiment_id, state.epoch, state.snapshot) for state, _ in moved] == [
        ("next", 2, "abc"),
        ("last", 2, "abc"),
    ]
    for state, change in moved:
        assert (state.etag, state.revision, change.action, change.actor) == ("2", 1, "prerequisite", AUTHOR.actor)
        assert change.reason == "its prerequisite 'base' is in epoch 2 now: a test"


def test_a_kill_and_a_ramp_that_goes_back_move_them_too():
    killing = replace(BASE.experiment, killed=("quiet",))
    assert len(moved_by(update(BASE, killing, BASE.etag, AUTHOR))) == 2
    assert len(moved_by(move_ramp(BASE, -1, "", AUTHOR))) == 2


def test_what_moves_nobody_there_moves_nobody_here():
    assert moved_by(move_ramp(BASE, 1, "", AUTHOR)) == []
    wider = replace(BASE.experiment, funnel=Funnel(traffic=0.9))
    assert moved_by(update(BASE, wider, BASE.etag, AUTHOR)) == []


def test_a_population_moves_them_in_its_own_name():
    before = PopulationState(define_population(Population(layers={"home": Layer()})), 1)
    after = replace(before.population, layers={"home": Layer(holdout=0.1)})
    base = running(experiment("base", funnel=Funnel(layer=LayerRange("home"))))
    _, _, moved = update_population(before, after, "1", (ALONE, LAST, NEXT, base), AUTHOR)
    assert [(state.experiment.experiment_id, change.action) for state, change in moved] == [
        ("last", "population"),
        ("next", "population"),
        ("base", "population"),
    ]


def test_a_way_round_ends():
    ring = [running(requiring("a", "b")), running(requiring("b", "a"))]
    assert depending_on(["a"], ring) == ring
