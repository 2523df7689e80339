"""From a log and a policy to what it would have earned: each block is looked at once, and what it says is added up.

Where a log was collected by a policy that does not change, the value at one look is modelled by random folds, and the
one at any look by earlier rows alone, as a sequence must be. Where the policy learned, both are of earlier rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from analysis.estimate import LEVEL, Estimate, Scale, Validity, not_evaluable
from analysis.ope.evaluation import Evaluable, Evaluation, Verdict
from analysis.ope.gathering import Asked, Gathered
from analysis.ope.intervals.by_name import NAMES
from analysis.ope.logged import Collection, Logged
from analysis.ope.models.base import Ready, RewardModel
from analysis.ope.models.predicting import predictor
from analysis.ope.models.ridge import Ridge
from analysis.ope.targets.base import Target
from analysis.texts import Text, text
from engine.errors import InvalidRequest

Log = Logged | Iterable[Logged]
"""Draws in the order in which they were made: all at once, or in blocks that are read once."""


def evaluate(
    log: Log,
    target: Target,
    *,
    against: Target | None = None,
    model: RewardModel | Ready | None = None,
    since: int | None = None,
    interval: str = NAMES[0],
    level: float = LEVEL,
    forced: bool = False,
) -> Evaluation:
    """Return what a target would have earned on a log, and how much more than another policy, the logged one at first.

    The headline is doubly robust, with a `model` of the reward (ridge regressions on the context, unless another is
    given). Draws before `since`, in microseconds, are not judged, nor are those before a target was fixed.

    `interval` is that of the value and of the difference at one look, by a name of `intervals.by_name`; where the log
    does not allow the one that was asked for, it says why. `level` is that of the intervals that hold at any look.
    Where the log cannot say it there are no numbers, unless it is `forced`.

    Raises:
        InvalidRequest: rows or a policy's answers are no probabilities, or not of these draws: it says which. Or there
            is no interval of that name.
    """
    for each in (target, against) if against is not None else (target,):
        _check_is_policy(each)
    if not 0 < level < 1:
        raise InvalidRequest(f"a level is between 0 and 1, as 0.95, and this is {level}")
    blocks, collection = _opened(log)
    asked, by = Asked(target, against, since, interval), model or Ridge()
    folds = None
    if isinstance(log, Logged) and not collection.is_adaptive:
        folds = predictor(log if asked.begin is None else log[log.at >= asked.begin], by, is_adaptive=False)
    gathered = Gathered.by(asked, collection, folds, predictor(None, by, is_adaptive=True))
    for block in blocks:
        gathered.add(block)
    return _written(gathered, level=level, forced=forced)


def _check_is_policy(target: object) -> None:
    # A name or a function is what people try first.
    if not hasattr(target, "probabilities"):
        raise InvalidRequest(
            f"{target!r:.80} is no policy to ask about: give one, as ope.always(NAME), ope.uniform(), "
            "ope.of_file(PATH), ope.function(f) or ope.given(TABLE)"
        )


def _opened(log: Log) -> tuple[Iterator[Logged], Collection]:
    """Return the blocks, and how the log was collected: all of its blocks alike."""
    if isinstance(log, (str, Path)):
        raise InvalidRequest(f"{str(log)!r} is where a log is: read it first, as by ope.read({str(log)!r}, EXPERIMENT)")
    blocks = iter([log]) if isinstance(log, Logged) else iter(log)
    first = next(blocks, None)
    if first is None:
        raise InvalidRequest("the log has no blocks: give draws, or check the file that they are read from")
    # A log from elsewhere does not say how many slots it has.
    n_slots = max(first.collection.n_slots, first.longest_slate)
    return chain([first], blocks), replace(first.collection, n_slots=n_slots).of_answers


def _written(found: Gathered, *, level: float, forced: bool) -> Evaluation:
    """Return what all blocks said together."""
    asked, share = found.asked, found.collection.is_share
    scale = Scale.SHARE if share else Scale.AMOUNT
    value, other, difference = _estimands(asked, found.collection)
    verdict = found.evidence.verdict(found.n_open, found.n_left_out)
    whole = Evaluation(
        policy=asked.target.name,
        against=asked.other,
        model=found.model,
        verdict=verdict,
        value=found.once.value.estimate(value, scale),
        value_anytime=found.always.value.estimate(value, scale, level=level),
        difference=found.once.difference.estimate(difference, scale.difference),
        difference_anytime=found.always.difference.estimate(difference, scale.difference, level=level),
        other=found.once.other.estimate(other, scale),
        panel=found.once.panel.estimates(value, scale),
        agreement=found.once.panel.agreement(),
        slope=found.once.panel.slope(),
        diagnostics=found.evidence.diagnostics(found.n_open, found.n_left_out),
        overlap=found.evidence.overlap(),
        left_out=found.counts(),
    )
    if whole.value.value is None and verdict.word is not Evaluable.NO:
        # No interval holds, whatever the weights are like.
        whole = replace(whole, verdict=Verdict(Evaluable.NO, (*filter(None, [whole.value.note]), *verdict.reasons)))
    if whole.verdict.word is Evaluable.NO:
        return _marked(whole) if forced else _without_numbers(whole)
    return whole if forced else _compared(whole, found)


def _compared(whole: Evaluation, found: Gathered) -> Evaluation:
    """Return an evaluation without the difference, where the log cannot say what the other policy would have earned."""
    if found.asked.against is None:
        return whole
    verdict = found.other_evidence.verdict(found.n_open, found.n_left_out)
    if verdict.word is not Evaluable.NO:
        return whole
    reason = text("ope.other_is_not", policy=found.asked.other, reason=verdict.reasons[0])
    return replace(
        whole,
        other=_silent(whole.other, reason),
        difference=_silent(whole.difference, reason),
        difference_anytime=_silent(whole.difference_anytime, reason),
    )


def _estimands(asked: Asked, collection: Collection) -> tuple[Text, Text, Text]:
    """Return what the value, the other policy's value and their difference are of."""
    reward, policy = collection.estimand, asked.target.name
    named = asked.against is not None
    other = text("ope.value", reward=reward, policy=asked.other) if named else text("ope.served", reward=reward)
    difference = text("ope.difference", reward=reward, policy=policy, against=asked.other)
    return text("ope.value", reward=reward, policy=policy), other, difference


def _without_numbers(found: Evaluation) -> Evaluation:
    """Return an evaluation without the numbers that the log cannot say, with the reason in place of each."""
    reason = found.verdict.reasons[0]
    return replace(_each(found, lambda number: _silent(number, reason)), panel=())


def _silent(estimate: Estimate, reason: Text) -> Estimate:
    return not_evaluable(reason, estimate.estimand, estimate.n, scale=estimate.scale)


def _marked(found: Evaluation) -> Evaluation:
    """Return an evaluation whose numbers were forced, each with the reason not to believe it."""
    note = text("ope.forced", reason=found.verdict.reasons[0])
    # A biased one stays biased.
    panel = tuple(_forced(each, each.note or note) for each in found.panel)
    return replace(_each(found, lambda number: _forced(number, note)), panel=panel)


def _each(found: Evaluation, change: Callable[[Estimate], Estimate]) -> Evaluation:
    """Return an evaluation with another value and difference, at one look and at any."""
    return replace(
        found,
        value=change(found.value),
        value_anytime=change(found.value_anytime),
        difference=change(found.difference),
        difference_anytime=change(found.difference_anytime),
    )


def _forced(estimate: Estimate, note: Text) -> Estimate:
    return estimate if estimate.value is None else replace(estimate, validity=Validity.FORCED, note=note)
