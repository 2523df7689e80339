"""What the policy of a proposal knows when it is frozen: what the log teaches it, by the rules of the learner."""

from __future__ import annotations

from collections.abc import Iterator

from engine.definition import define
from engine.experiments import Experiment, ExperimentState
from engine.ledger import RewardLedger
from engine.ports import Reader
from engine.records import Reward, Snapshot
from engine.skimming import Wanted
from engine.snapshots import Growth, why_foreign


def frozen(reader: Reader, state: ExperimentState, proposed: Experiment) -> Snapshot | None:
    """Return what a changed definition of an experiment has learned of its log, or None where no reward matured yet.

    It is learned from the first row on. It begins with the experiment's warm start where that means the same under the
    changed definition.

    Raises:
        InvalidExperiment: a rule is broken.
    """
    defined, last = define(proposed), None
    ledger, growth = RewardLedger(defined), Growth(defined, _root(reader, defined))
    for rewards in _rewards(reader, ledger, defined):
        growth.learn(rewards)
        last = rewards[-1]
    return growth.snapshot(state.epoch, fold_from=ledger.fold_from(last)) if last is not None else None


def _rewards(reader: Reader, ledger: RewardLedger, proposed: Experiment) -> Iterator[list[Reward]]:
    """Yield the rewards of the log, page by page, as far as any matured."""
    first = reader.first_seq(proposed.experiment_id)
    after, wanted = max(first - 1, 0), Wanted.by([proposed])
    while first and (page := reader.skim(wanted, after)):
        rewards = [reward for entry in page for reward in ledger.feed(entry)]
        if rewards:
            yield rewards
        after = page[-1].seq


def _root(reader: Reader, proposed: Experiment) -> Snapshot | None:
    warm = reader.warm_start(proposed.experiment_id)
    return warm if warm and not why_foreign(warm, proposed) else None
