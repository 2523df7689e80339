"""The demo: a real server, four experiments, thousands of customers over gRPC, and the reports that come of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files as resources
from pathlib import Path

import numpy as np

import analysis
from analysis import attribution
from engine import files
from engine.experiments import Experiment
from simulators.folders import claim
from simulators.play import Player
from simulators.scoring import Tally
from simulators.serving import conclude_all, opened, serving, start_all
from simulators.showing import Screen, show_scores
from simulators.worlds import Storefront

NAMES = ("product-page-trust", "signup-banner", "search-row", "home-offer")
"""The demo's experiments: an A/B/n test, a multivariate test, a bandit and a contextual bandit."""

START = datetime(2026, 3, 2, tzinfo=UTC)
SPAN = timedelta(days=30)
_WHY = "armlift demo"


def run(out: Path, n_customers: int, seed: int, screen: Screen) -> None:
    """Leave a store, four reports, how credit is shared, and an index in `out`, and print what was learned.

    Raises:
        InvalidRequest: `out` holds something of these names that no earlier run made.
        ArmliftError: the server or its learner failed.
    """
    store = claim(out, ("store", "server.log", "index.html", "attribution", *NAMES)) / "store"
    experiments = [_experiment(name) for name in NAMES]
    world, rng = Storefront(), np.random.default_rng(seed)
    visits = world.visits(n_customers, START, SPAN, rng)
    screen.say(f"{n_customers:,} customers, {len(visits):,} visits in {SPAN.days} simulated days, over gRPC")
    with serving(store, out / "server.log") as address:
        start_all(address, experiments, _WHY)
        with opened(store, address) as door, screen.progress("Customers visit", len(visits)) as advance:
            player = Player(world, experiments, door, rng)
            player.play(visits, advance)
        tests = [experiment for experiment in experiments if not experiment.policy.learns]
        conclude_all(address, tests, "the planned 30 days are over")
    index = _write_reports(store, out, screen)
    _say(screen, index, [player.tallies[each.experiment_id] for each in experiments if each.policy.learns])


def _experiment(name: str) -> Experiment:
    file = resources("simulators.recipes") / "demo" / f"{name}.yaml"
    return files.load(file.read_text(encoding="utf-8"), file.name)


def _write_reports(store: Path, out: Path, screen: Screen) -> Path:
    outcomes, reports = attribution.outcomes(store), []
    with screen.progress("Reports", len(outcomes) + len(NAMES)) as advance:
        shared = [attribution.attribute(store, outcome) for outcome in outcomes]
        for found in shared:
            attribution.write(found, out)
            advance(1)
        for name in NAMES:
            reports.append(analysis.report(store, name))
            own = [found for found in shared if found.outcome in _experiment(name).outcomes]
            analysis.write(reports[-1], out / name, attributions=own)
            advance(1)
    return analysis.write_index(reports, out, attributions=shared)


def _say(screen: Screen, index: Path, learned: list[Tally]) -> None:
    show_scores(screen, learned)
    screen.say(f"\nThe reports: {index}\n\nNext, with an experiment file of your own:")
    screen.say("  armlift check FILE")
    screen.say("  armlift serve --store my-store")
    screen.say("  armlift apply FILE --server 127.0.0.1:7878")
