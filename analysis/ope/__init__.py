"""Off-policy evaluation: what another policy would have earned, and whether the log can say it.

In a notebook an evaluation shows itself:

    log = ope.read("store", "home-offer")
    ope.evaluate(log, ope.always("bundle"))

Logs of other systems come in by `ope.doors`, models of the reward are in `ope.models`, estimators in `ope.estimators`.
Draws in arrays need no door:

    >>> import numpy as np
    >>> from analysis import ope
    >>> variant, clicks = np.tile([0, 1], 500), np.tile([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0], 125)
    >>> even = np.full((1000, 2), 0.5)
    >>> log = ope.Logged.of(("plain", "bold"), variant, clicks, even[:, 0], probabilities=even)
    >>> found = ope.evaluate(log, ope.always("bold"))
    >>> round(found.value.value, 2), found.verdict.word.value
    (0.75, 'evaluable')
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.lazily import named

if TYPE_CHECKING:
    from analysis.ope.counting import counts
    from analysis.ope.course import over_time
    from analysis.ope.evaluating import evaluate
    from analysis.ope.evaluation import Evaluable, Evaluation
    from analysis.ope.learning import learn
    from analysis.ope.logged import Collection, Logged
    from analysis.ope.points import point
    from analysis.ope.showing import to_html
    from analysis.ope.stores.reading import read, with_control
    from analysis.ope.targets.always import always
    from analysis.ope.targets.functions import function
    from analysis.ope.targets.given import given
    from analysis.ope.targets.logged import logged as as_logged
    from analysis.ope.targets.logged import tilted
    from analysis.ope.targets.served import of_file, of_snapshot
    from analysis.ope.targets.shadows import shadow
    from analysis.ope.targets.uniform import uniform

__all__ = [
    "Collection",
    "Evaluable",
    "Evaluation",
    "Logged",
    "always",
    "as_logged",
    "counts",
    "evaluate",
    "function",
    "given",
    "learn",
    "of_file",
    "of_snapshot",
    "over_time",
    "point",
    "read",
    "shadow",
    "tilted",
    "to_html",
    "uniform",
    "with_control",
]

_HOMES = {
    "doors": "doors:",
    "estimators": "estimators:",
    "models": "models:",
    "as_logged": "targets.logged:logged",
    "counts": "counting",
    "evaluate": "evaluating",
    "Evaluable": "evaluation",
    "Evaluation": "evaluation",
    "learn": "learning",
    "Collection": "logged",
    "Logged": "logged",
    "over_time": "course",
    "point": "points",
    "read": "stores.reading",
    "with_control": "stores.reading",
    "to_html": "showing",
    "always": "targets.always",
    "function": "targets.functions",
    "given": "targets.given",
    "tilted": "targets.logged",
    "of_file": "targets.served",
    "of_snapshot": "targets.served",
    "shadow": "targets.shadows",
    "uniform": "targets.uniform",
}

__getattr__ = named(__name__, _HOMES)
