"""Looking early: intervals and checks that hold at all looks together, and how long there is to go.

The choice, made before the data by what is declared (`choice.anytime`):

1. The metric has a declared range (conversion and retention 0 to 1; a count or revenue by its `range`, or 0 to its
   `cap`), is the mean of each subject's own values (no ratio, score, quantile, covariates or winsorising), the labels'
   probabilities were logged, and no value lies outside of the range: a betting sequence (`betting`). It holds at any n,
   under drift, and under probabilities that a policy moved.
2. Otherwise an asymptotic sequence (`asymptotic`) around whatever estimate the design has, labelled so, and silent
   until each side has 20 events. A value outside of its declared range leads here as well, with a note.

Both are tuned for the planned number of units (10,000 where none is planned), never by the data. The intervals of a
family hold together by Bonferroni. Where looks are planned, `planned` has group-sequential boundaries instead. `ratio`
asks at any look whether rows are lost; `remaining` says how many days are left, from the declared effect.
"""

from __future__ import annotations

from analysis.sequential.choice import Watched, anytime
from analysis.sequential.trajectory import Compared, lift_over_time

__all__ = ["Compared", "Watched", "anytime", "lift_over_time"]
