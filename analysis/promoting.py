"""Whether a proposal may become the next revision of its experiment, and whether what came after confirms it.

The proposal was frozen before the draws that it is judged by, and the interval of its difference to what served holds
at any look: so it may be asked as often as anybody likes. Of the error that all attempts together may make, attempt j
spends the share 6 / (pi j)**2, as sum_j 1 / j**2 = pi**2 / 6 (the convergent series by which Robbins, 1970, and online
testing since spend an error over comparisons without end).

This decides, and asks the server by the contract with the evaluation as evidence, as `analysis.ramping` does for a
ramp: the engine knows no statistics. Afterwards the control group says by itself whether the policy is better than the
control since.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from analysis import adaptive, designs
from analysis.document import Row, Word
from analysis.estimate import LEVEL, Estimate, Holds, Scale
from analysis.logs import epochs, frames
from analysis.logs.frames import Frame
from analysis.logs.sources import LogSource
from analysis.ope.evaluating import evaluate
from analysis.ope.evaluation import Evaluable, Evaluation
from analysis.ope.logged import Logged
from analysis.ope.stores.asking import is_reader, opening
from analysis.ope.stores.reading import read
from analysis.ope.targets.served import Served
from analysis.texts import Number, Style, Text, count, plain, share, text
from engine.errors import InvalidRequest, SnapshotRefused
from engine.expansion import expanded
from engine.experiments import Change, Experiment, Looking
from engine.metrics import Better
from engine.policies import build
from engine.proposals import Proposal, found
from engine.snapshots import verify

_STYLES = {Scale.RELATIVE: Style.SIGNED_SHARE, Scale.POINTS: Style.POINTS}
_SAID = {Word.BETTER: "confirms", Word.WORSE: "contradicts", Word.NOT_CLEAR: "unclear"}
_AT_ANY_LOOK = (Holds.ALWAYS, Holds.ALWAYS_IN_THE_LIMIT)
_PROMOTE = "promote"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a proposal may be promoted, and the evidence in one sentence."""

    may_be: bool
    sentence: Text


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the contrast of groups says since a promotion: its word, its estimate where there is one, and a sentence."""

    word: Word
    estimate: Estimate | None
    sentence: Text


@dataclass(frozen=True, slots=True)
class Evidence:
    """The report that decides on an attempt: its evaluation, of draws after the row `frozen_seq` of a node's log.

    The log ended with the row `read_to` when it began to be read.
    """

    experiment: str
    attempt: int
    node: str
    frozen_seq: int
    read_to: int
    level: float
    evaluation: Evaluation


def level_of(attempt: int) -> float:
    """Return the level at which the interval of an attempt must hold, so that all attempts hold together at LEVEL.

    >>> round(level_of(1), 6), round(level_of(2), 6)
    (0.969604, 0.992401)
    >>> round(1 - sum(1 - level_of(attempt) for attempt in range(1, 100_000)), 6)
    0.95
    """
    return 1 - (1 - LEVEL) * 6 / (math.pi * attempt) ** 2


@dataclass(frozen=True, slots=True)
class Trial:
    """What a proposal is judged by: draws, its policy, the first moment that counts, and the level of its attempt.

    The log ended with the row `read_to` when it began to be read.
    """

    log: Logged
    target: Served
    since: int | None
    level: float
    read_to: int

    def evaluation(self) -> Evaluation:
        """Return what the proposal would have earned since it was frozen.

        Raises:
            InvalidRequest: the log cannot be asked about it.
        """
        return evaluate(self.log, self.target, since=self.since, level=self.level)


def trial(log: str | Path | LogSource, proposal: Proposal) -> Trial:
    """Return what a proposal is judged by, in the directory of its store or in a reader of it.

    What a draw earns is the reward of the experiment as it is, or where it has none its primary metric. Earlier draws
    teach the model of the reward.

    Raises:
        UnknownProposal: the store has no such attempt.
        InvalidRequest: the store has another one of this number, or the log cannot be asked about it.
        SnapshotRefused: what its policy knew does not verify any more.
        StoreUnavailable: there is no store in the directory.
    """
    target, metric, read_to = _asked(log, proposal)
    draws = read(log, proposal.experiment_id, metric=metric)
    return Trial(draws, target, _begin(draws, proposal.frozen_seq), level_of(proposal.attempt), read_to)


def judged(log: str | Path | LogSource, proposal: Proposal) -> Evidence:
    """Return what a proposal would have earned on the draws of its store since it was frozen, at its attempt's level.

    Raises:
        ArmliftError: as `trial` says.
    """
    found = trial(log, proposal)
    return Evidence(
        experiment=proposal.experiment_id,
        attempt=proposal.attempt,
        node=proposal.frozen_node,
        frozen_seq=proposal.frozen_seq,
        read_to=found.read_to,
        level=found.level,
        evaluation=found.evaluation(),
    )


def decide(evaluation: Evaluation, attempt: int) -> Decision:
    """Return whether an attempt may be promoted: its difference is above 0 at any look, and the log can say so.

    Raises:
        ValueError: the difference does not hold at any look, or not at the level of this attempt.
    """
    earned, word = evaluation.difference_anytime, evaluation.verdict.word
    if word is Evaluable.NO or earned.value is None or earned.interval is None:
        reasons = evaluation.verdict.reasons or ((earned.note,) if earned.note else ())
        why = reasons or text("ope.promotion.no_interval")
        return Decision(False, text("ope.promotion.unsaid", attempt=plain(attempt), reasons=why))
    if earned.holds not in _AT_ANY_LOOK or earned.level < level_of(attempt) - 1e-12:
        raise ValueError(f"attempt {attempt} is judged at any look at {level_of(attempt)}, and this is {earned}")
    low, high = earned.interval
    evidence = text(
        "ope.promotion.evidence",
        difference=_signed(earned, earned.value),
        low=_signed(earned, low),
        high=_signed(earned, high),
        level=Number(earned.level, Style.SHARE, 2),
        n=count(earned.n),
    )
    which, verdict = "above" if low > 0 else "below", text(f"ope.{word.name.lower()}")
    return Decision(low > 0, text(f"ope.promotion.{which}", attempt=plain(attempt), evidence=evidence, verdict=verdict))


def promoted(history: Sequence[Change]) -> Change | None:
    """Return the latest promotion of an experiment's history, or None."""
    return next((change for change in reversed(history) if change.action == _PROMOTE), None)


def confirmation(log: LogSource, experiment_id: str) -> Confirmation | None:
    """Return what the contrast of groups says since the latest promotion, at any look, or None without a promotion.

    Once another definition serves, what comes then is not counted. It is of the primary metric, and of the policy as a
    whole against the control: it says whether what serves is better than the control, and not by how much it is better
    than what served before.

    Raises:
        UnknownExperiment: the log has no such experiment.
    """
    return confirmed(frames.read(log, experiment_id), log.history(experiment_id))


def confirmed(frame: Frame, history: Sequence[Change]) -> Confirmation | None:
    """Return what the contrast of groups says by the frame of an experiment of this history, as `confirmation` does."""
    change = promoted(history)
    if change is None:
        return None
    end = _replaced(history, change)
    if end is None:
        return _since(_at_any_look(frame), change.epoch)
    found = _since(epochs.before(_at_any_look(frame), end), change.epoch)
    return replace(found, sentence=text("ope.promotion.replaced", found=found.sentence, epoch=plain(end)))


def _replaced(history: Sequence[Change], promotion: Change) -> int | None:
    """Return the first epoch that another definition began after a promotion, or None where that one still serves."""
    later = history[history.index(promotion) :]
    return next(
        (now.epoch for was, now in pairwise(later) if now.revision > was.revision and now.epoch > was.epoch), None
    )


def _since(frame: Frame, epoch: int) -> Confirmation:
    since = epochs.since(frame, epoch)
    if not since.assignments.is_control_group.any():
        return Confirmation(Word.NOT_EVALUABLE, None, text("ope.promotion.no_groups", epoch=plain(epoch)))
    row = _contrast(since)
    estimate = row.anytime
    if estimate is None or estimate.interval is None:
        return Confirmation(Word.NOT_EVALUABLE, estimate, text("ope.promotion.too_few", epoch=plain(epoch)))
    low, high = estimate.interval
    sentence = text(
        f"ope.promotion.{_SAID.get(row.word, 'unclear')}",
        epoch=plain(epoch),
        metric=since.experiment.primary.name,
        low=_signed(estimate, low),
        high=_signed(estimate, high),
        level=share(estimate.level),
    )
    return Confirmation(row.word, estimate, sentence)


def _contrast(frame: Frame) -> Row:
    """Return the policy's group against the control's in the primary metric."""
    tables = designs.learned(frame, in_full=False).metrics[frame.experiment.primary.name].tables
    groups = next(table for table in tables if table.key == "groups")
    return next(row for row in groups.rows if row.name == adaptive.GROUPS[adaptive.POLICY_GROUP])


def _at_any_look(frame: Frame) -> Frame:
    experiment = frame.experiment
    often = replace(experiment, plan=replace(experiment.plan, looking=Looking.ANY))
    return replace(frame, state=replace(frame.state, experiment=often))


def _asked(log: str | Path | LogSource, proposal: Proposal) -> tuple[Served, str | None, int]:
    """Return a proposal's policy as it was frozen, the metric that stands in for a reward, and the log's last row."""
    name, attempt = proposal.experiment_id, proposal.attempt
    with opening(log)() as reader:
        if not is_reader(reader) or found(reader.proposals(name), name, attempt) != proposal:
            raise InvalidRequest(f"attempt {attempt} of {name!r} in this log is another one: name the server's store")
        state = reader.state(name)
        learned = reader.frozen(name, proposal.snapshot) if proposal.snapshot else None
        experiment = expanded(proposal.experiment, reader.population().population)
        read_to = reader.last_seq()
    assert state is not None, "it has a proposal"
    if proposal.snapshot and learned is None:
        raise SnapshotRefused(f"what attempt {attempt} of {name!r} had learned is not in the store: propose it again")
    policy = verify(learned, experiment) if learned else build(experiment)
    called = text("ope.promotion.attempt", attempt=plain(attempt))
    return Served(experiment, policy, called), metric_of(state.experiment), read_to


def metric_of(experiment: Experiment) -> str | None:
    """Return the metric by which policies of an experiment are judged: None for its reward, where it has one.

    Raises:
        InvalidRequest: it has none, and its primary metric is better where it is lower.
    """
    if experiment.reward:
        return None
    primary = experiment.primary
    if primary.better is Better.LOWER:
        name = experiment.experiment_id
        raise InvalidRequest(
            f"{name!r} has no reward, and {primary.name!r} is better where it is lower: give it a reward"
        )
    return primary.name


def _begin(log: Logged, frozen_seq: int) -> int | None:
    """Return the moment, in microseconds, after the last draw up to row `frozen_seq`; None where there is none.

    What is judged is chosen by time: a later row that was made before that moment is not judged.
    """
    before = log.at[log.row <= frozen_seq]
    return int(np.max(before)) + 1 if len(before) else None


def _signed(estimate: Estimate, value: float) -> Number:
    return Number(value, _STYLES.get(estimate.scale, Style.SIGNED))
