"""Estimators of what a target would have earned, one a file: means of terms, and what is made of those means.

`ope.point(ope.estimators.Snips(), log, target)` is the value by one of them, `ope.evaluate` shows nine side by side.

    name           what                                                          biased?
    Ips            weighted rewards                                              no
    Snips          the same, divided by the mean weight                          by a share of 1 / n
    Clipped        IPS, no weight above a level                                  yes
    SubGaussian    IPS, large weights shrunk smoothly                            yes
    Dm             what a model of the reward says                               as the model is
    Dr             the model, corrected by weighted rewards: the headline        no
    Sndr           DR, its correction divided by the mean weight                 by a share of 1 / n
    ClippedDr      DR, no weight above a level                                   yes
    SubGaussianDr  DR, large weights shrunk smoothly                             yes
    SwitchDr       DR, the model alone where weights are above a level           yes
    DrOs           DR with optimistic shrinkage of large weights                 yes
    CressieRead    IPS with the weight as a control variate                      by a share of 1 / n
    Replay         the mean of the draws that the target could have made itself  no

Some logs are changed before they are estimated from, by any of these:

    merged, groups_of            MIPS: variants that share an embedding are one  where they differ otherwise
    balanced                     several loggers as the mixture of all           no
    with_control_share           a control group as a second logger              no
    ByLogger                     several loggers by their inverse variance       by a share of 1 / n
    whole, reward_interaction    slates: standard IPS and cascade DR; RIPS       where later slots act on earlier ones
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.lazily import named

if TYPE_CHECKING:
    from analysis.ope.estimators.clipped import Clipped
    from analysis.ope.estimators.clipped_dr import ClippedDr
    from analysis.ope.estimators.cressie_read import CressieRead
    from analysis.ope.estimators.dm import Dm
    from analysis.ope.estimators.dr import Dr
    from analysis.ope.estimators.dros import DrOs
    from analysis.ope.estimators.ips import Ips
    from analysis.ope.estimators.loggers import ByLogger, balanced, with_control_share
    from analysis.ope.estimators.mips import groups_of, merged
    from analysis.ope.estimators.replay import Replay
    from analysis.ope.estimators.slates import reward_interaction, whole
    from analysis.ope.estimators.sndr import Sndr
    from analysis.ope.estimators.snips import Snips
    from analysis.ope.estimators.sub_gaussian import SubGaussian
    from analysis.ope.estimators.sub_gaussian_dr import SubGaussianDr
    from analysis.ope.estimators.switch_dr import SwitchDr

__all__ = [
    "ByLogger",
    "Clipped",
    "ClippedDr",
    "CressieRead",
    "Dm",
    "Dr",
    "DrOs",
    "Ips",
    "Replay",
    "Sndr",
    "Snips",
    "SubGaussian",
    "SubGaussianDr",
    "SwitchDr",
    "balanced",
    "groups_of",
    "merged",
    "reward_interaction",
    "whole",
    "with_control_share",
]

_HOMES = {
    "Clipped": "clipped",
    "ClippedDr": "clipped_dr",
    "CressieRead": "cressie_read",
    "Dm": "dm",
    "Dr": "dr",
    "DrOs": "dros",
    "Ips": "ips",
    "Replay": "replay",
    "Sndr": "sndr",
    "Snips": "snips",
    "SubGaussian": "sub_gaussian",
    "SubGaussianDr": "sub_gaussian_dr",
    "SwitchDr": "switch_dr",
    **dict.fromkeys(("ByLogger", "balanced", "with_control_share"), "loggers"),
    **dict.fromkeys(("groups_of", "merged"), "mips"),
    **dict.fromkeys(("reward_interaction", "whole"), "slates"),
}


__getattr__ = named(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
