"""What the words and methods of a report mean: only those that the report uses."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import wording
from analysis.document import Definition, MetricReport
from engine.experiments import Experiment, ExposureRule

_METHODS = {
    "exact (Clopper-Pearson)": "The interval of a share from the binomial distribution itself; it never covers less "
    "often than it says, also for rare events.",
    "MOVER on exact intervals": "The interval of an average of several shares, built from the exact interval of each.",
    "MOVER on Wilson's intervals": "The interval of a difference between averages of several shares, built from "
    "Wilson's interval of each; of two shares it is Newcomb's.",
    "Newcomb": "The interval of a difference of two shares, built from Wilson's interval of each.",
    "Student's t": "The interval of a mean from its standard error.",
    "Welch": "The interval of a difference of two means, whose spreads may differ.",
    "Fieller": "The interval of a relative lift that takes into account that its base is uncertain too; where the base "
    "may be zero it is not identified, and the difference is what can be said.",
}


def definitions(
    metrics: Sequence[MetricReport], experiment: Experiment, *, is_adaptive: bool
) -> tuple[Definition, ...]:
    """Return the definitions that a reader of these metrics needs."""
    return (
        _exposure(experiment),
        _window(experiment),
        *_words(is_adaptive=is_adaptive),
        *(Definition(name, meaning) for name, meaning in _METHODS.items() if name in _used(metrics)),
    )


def _exposure(experiment: Experiment) -> Definition:
    if experiment.exposure is ExposureRule.ASSIGNED:
        return Definition("Exposure", f"The {experiment.unit} counts as exposed when it was given its variant.")
    return Definition("Exposure", f"The {experiment.unit} counts as exposed when the product reported it.")


def _window(experiment: Experiment) -> Definition:
    windows = ", ".join(
        f"{metric.name} {wording.duration(metric.window.total_seconds())}" for metric in experiment.metrics
    )
    grace = experiment.grace.total_seconds()
    extra = f", and {wording.duration(grace)} more for late news" if grace else ""
    return Definition(
        "Window",
        f"What happens within it counts: {windows}. Whoever's window had not closed by the log's end{extra} waits.",
    )


def _words(*, is_adaptive: bool) -> tuple[Definition, ...]:
    words = Definition(
        "Better, worse, not clear",
        "The interval of the difference lies above zero, below it, or holds it.",
    )
    ratio = Definition(
        "Ratio check",
        "Compares how often each variant was drawn with the probabilities that were logged with the draws.",
    )
    if not is_adaptive:
        return words, ratio
    return (
        words,
        ratio,
        Definition(
            "Control group",
            "A constant share of units, drawn before the policy, that always gets the control. Everybody else is in "
            "the policy group, whatever they were served (intention to treat).",
        ),
        Definition("Floor", "The least probability that every variant keeps while the policy learns."),
    )


def _used(metrics: Sequence[MetricReport]) -> set[str]:
    estimates = [
        estimate
        for metric in metrics
        for table in metric.tables
        for row in table.rows
        for estimate in (row.value, row.absolute, row.relative)
        if estimate is not None
    ]
    return {estimate.method.split(",")[0] for estimate in estimates}
