"""What can be said of a log that a learning policy collected: of its groups, and of each variant."""

from analysis.adaptive.diagnostics import weights
from analysis.adaptive.groups import (
    CONTROL_GROUP,
    GROUPS,
    POLICY_GROUP,
    allocation,
    draws,
    group_subjects,
    n_ungrouped,
)
from analysis.adaptive.scored import Scored, is_by_assignment, scored
from analysis.adaptive.sequences import over_time
from analysis.adaptive.table import variants

__all__ = [
    "CONTROL_GROUP",
    "GROUPS",
    "POLICY_GROUP",
    "Scored",
    "allocation",
    "draws",
    "group_subjects",
    "is_by_assignment",
    "n_ungrouped",
    "over_time",
    "scored",
    "variants",
    "weights",
]
