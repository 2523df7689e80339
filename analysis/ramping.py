"""The ramp's evaluator process: looks at running ramps, and asks the server for their next step, or for the way back.

Run by the server as `python -m analysis.ramping DIRECTORY ADDRESS PID`, PID being the server's. It ends when the server
does, however that ends.

It is a process of its own because the server must not know statistics: `engine` imports nothing of `analysis`, so that
nothing here can slow or stop an answer. It reads the log as a report does and asks by the contract, as a person would
with `armlift`, with the evidence as the reason, so that every step is in the history. The server checks the order of
steps and the time that a step has to last; without this process a ramp stays where it is. A ramp that is held is not
moved, so the history has nothing of it; the log of this process says when it begins.

A guardrail is watched at every step, the last one too, and sends the ramp back at once. A ramp that was rolled back is
left to people. Statistics are loaded when the first ramp runs, because most servers never have one.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.clock import from_micros
from engine.errors import ArmliftError, InvalidTransition, StaleEtag
from engine.experiments import ROLLED_BACK, ExperimentState, Status
from engine.ports import Reader
from engine.service.companions import accompany
from engine.service.management import Management
from engine.storage import open_reader

if TYPE_CHECKING:
    from analysis.judging import Finding

ACTOR = "ramp"
"""In whose name steps are taken."""

EVERY_S = 5.0
"""The seconds between two looks."""

_SHARE = 0.1
"""The share of the time that looks may take where the log is long."""

_PARENT_S = 0.5
_log = logging.getLogger(__name__)


class Evaluator:
    """Looks at the running ramps of a store, and asks for their steps."""

    def __init__(self, reader: Reader, management: Management) -> None:
        self._reader = reader
        self._management = management
        self._states: list[ExperimentState] = []
        self._revision = -1
        self._found: dict[str, tuple[tuple[str, int], Finding]] = {}
        self._held: set[str] = set()

    def look(self) -> None:
        """Look at each running ramp once, and ask for what follows; what is refused is asked for again later."""
        for state in self._ramps():
            try:
                self._follow(state, self._finding(state))
            except (InvalidTransition, StaleEtag) as refused:
                # The step has to last longer, or somebody was faster: the next look sees what is there then.
                _log.debug("%s was not moved: %s", state.experiment.experiment_id, refused)
            except ArmliftError as error:
                _log.error("the ramp of %s was not moved: %s", state.experiment.experiment_id, error)
            except Exception:
                # One log that cannot be read must not keep the others from being watched.
                _log.exception("the ramp of %s cannot be judged", state.experiment.experiment_id)

    def _ramps(self) -> list[ExperimentState]:
        revision = self._reader.catalog_revision()
        if revision != self._revision:
            self._states, self._revision = [state for state in self._reader.states() if _is_climbing(state)], revision
        return self._states

    def _finding(self, state: ExperimentState) -> Finding:
        """Return what the log says of a ramp: what it said before, where nothing came since."""
        from analysis.judging import judge

        experiment_id, read = state.experiment.experiment_id, (state.etag, self._reader.last_seq())
        if experiment_id not in self._found or self._found[experiment_id][0] != read:
            self._found[experiment_id] = read, judge(self._reader, experiment_id)
        return self._found[experiment_id][1]

    def _follow(self, state: ExperimentState, finding: Finding) -> None:
        from analysis.judging import Decision

        self._note_hold(state, finding, is_held=finding.decision is Decision.HOLD)
        if finding.decision is Decision.ROLL_BACK:
            self._move(state, ROLLED_BACK, finding)
        elif finding.decision is Decision.GO_ON and self._may_be_over(state):
            self._move(state, state.step + 1, finding)

    def _note_hold(self, state: ExperimentState, finding: Finding, *, is_held: bool) -> None:
        experiment_id = state.experiment.experiment_id
        if is_held and experiment_id not in self._held:
            _log.warning("the ramp of %s is held: %s", experiment_id, finding.evidence)
        (self._held.add if is_held else self._held.discard)(experiment_id)

    def _may_be_over(self, state: ExperimentState) -> bool:
        """Whether there is a next step, and by the wall or by the log the time of this one may have passed.

        The server knows which clock it goes by, and decides.
        """
        ramp = state.experiment.funnel.ramp
        if state.step + 1 >= len(ramp):
            return False
        now = max(datetime.now(UTC), from_micros(self._reader.ended_at()))
        return state.step_at is None or now >= state.step_at + ramp[state.step].lasts

    def _move(self, state: ExperimentState, step: int, finding: Finding) -> None:
        experiment_id = state.experiment.experiment_id
        self._management.move_ramp(experiment_id, step, state.etag, finding.evidence)
        _log.info("the ramp of %s: %s (%s)", experiment_id, finding.decision.value, finding.evidence)


def _is_climbing(state: ExperimentState) -> bool:
    return state.status is Status.RUNNING and bool(state.experiment.funnel.ramp) and state.step > ROLLED_BACK


def run(directory: Path, address: str, server: int, every_s: float = EVERY_S) -> None:
    """Look at the ramps until the process `server`, which started this one, is gone."""
    with closing(open_reader(directory)) as reader, Management(address, ACTOR) as management:
        evaluator = Evaluator(reader, management)
        while os.getppid() == server:
            started = time.monotonic()
            evaluator.look()
            _rest(max(every_s, (time.monotonic() - started) / _SHARE), server)


def _rest(seconds: float, server: int) -> None:
    """Sleep, but not longer than the server lives."""
    until = time.monotonic() + seconds
    while os.getppid() == server and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _PARENT_S))


def main() -> None:
    """Run as the server's companion, by the arguments of the command line."""
    logging.basicConfig(level=logging.INFO, format="ramp: %(message)s")
    accompany("the ramp's evaluator", run)


if __name__ == "__main__":
    main()
