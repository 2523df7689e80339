"""The two kinds of design: `tested` has a fixed distribution, `learned` one that moves with what it learned."""

from __future__ import annotations

from analysis.designs.learned import findings as learned
from analysis.designs.tested import findings as tested

__all__ = ["learned", "tested"]
