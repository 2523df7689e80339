"""What randomisation proves that channels, experiments and variants bring, whatever any rule credits them with."""

from analysis.attribution.incremental.effect import Effect
from analysis.attribution.incremental.effects import added, brought, effect, variants
from analysis.attribution.incremental.reading import read
from analysis.attribution.incremental.touches import PerTouch, TouchEffect, per_touch
from analysis.attribution.incremental.units import Draws, Units

__all__ = [
    "Draws",
    "Effect",
    "PerTouch",
    "TouchEffect",
    "Units",
    "added",
    "brought",
    "effect",
    "per_touch",
    "read",
    "variants",
]
