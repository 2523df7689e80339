"""Policies that do not serve against the one that does, as the report shows them: a shadow, and what is proposed.

After a promotion, what the control group says of it. Nothing is read where there is none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from analysis import promoting
from analysis.designs import shadow as shadows
from analysis.document import Candidate, Verdict, Word
from analysis.logs.frames import Frame
from analysis.logs.sources import LogSource
from analysis.ope import showing
from analysis.ope.course import over_time
from analysis.ope.evaluating import evaluate
from analysis.ope.evaluation import Evaluable, Evaluation
from analysis.ope.stores.asking import is_reader
from analysis.ope.stores.reading import read
from analysis.texts import Text, plain, text
from engine.errors import ArmliftError
from engine.experiments import Experiment
from engine.metrics import Better
from engine.promotion import is_outdated
from engine.proposals import Proposal, Standing


def candidates(log: LogSource, frame: Frame) -> Iterator[Candidate]:
    """Yield the shadow of an experiment, the proposals that wait, and what became of the latest promotion."""
    for title, make in _asked(log, frame):
        try:
            yield from make(title)
        except ArmliftError as refused:
            # One that cannot be judged keeps no other from it.
            why = text("ope.candidate.refused", why=str(refused))
            yield Candidate(title, Verdict(Word.NOT_EVALUABLE, why, ()))
    found = promoting.confirmed(frame, log.history(frame.experiment.experiment_id))
    if found is not None:
        yield Candidate(text("ope.candidate.promotion"), Verdict(found.word, found.sentence, ()))


_Make = Callable[[Text], Iterator[Candidate]]


def _asked(log: LogSource, frame: Frame) -> Iterator[tuple[Text, _Make]]:
    """Yield what there is to be judged by its title; only a store has proposals."""
    experiment = frame.experiment
    if experiment.shadow is not None:
        policy = text(f"policy.{experiment.shadow.kind}")
        yield text("ope.candidate.shadow", policy=policy), partial(_shadow, log, frame)
    for proposal in log.proposals(experiment.experiment_id) if is_reader(log) else ():
        if proposal.standing is Standing.WAITING and not is_outdated(frame.state, proposal):
            title = text("ope.candidate.proposal", attempt=plain(proposal.attempt))
            yield title, partial(_proposal, log, proposal)


def _shadow(log: LogSource, frame: Frame, title: Text) -> Iterator[Candidate]:
    """Yield the shadow by what it would have drawn from; nothing where nothing of it is logged yet."""
    target = shadows.logged(log, frame)
    if target is None:
        return
    metric, better = _measure(frame.experiment)
    draws = target.only(read(log, frame.experiment.experiment_id, metric=metric))
    found = evaluate(draws, target)
    course = over_time(draws, target) if _has_numbers(found) else None
    yield showing.candidate(found, title, course, better)


def _measure(experiment: Experiment) -> tuple[str | None, Better]:
    """Return by what a shadow is judged, None for the reward: nothing is decided, so less may well be better."""
    primary = experiment.primary
    return (None, Better.HIGHER) if experiment.reward else (primary.name, primary.better)


def _proposal(log: LogSource, proposal: Proposal, title: Text) -> Iterator[Candidate]:
    """Yield a proposal by the draws since it was frozen, at the level that its attempt asks for."""
    trial = promoting.trial(log, proposal)
    found = trial.evaluation()
    course = None
    if _has_numbers(found):
        course = over_time(trial.log, trial.target, since=trial.since, level=trial.level)
    yield showing.candidate(found, title, course)


def _has_numbers(found: Evaluation) -> bool:
    return found.verdict.word is not Evaluable.NO
