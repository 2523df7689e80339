"""A new process makes every draw again that came through holdouts, layers, audiences, ramps, killings and keeping."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from engine import lifecycle, randomness
from engine.clock import RequestClock
from engine.engine import Engine
from engine.experiments import Change, ContextField, Experiment, ExperimentState, FieldType, Status, Variant
from engine.funnel import Cap, ForcedRule, Funnel, Layer, LayerRange, Population, RampStep, Sticky
from engine.metrics import Metric
from engine.records import Reason, Request
from engine.settings import Settings
from engine.specs import FixedSpec, Rule, SegmentsSpec, ThompsonSpec
from engine.storage import find_snapshot_in, open_reader, open_store
from tests.engine.house import AUTHOR, NOW, days

SCRIPT = Path(__file__).with_name("recompute_log.py")
VARIANTS = (Variant("plain"), Variant("bold"), Variant("quiet"))
BASE = Experiment("base", VARIANTS, (Metric("click"),), context=(ContextField("visits", FieldType.NUMBER),))
HALF = Funnel(
    audience={"$segment": "regulars"}, layer=LayerRange("mail", 0.0, 0.5), ramp=(RampStep(0.4), RampStep(0.9))
)
RULES = SegmentsSpec((Rule({"visits": {"$gte": 6}}, {"bold": 1.0}),), {"plain": 0.5, "quiet": 0.5})
EXPERIMENTS = {
    "test": {"funnel": HALF, "policy": FixedSpec({"plain": 0.5, "bold": 0.3, "quiet": 0.2})},
    "rules": {"policy": RULES, "funnel": Funnel(layer=LayerRange("mail", 0.5, 1.0))},
    "kept": {"policy": ThompsonSpec(), "sticky": Sticky(), "fallback_unit": "device"},
    "spared": {"funnel": Funnel(cap=Cap(2, days(30))), "forced": (ForcedRule("bold", {"staff": True}),)},
    "after": {"funnel": Funnel(prerequisites={"test": ("plain", "quiet")})},
}


class Service:
    """An engine on a store in files."""

    def __init__(self, directory: Path) -> None:
        self.store, self.reader = open_store(directory), open_reader(directory)
        self.engine = Engine(self.reader, find_snapshot_in(directory), RequestClock(), Settings(policy_budget_s=10.0))

    def run(self, name: str, fields: dict[str, object]) -> None:
        draft, created = lifecycle.create(replace(BASE, experiment_id=name, **fields), AUTHOR)
        running, started = lifecycle.transition(draft, Status.RUNNING, "", AUTHOR)
        self.store.save(draft, created, "")
        self.store.save(running, started, draft.etag)
        self.engine.adopt(running)

    def change(self, name: str, propose: Callable[[ExperimentState], tuple[ExperimentState, Change]]) -> None:
        before = self.engine.catalog.find(name).state
        state, change = propose(before)
        self.store.save(state, change, before.etag)
        self.engine.adopt(state)

    def divide(self, population: Population) -> None:
        before, states = self.engine.population, [live.state for live in self.engine.catalog.by_id.values()]
        state, change, moved = lifecycle.update_population(before, population, before.etag, states, AUTHOR)
        self.store.save_population(state, change, moved)
        self.engine.adopt_population(state, [each for each, _ in moved])

    def visits(self, day: int) -> None:
        """Let sixty customers come, half of them without a login, to all experiments in one walk."""
        at = NOW + days(day)
        for n in range(60):
            units = {"device": f"d{n}", **({"customer": f"c{n}"} if (n + day) % 2 else {})}
            context = {"visits": float((n + day) % 10), "staff": n % 15 == 0}
            walk, rows = self.engine.walk(), []
            for name in self.engine.running():
                request = Request(name, units, randomness.request_id(at, f"{n} {name}"), at, context)
                rows.append(self.engine.decide(request, walk))
            self.store.append([row for row in rows if row.reason.is_logged])
            self.engine.settle(rows)


def test_the_whole_funnel_comes_out_the_same_from_files_alone(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with closing(service.store), closing(service.reader):
        segments = {"regulars": {"visits": {"$gte": 3}}}
        service.divide(Population(segments, layers={"mail": Layer(holdout=0.1)}, holdout=0.1))
        for name, fields in EXPERIMENTS.items():
            service.run(name, fields)
        for day in range(3):
            service.visits(day)
        service.change("test", lambda state: lifecycle.move_ramp(state, 1, "", AUTHOR, early=True))
        service.visits(3)
        service.change("test", lambda state: lifecycle.update(state, without_bold(state), state.etag, AUTHOR))
        service.divide(
            Population({"regulars": {"visits": {"$gte": 5}}}, layers={"mail": Layer(holdout=0.2)}, holdout=0.2)
        )
        for day in range(4, 8):
            service.visits(day)
        n_by_reason = Counter(entry.reason for entry in service.reader.entries(limit=1_000_000))
    assert min(n_by_reason[reason] for reason in (Reason.DRAWN, Reason.CACHED, Reason.CAPPED, Reason.FORCED)) > 10
    done = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=True)
    counts = json.loads(done.stdout)
    print(counts)
    n_made_again = n_by_reason[Reason.DRAWN] + n_by_reason[Reason.CACHED]
    assert counts["reproduced"] == n_made_again
    assert counts["n_rows"] - n_made_again == counts["not_drawn"]


def without_bold(state: ExperimentState) -> Experiment:
    return replace(state.experiment, killed=("bold",))
