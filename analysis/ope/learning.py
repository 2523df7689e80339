"""Off-policy learning with an evaluation split by time: a policy that the first part of a log teaches.

What comes back is a target that is judged on later draws alone (its `since`), so never on what trained it. Every policy
of the engine that learns can be taught so; on Vowpal Wabbit, a contextual one (Bietti, Agarwal and Langford 2021,
JMLR 22(133)).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, islice, takewhile
from pathlib import Path

import numpy as np

from analysis.logs.crediting import micros
from analysis.logs.sources import LogSource
from analysis.ope.logged import Logged
from analysis.ope.models.lessons import Scale, definition_of, lessons
from analysis.ope.stores.asking import is_reader, opening
from analysis.ope.targets.served import Served
from analysis.texts import Number, Style, Text, share, text
from engine.clock import to_micros
from engine.definition import define
from engine.errors import InvalidRequest, UnknownExperiment
from engine.expansion import expanded
from engine.experiments import Experiment
from engine.funnel import Population
from engine.ledger import RewardLedger
from engine.policies import LearningPolicy, learned_policy
from engine.ports import Reader
from engine.records import Entry, Erasure, Reward
from engine.skimming import Passed, Wanted
from engine.snapshots import Growth
from engine.specs import PolicySpec
from engine.understanding import Understanding

_PAGE = 10_000
_AT_ONCE = 10_000
"""So many rewards are learned in one call."""


def learn(
    log: Logged | Iterable[Logged],
    taught: Experiment | PolicySpec,
    *,
    until: float | datetime,
    age: timedelta | None = None,
) -> Served:
    """Return a policy that learned, in their order, the draws up to a time, or the first share of a log in memory.

    `taught` is a definition, or a policy alone, which then knows the variants and fields that the log shows. A reward
    is known `age` after its draw: a definition's maturity age unless said otherwise, and at once for a policy alone.
    What was not known by that time is not learned, and what was drawn by then is not judged.

    Raises:
        InvalidRequest: the policy does not learn, there is no such share, or what was known by then teaches nothing.
        InvalidExperiment: the definition is refused.
    """
    known_as = _defined(taught, Population()) if isinstance(taught, Experiment) else taught
    _check_learns(known_as)
    end = _end(log, until)
    blocks = iter([log] if isinstance(log, Logged) else log)
    known = (block[block.at + micros(_age(known_as, age)) <= end] for block in blocks)
    first = next((block for block in known if len(block)), None)
    if first is None:
        raise InvalidRequest("no reward was known by that time: let it learn from a longer part of the log")
    experiment = known_as if isinstance(known_as, Experiment) else definition_of(first, known_as)
    scale = Scale.of(first)
    rewards = (reward for block in chain([first], known) for reward in lessons(block, experiment, scale))
    return Served(experiment, _learned(experiment, rewards), _name(experiment, until), since=end + 1)


def learn_from(
    log: str | Path | LogSource, experiment_id: str, *, until: datetime, taught: Experiment | None = None
) -> Served:
    """Return a policy that learned what had matured of a store's experiment by a time, as its learner would have.

    `taught` is another definition than the experiment's own; what an exposure is, is as it was there.

    Raises:
        UnknownExperiment: the store has no such experiment.
        InvalidRequest: the policy does not learn, the log has no rows, or nothing had matured that it could learn.
        InvalidExperiment: the definition is refused.
    """
    with opening(log)() as reader:
        state = reader.state(experiment_id)
        if state is None:
            raise UnknownExperiment(f"there is no experiment {experiment_id!r} in this log: check its name")
        if not is_reader(reader):
            raise InvalidRequest("only a store has the rows that a policy learns from: name the store of this log")
        experiment = _defined(taught or state.experiment, reader.population().population)
        _check_learns(experiment)
        there = replace(experiment, experiment_id=experiment_id, exposure=state.experiment.exposure)
        policy = _learned(experiment, _matured(reader, there, until))
    return Served(experiment, policy, _name(experiment, until), since=to_micros(until) + 1)


def _defined(definition: Experiment, population: Population) -> Experiment:
    """Return a definition in full, with its conditions written out."""
    return expanded(define(definition), population)


def _check_learns(taught: Experiment | PolicySpec) -> None:
    spec = taught.policy if isinstance(taught, Experiment) else taught
    if not spec.learns:
        raise InvalidRequest(f"the policy {spec.kind} does not learn: evaluate it as it is")


def _age(taught: Experiment | PolicySpec, age: timedelta | None) -> timedelta:
    if age is not None:
        return age
    return taught.maturity_age if isinstance(taught, Experiment) else timedelta(0)


def _end(log: Logged | Iterable[Logged], until: float | datetime) -> int:
    """Return the time up to which is learned, in microseconds."""
    if isinstance(until, datetime):
        return to_micros(until)
    if not isinstance(log, Logged) or not len(log):
        raise InvalidRequest("a share is one of a log in memory that has draws: give a time instead")
    if not 0 < until < 1:
        raise InvalidRequest(f"a share must be above 0 and below 1, and this is {until}: take 0.5, as an example")
    return int(np.partition(log.at, place := math.ceil(until * len(log)) - 1)[place])


def _matured(reader: Reader, experiment: Experiment, until: datetime) -> Iterator[Reward]:
    """Yield the rewards that had matured by a time, in the learner's order."""
    ledger = RewardLedger(experiment)
    seq = 0
    for entry in takewhile(lambda each: _came(each, until), _entries(reader, experiment)):
        seq = entry.seq
        yield from ledger.feed(entry)
    # The log's time may not have reached it: what is of age by then is known by then.
    yield from ledger.feed(Passed(seq + 1, until))


def _entries(reader: Reader, experiment: Experiment) -> Iterator[Entry | Passed]:
    wanted, after = Wanted.by([experiment]), 0
    while page := reader.skim(wanted, after, _PAGE):
        yield from page
        after = page[-1].seq


def _came(entry: Entry | Passed, until: datetime) -> bool:
    return isinstance(entry, Erasure) or entry.received_at <= until


def _learned(experiment: Experiment, rewards: Iterable[Reward]) -> LearningPolicy:
    """Return the policy that some rewards taught."""
    understanding, growth = Understanding(experiment), Growth(experiment, None)
    understood = (lesson for reward in rewards if (lesson := understanding.of(reward)) is not None)
    while some := list(islice(understood, _AT_ONCE)):
        growth.learn(some)
    if not growth.n_rewards:
        raise InvalidRequest(f"{experiment.experiment_id!r} can learn nothing of what was known by then: ask for later")
    return learned_policy(experiment, growth.snapshot(epoch=0).blob)


def _name(experiment: Experiment, until: float | datetime) -> Text:
    policy = experiment.policy.kind
    if isinstance(until, datetime):
        return text("ope.model.learned", policy=policy, at=Number(until.timestamp(), Style.MOMENT))
    return text("ope.model.learned_share", policy=policy, share=share(until))
