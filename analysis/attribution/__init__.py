"""Attribution: how the credit for an outcome is shared among what units met, and how much of it randomisation proves.

A log gives both, as a page says them:

    found = attribution.attribute("store", "purchase")
    attribution.write(found, "out")

Paths from elsewhere come in by `attribution.paths` and `attribution.touches`, or are written out:

    >>> from analysis import attribution
    >>> journeys = attribution.Journeys.of([["email", "search"], ["search"], ["email"]], [1, 1, 0])
    >>> found = attribution.credit(journeys, ["first", "linear"])
    >>> [each.amounts[:, 0].tolist() for each in found.by_rule]
    [[1.0, 1.0], [0.5, 1.5]]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.lazily import named

if TYPE_CHECKING:
    from analysis.attribution.attributing import Asked, attribute, outcomes
    from analysis.attribution.calibrating import ratios
    from analysis.attribution.credits import Credit, Credits, credit
    from analysis.attribution.doors.frames import paths, touches
    from analysis.attribution.events import Events, Windows
    from analysis.attribution.incremental.effect import Effect
    from analysis.attribution.incremental.effects import effect
    from analysis.attribution.intervals import amounts, shares
    from analysis.attribution.journeys import By, Journeys
    from analysis.attribution.pages import to_html, write
    from analysis.attribution.proving import proven
    from analysis.attribution.rules.by_name import RULES, rule
    from analysis.attribution.stores.reading import read

__all__ = [
    "RULES",
    "Asked",
    "By",
    "Credit",
    "Credits",
    "Effect",
    "Events",
    "Journeys",
    "Windows",
    "amounts",
    "attribute",
    "credit",
    "effect",
    "outcomes",
    "paths",
    "proven",
    "ratios",
    "read",
    "rule",
    "shares",
    "to_html",
    "touches",
    "write",
]

_HOMES = {
    "incremental": "incremental:",
    "rules": "rules:",
    "Asked": "attributing",
    "attribute": "attributing",
    "outcomes": "attributing",
    "ratios": "calibrating",
    "Credit": "credits",
    "Credits": "credits",
    "credit": "credits",
    "paths": "doors.frames",
    "touches": "doors.frames",
    "Events": "events",
    "Windows": "events",
    "Effect": "incremental.effect",
    "effect": "incremental.effects",
    "amounts": "intervals",
    "shares": "intervals",
    "By": "journeys",
    "Journeys": "journeys",
    "RULES": "rules.by_name",
    "rule": "rules.by_name",
    "to_html": "pages",
    "write": "pages",
    "proven": "proving",
    "read": "stores.reading",
}

__getattr__ = named(__name__, _HOMES)
