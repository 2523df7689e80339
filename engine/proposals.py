"""What a proposal is: a changed definition that waits for its evidence; `promotion.py` has the rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from engine.errors import UnknownProposal
from engine.experiments import Experiment
from engine.records import Snapshot


class Standing(Enum):
    """What became of a proposal; nothing becomes of it after it was promoted, forced or withdrawn."""

    WAITING = "waiting"
    PROMOTED = "promoted"
    """Its evidence decided, and its definition is a revision of the experiment."""
    FORCED = "forced"
    """Its definition is a revision of the experiment, without evidence."""
    WITHDRAWN = "withdrawn"


SERVED = (Standing.PROMOTED, Standing.FORCED)
"""Where a proposal's definition became a revision of its experiment."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """Who decided what becomes of a proposal, when and why; `revision` and `epoch` are the experiment's after it.

    `evidence` is the hash of the report that decided, empty where none did.
    """

    at: datetime
    actor: str
    reason: str
    revision: int
    epoch: int
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A changed definition, frozen before the draws that it is judged by.

    `attempt` counts an experiment's proposals from 1 on, and no number comes twice: what an attempt may be wrong by is
    spent, whatever becomes of it. The definition was changed from `base_revision`. Only draws of `frozen_node` of a seq
    above `frozen_seq` count. `snapshot` is the hash of what its policy knows, empty where it learns nothing.
    """

    experiment: Experiment
    attempt: int
    base_revision: int
    frozen_at: datetime
    frozen_node: str
    frozen_seq: int
    actor: str
    reason: str
    snapshot: str = ""
    standing: Standing = Standing.WAITING
    settlement: Settlement | None = None

    @property
    def experiment_id(self) -> str:
        """The experiment that it would change."""
        return self.experiment.experiment_id


@dataclass(frozen=True, slots=True)
class Filed:
    """A proposal as it is kept, with what its policy had learned when it was new, or with the report that decided."""

    proposal: Proposal
    learned: Snapshot | None = None
    evidence: str = ""


def found(proposals: Iterable[Proposal], experiment_id: str, attempt: int) -> Proposal:
    """Return an attempt of an experiment among its proposals.

    Raises:
        UnknownProposal: there was no such attempt.
    """
    for proposal in proposals:
        if proposal.attempt == attempt:
            return proposal
    raise UnknownProposal(f"{experiment_id!r} has no attempt {attempt}: see `armlift policy proposals {experiment_id}`")
