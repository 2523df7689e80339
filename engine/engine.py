"""Everything between a door and the log: decides, and turns what is reported into entries.

An Engine neither commits nor awaits. Its owner appends the entries it returns to the store and then hands them to
`settle`, saves the states that `lifecycle` proposes, and then hands them to `adopt`. So the same engine runs behind
gRPC, in a simulation and in a test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from engine import randomness
from engine.admission import Walk
from engine.assignment import Assigner
from engine.catalog import Catalog, FindSnapshot, Live, revive, staged
from engine.clock import CLOCK_SKEW, Clock
from engine.contacts import Contacts
from engine.errors import InvalidRequest
from engine.experiments import ExperimentState, Variant
from engine.funnel import ForcedUnit, PopulationState
from engine.outcomes import OutcomeRules
from engine.ports import Reader
from engine.records import Assignment, Exposure, Outcome, Reason, Request
from engine.settings import Settings

_ID_LENGTH = 32
_LONGEST_NAME = 200


class Engine:
    """Decides from the registry that `reader` shows, and keeps up with it through `adopt`."""

    def __init__(self, reader: Reader, find_snapshot: FindSnapshot, clock: Clock, settings: Settings) -> None:
        self._find_snapshot = find_snapshot
        self._reader = reader
        self.clock = clock
        self._contacts = Contacts(reader)
        catalog = Catalog.of(reader.states(), find_snapshot, reader.population(), reader.forced_units())
        self.assigner = Assigner(catalog, self._contacts, reader.secret, clock, settings.policy_budget_s)
        self._outcome_rules = OutcomeRules(self.catalog.experiments())
        self._outside: Counter[tuple[str, Reason]] = Counter()

    @property
    def catalog(self) -> Catalog:
        """What the engine decides from at this moment."""
        return self.assigner.catalog

    @property
    def population(self) -> PopulationState:
        """What all experiments share at this moment."""
        return self.catalog.population

    def running(self) -> Sequence[str]:
        """Return the ids of the running experiments that take no candidates, in their order."""
        return self.catalog.running

    @staticmethod
    def walk() -> Walk:
        """Return what requests that are decided together share, so that nothing is worked out twice for a unit."""
        return Walk()

    def decide(self, request: Request, walk: Walk | None = None) -> Assignment:
        """Return the answer to a request for one slot; see `fill`.

        Raises:
            UnknownExperiment: there is none of this id.
            InvalidRequest: the call is wrong, or asks for several slots.
        """
        if request.n_slots > 1:
            raise InvalidRequest("several slots have several answers: ask `fill` for them")
        return self.fill(request, walk)[0]

    def fill(self, request: Request, walk: Walk | None = None) -> tuple[Assignment, ...]:
        """Return the answers, one for each slot that there is a variant for; requests of one batch share a walk.

        Those whose reason `is_logged` are to be appended before they are given away, and then settled.

        Raises:
            UnknownExperiment: there is none of this id.
            InvalidRequest: the call is wrong.
        """
        if len(request.request_id) > _LONGEST_NAME:
            raise InvalidRequest(f"a request id has at most {_LONGEST_NAME} characters")
        if not request.request_id:
            request = replace(request, request_id=randomness.request_id(request.received_at))
        filled = self.assigner.fill(request, walk)
        first = filled[0]
        if not (first.reason.is_logged or request.dry_run):
            self._outside[first.experiment_id, first.reason] += 1
        return filled

    def settle(self, decided: Iterable[Assignment]) -> None:
        """Note that the append of what was decided has ended, well or not: from now on the log alone is asked."""
        self._contacts.settle(decided)

    def outside(self, experiment_id: str) -> Mapping[str, int]:
        """Return how many answers were outside the experiment so far, by reason: they are counted, not logged."""
        return {reason.value: n for (counted, reason), n in self._outside.items() if counted == experiment_id}

    def answered_variant(self, assignment: Assignment) -> Variant:
        """Return the variant of an assignment with its payload, also of a revision that is no longer live.

        Of a candidate it has the name alone: whoever brought it knows what it is.
        """
        name, known = assignment.variant, self.catalog.find(assignment.experiment_id)
        if assignment.revision == known.state.revision:
            return known.by_name.get(name) or Variant(name)
        definition = self._reader.definition(assignment.experiment_id, assignment.revision) or known.experiment
        return next((variant for variant in definition.variants if variant.name == name), None) or Variant(name)

    def check_exposure(self, exposure: Exposure) -> Exposure:
        """Return the exposure.

        Raises:
            InvalidRequest: its id is none, or its time lies ahead.
        """
        _check_assignment_id(exposure.assignment_id)
        _check_time("exposed_at", exposure.exposed_at, exposure.received_at)
        return exposure

    def check_outcome(self, outcome: Outcome) -> Outcome:
        """Return the outcome; a void has neither metric nor value.

        Raises:
            InvalidRequest: it has no id, no target, a name that no metric is made of, a value that the metrics made
                of it do not allow, or a time that lies ahead.
        """
        if not 0 < len(outcome.outcome_id) <= _LONGEST_NAME:
            raise InvalidRequest(f"an outcome needs an `outcome_id` of 1 to {_LONGEST_NAME} characters")
        _check_time("occurred_at", outcome.occurred_at, outcome.received_at)
        if outcome.void_of:
            return replace(outcome, metric="", value=0.0)
        _check_target(outcome)
        self._outcome_rules.check(outcome.metric, outcome.value)
        return outcome

    def adopt(self, state: ExperimentState) -> None:
        """Decide from this state from now on. A running experiment whose state did not move keeps its policy."""
        self.swap_in(self._under(self.population, state))

    def adopt_population(self, population: PopulationState, moved: Iterable[ExperimentState]) -> None:
        """Decide from this population from now on, and from the states of the experiments whose units it moved."""
        by_id = {state.experiment.experiment_id: state for state in moved}
        states = [by_id.get(name, known.state) for name, known in self.catalog.by_id.items()]
        lives = {state.experiment.experiment_id: self._under(population, state) for state in states}
        self.assigner.catalog = replace(self.catalog, by_id=lives, population=population)

    def force(self, forced: ForcedUnit) -> None:
        """Give a unit a variant without a draw from now on, or no longer."""
        self.assigner.catalog = self.catalog.forcing(forced)

    def stage(self, state: ExperimentState) -> Live:
        """Return how the engine would answer with this state's snapshots, verified; `swap_in` makes it so.

        Of the policy and its shadow, the one whose snapshot did not move is kept as it is.

        Raises:
            SnapshotRefused: a snapshot is missing or does not verify.
        """
        return staged(state, self.population, self._find_snapshot, self._before(state))

    def swap_in(self, staged: Live) -> None:
        """Decide from this from now on."""
        self.assigner.catalog = self.catalog.with_(staged)
        self._outcome_rules = OutcomeRules(self.catalog.experiments())

    def _under(self, population: PopulationState, state: ExperimentState) -> Live:
        """Return how an experiment answers under a population; a policy is restored only where it may differ."""
        return revive(state, population, self._find_snapshot, self._before(state))

    def _before(self, state: ExperimentState) -> Live | None:
        return self.catalog.by_id.get(state.experiment.experiment_id)


def _check_assignment_id(text: str) -> None:
    if len(text) != _ID_LENGTH or set(text) - set("0123456789abcdef"):
        raise InvalidRequest(f"{text[:40]!r} is no assignment id: send the one that the answer carried")


def _check_time(name: str, moment: datetime, now: datetime) -> None:
    if moment > now + CLOCK_SKEW:
        raise InvalidRequest(f"`{name}` lies ahead: {moment.isoformat()} is after the clock's {now.isoformat()}")


def _check_target(outcome: Outcome) -> None:
    if outcome.assignment_id:
        _check_assignment_id(outcome.assignment_id)
    elif outcome.unit is None or not outcome.unit.id or not outcome.unit.type:
        raise InvalidRequest("an outcome belongs to an assignment, or to a unit with type and id: send one of the two")
