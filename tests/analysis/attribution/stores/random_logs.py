"""A random log with everything in it that a reader has to think of, and its journeys found slowly, unit by unit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from analysis.attribution.events import Windows
from analysis.attribution.journeys import By, Journeys
from engine.definition import define
from engine.experiments import Brief, ContextField, Experiment, ExposureRule, FieldType, Variant
from engine.lifecycle import Author, create, update
from engine.metrics import Metric, MetricKind
from engine.ports import Store
from engine.records import Assignment, Candidate, Entry, Exposure, Outcome, Reason, Unit

START = datetime.fromisoformat("2026-03-01T00:00:00+00:00")
WINDOWS = Windows(timedelta(hours=30), timedelta(hours=2))
METRICS = Metric("buy", MetricKind.REVENUE, of="order", cap=50.0), Metric("click")
HOME = Experiment(
    "home",
    (Variant("plain"), Variant("bold")),
    METRICS,
    brief=Brief(channel="web"),
    context=(ContextField("channel", FieldType.TEXT),),
)
MAIL = Experiment(
    "mail",
    (Variant("letter"), Variant("nothing", is_blank=True)),
    METRICS,
    brief=Brief(channel="mail"),
    exposure=ExposureRule.REPORTED,
)
SHELF = Experiment("shelf", (Variant("news"), Variant("sale")), METRICS, candidates=(), slots=2)
EXPERIMENTS = HOME, MAIL, SHELF
NAMES = {"home": ("plain", "bold"), "mail": ("letter", "nothing"), "shelf": ("hat", "bag", "shoe")}
BY_AUTHOR = Author("kim", "a test", START)


def save(store: Store) -> None:
    """Declare the experiments; in revision 2 of the test by mail, nothing is blank any more."""
    for experiment in EXPERIMENTS:
        state, change = create(define(experiment), BY_AUTHOR)
        store.save(state, change, "")
        if experiment is MAIL:
            variants = tuple(replace(each, is_blank=False) for each in state.experiment.variants)
            later, change = update(state, replace(state.experiment, variants=variants), state.etag, BY_AUTHOR)
            store.save(later, change, state.etag)


def at(hour: int) -> datetime:
    return START + timedelta(hours=hour)


def entries(n: int, seed: int, first: int = 0) -> list[Entry]:
    """Return n answers, their with ids from `first` on; reports and outcomes stand anywhere beside what they name."""
    rng = np.random.default_rng(seed)
    answers = [answer for i in range(first, first + n) for answer in _answers(rng, i)]
    reports = [Exposure(each.assignment_id, at(int(rng.integers(0, 120))), START, each.slot) for each in answers]
    kept = [each for each in reports if rng.random() < 0.5]
    unknown = [Exposure(f"{10**6 + i:032x}", START, START) for i in range(3)]
    outcomes = [_outcome(rng, i, answers) for i in range(first, first + n)]
    voids = [
        replace(each, outcome_id=f"void {each.outcome_id}", metric="", void_of=each.outcome_id) for each in outcomes
    ]
    taken_back = [each for each in voids if rng.random() < 0.1]
    others = [*kept, *unknown, *outcomes, *taken_back]
    places = np.sort(rng.integers(0, len(answers) + 1, len(others)))
    rng.shuffle(others)  # type: ignore[arg-type]
    mixed: list[Entry] = list(answers)
    for place, each in zip(places[::-1].tolist(), others, strict=True):
        mixed.insert(place, each)
    return mixed


def _answers(rng: np.random.Generator, i: int) -> Iterator[Assignment]:
    experiment = EXPERIMENTS[rng.integers(3)]
    names = NAMES[experiment.experiment_id]
    slots = rng.permutation(len(names))[: 2 if experiment is SHELF else 1]
    channel = ("web", "app", "", None)[rng.integers(4)] if experiment is HOME else None
    when, who = at(int(rng.integers(0, 100))), Unit("customer", f"unit {rng.integers(12)}")
    reason = (Reason.DRAWN, Reason.CACHED, Reason.POLICY_FAILED, Reason.FORCED, Reason.QA)[rng.integers(5)]
    for slot, place in enumerate(slots.tolist()):
        yield Assignment(
            experiment.experiment_id,
            names[place],
            reason,
            who,
            when,
            when,
            assignment_id=f"{i:032x}",
            slot=slot,
            request_digest=b"digest",
            revision=1 if experiment is not MAIL else int(rng.integers(1, 3)),
            epoch=1,
            context={} if channel is None else {"channel": channel},
            candidates=tuple(map(Candidate, names)) if experiment is SHELF else (),
        )


def _outcome(rng: np.random.Generator, i: int, answers: list[Assignment]) -> Outcome:
    when = at(int(rng.integers(0, 130)))
    value = float((3.0, 5.0, -2.0, np.inf, 1e70)[rng.choice(5, p=[0.4, 0.3, 0.2, 0.05, 0.05])])
    made = Outcome(f"o{i}", ("order", "click")[int(rng.random() < 0.1)], value, when, when)
    if rng.random() < 0.5:
        return replace(made, unit=Unit("customer", f"unit {rng.integers(14)}"))
    answer = answers[int(rng.integers(len(answers)))]
    known = replace(made, assignment_id=answer.assignment_id, slot=answer.slot)
    return known if rng.random() < 0.9 else replace(made, assignment_id=f"{10**7 + i:032x}")


# --- the same, unit by unit ------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Event:
    """A touch, a conversion or a refund; `kind` orders those of one moment."""

    at: datetime
    kind: int
    order: float
    name: str = ""
    value: float = 0.0


def events(log: list[Entry], by: By) -> dict[int, list[Event]]:
    """Return what each unit met and did, by its key."""
    answers = {(e.assignment_id, e.slot): e for e in log if isinstance(e, Assignment)}
    reports = {(e.assignment_id, e.slot): e for e in reversed(log) if isinstance(e, Exposure)}
    voided = {e.void_of for e in log if isinstance(e, Outcome)}
    found: dict[int, list[Event]] = defaultdict(list)
    for key, answer in answers.items():
        met = reports.get(key) if answer.experiment_id == "mail" else True
        is_blank = answer.variant == "nothing" and answer.revision == 1
        if met is None or answer.reason is Reason.QA or is_blank:
            continue
        when = met.exposed_at if isinstance(met, Exposure) else answer.assigned_at
        found[answer.unit_key].append(Event(when, 0, answer.seq, _name(answer, by)))
    for each in log:
        if not isinstance(each, Outcome) or each.metric != "order" or each.outcome_id in voided:
            continue
        answer = answers.get((each.assignment_id, each.slot)) if each.assignment_id else None
        key = answer.unit_key if answer and answer.reason is not Reason.QA else each.unit_key
        if key and abs(each.value) < 1e60:
            found[key].append(Event(each.occurred_at, 1 if each.value > 0 else 2, each.value, "", each.value))
    return {key: sorted(those) for key, those in found.items()}


def _name(answer: Assignment, by: By) -> str:
    if by is By.EXPERIMENT:
        return answer.experiment_id
    if by is By.VARIANT:
        return f"{answer.experiment_id}/{answer.variant}"
    brief = {"home": "web", "mail": "mail", "shelf": "no channel"}[answer.experiment_id]
    return str(answer.context.get("channel", "")) or brief


Journey = tuple[int, tuple[str, ...], float, float]


def journeys(log: list[Entry], by: By, windows: Windows = WINDOWS) -> list[Journey]:
    """Return the journeys of a log, found slowly: unit, path, conversions and value."""
    return sorted(each for key, those in events(log, by).items() for each in _cut(key, those, windows))


def _cut(unit: int, those: list[Event], windows: Windows) -> Iterator[Journey]:
    settled: list[Event] = []
    for event in those:
        before = settled[-1] if settled else None
        if event.kind == 2:
            latest = max((i for i, each in enumerate(settled) if each.kind == 1), default=None)
            if latest is None:
                yield unit, (), 0.0, event.value
            else:
                settled[latest] = replace(settled[latest], value=settled[latest].value + event.value)
        else:
            settled.append(event)
    path: list[Event] = []
    before: Event | None = None
    for event in settled:
        is_repeat = before is not None and (before.kind, before.name) == (0, event.name) and event.kind == 0
        if not (is_repeat and before is not None and event.at - before.at <= windows.session_gap):
            if path and (event.at - path[-1].at > windows.look_back):
                yield unit, tuple(each.name for each in path), 0.0, 0.0
                path = []
            if event.kind == 1:
                early = [each for each in path if event.at - each.at > windows.look_back]
                own = path[len(early) :]
                if early:
                    yield unit, tuple(each.name for each in early), 0.0, 0.0
                yield unit, tuple(each.name for each in own), 1.0, event.value
                path = []
            else:
                path.append(event)
        before = event
    if path:
        yield unit, tuple(each.name for each in path), 0.0, 0.0


def written_out(blocks: list[Journeys]) -> list[Journey]:
    """Return journeys in blocks as the slow way writes them."""
    return sorted(
        (
            int(block.unit[i]),
            tuple(str(block.touchpoints[place]) for place in block.touchpoint[block.starts[i] : block.starts[i + 1]]),
            float(block.conversions[i]),
            float(block.value[i]),
        )
        for block in blocks
        for i in range(len(block))
    )
