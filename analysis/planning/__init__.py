"""How many units an experiment needs, how long it takes, and what it could find: before anybody meets it.

`needs` has the formulas, `looking` what it costs to look early, `history` what an earlier log says of a metric,
`bandit` the power of a policy that learns, by simulating the same file; `pages` makes tables of them.
"""
