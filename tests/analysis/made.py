"""A report made up by hand, with every part that a report can have and names that no page may run."""

from __future__ import annotations

import math

from analysis.deciding.verdict import verdict
from analysis.document import (
    Band,
    Candidate,
    Check,
    Count,
    Definition,
    Forest,
    Grid,
    Health,
    MetricReport,
    Period,
    Report,
    Row,
    Share,
    Step,
    Table,
    Timeline,
    Trajectory,
    Word,
)
from analysis.estimate import Estimate, Holds, Scale, not_evaluable
from analysis.texts import Number, Style, count, duration, plain, probability, text
from engine.experiments import Brief

EVIL = '=cmd|"<script>alert(1)</script>'
STARTS = tuple(f"2026-03-{day:02}T00:00:00+00:00" for day in range(2, 22))
DAYS = len(STARTS)


def value(of):
    return Estimate(of, of - 0.01, of + 0.012, 4000, text("method.clopper_pearson"), text("method.none"), Scale.SHARE)


def difference(of, holds=Holds.ONCE, half=0.008):
    estimand = text("estimand.difference", of=text("method.none"))
    method = text("method.newcomb")
    return Estimate(of, of - half, of + half, 8000, method, estimand, Scale.POINTS, holds=holds, family=2, p_value=0.02)


def relative(of):
    estimand = text("estimand.relative", of=text("method.none"))
    return Estimate(of, of - 0.1, of + 0.13, 8000, text("method.fieller"), estimand, Scale.RELATIVE, family=2)


def row(name, word, of, base=0.1):
    lift = of - base
    at_any_look = difference(lift, Holds.ALWAYS_IN_THE_LIMIT, 0.016)
    return Row(name, word, value(of), 0.2, difference(lift), relative(lift / base), at_any_look, difference(lift))


def band(name, end):
    half = [0.06 / math.sqrt(day) for day in range(1, DAYS)]
    low, high = (tuple(end + sign * each for each in half) for sign in (-1, 1))
    return Band(name, (None, *(end,) * (DAYS - 1)), (None, *low), (None, *high))


ROWS = (
    Row("plain", Word.BASELINE, value(0.1), 0.2),
    row(EVIL, Word.BETTER, 0.13),
    row("reviews", Word.NOT_CLEAR, 0.105),
)
TABLE = Table("variants", text("table.variants"), text("table.units"), "plain", ROWS)
OVER_TIME = Trajectory(
    text("traffic.title"),
    text("traffic.units"),
    STARTS,
    86_400,
    (band(EVIL, 0.03), band("reviews", 0.005)),
    Scale.POINTS,
    0.0,
)
FOREST = Forest(
    text("chart.forest", metric="order", baseline="plain"),
    (EVIL, text("group.policy")),
    (difference(0.02), not_evaluable(text("not_evaluable.nobody"), text("method.none"))),
    (Word.BETTER, Word.NOT_EVALUABLE),
)
GRID = Grid(
    "segments",
    text("table.factor", factor=EVIL),
    (text("page.name"), text("table.units"), text("page.difference"), text("page.against", baseline=EVIL)),
    (
        (EVIL, count(12_000), difference(0.02), Word.BETTER),
        ("better", count(3), not_evaluable(text("not_evaluable.nobody"), text("method.none")), None),
        (Number(1_772_409_600, Style.DAY), None, text("group.policy"), Word.NOT_EVALUABLE),
    ),
    text("table.factor_note"),
    FOREST,
)
CHECK = Check(
    text("balance.assigned"),
    True,
    text("balance.fits", p=probability(0.4)),
    0.4,
    text("balance.chi_square", freedom=count(1), alarm=plain(0.001)),
    (Share("plain", 4000, 3990.2), Share(EVIL, 4000, 4011.0)),
)
EVIDENCE = Timeline(
    text("balance.groups"),
    text("allocation.caption"),
    STARTS,
    86_400,
    (text("group.policy"),),
    (tuple(0.5 * day - 3 for day in range(DAYS)),),
    is_share=False,
    alarm=6.9,
)
TRAFFIC = Timeline(
    text("traffic.title"),
    text("traffic.units"),
    STARTS,
    86_400,
    ("plain", EVIL),
    (tuple(float(day) for day in range(DAYS)), (None, *(1.0,) * (DAYS - 1))),
    is_share=False,
    floor=1.0,
)


def report(**changes):
    metric = MetricReport(
        "order",
        "conversion",
        "goal",
        text("kind.conversion", window=duration(259_200)),
        (TABLE,),
        (text("note.open", n=count(3)),),
        over_time=OVER_TIME,
        grids=(GRID,),
    )
    period = Period(STARTS[0], STARTS[-1], STARTS[-1])
    health = Health(
        12_000,
        8000,
        900,
        period,
        (Count(12_000, text("source.live")),),
        (CHECK,),
        (Count(3, text("left_out.switched")),),
        (GRID,),
        (EVIDENCE,),
    )
    said = verdict(
        metric,
        health.checks,
        (text("caution.imported"),),
        brief=Brief(segment=EVIL),
        period=period,
        is_running=True,
    )
    fields = {
        "version": 2,
        "experiment_id": "product-page",
        "hypothesis": EVIL,
        "brief": (Definition(text("brief.channel"), EVIL),),
        "status": "concluded",
        "policy": "fixed",
        "control": "plain",
        "verdict": said,
        "health": health,
        "traffic": TRAFFIC,
        "allocation": EVIDENCE,
        "metrics": (metric,),
        "definitions": (Definition(text("term.floor"), text("meaning.floor")),),
        "design": text("design.test"),
        "decisions": GRID,
        "sections": (GRID,),
        "primary": "order",
        "candidates": (Candidate(text("ope.candidate.promotion"), said, (GRID,)),),
        "history": (Step(STARTS[-1], EVIL, "conclude", EVIL),),
    }
    return Report(**(fields | changes))
