"""One variant, whatever the context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from analysis.arrays import Floats
from analysis.ope.logged import Logged
from analysis.ope.targets.uniform import evenly
from analysis.texts import Text, text
from engine.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Always:
    """Gives everybody one variant; where that was not eligible, all that were are alike.

    That is what the engine draws from where a rule leaves no eligible variant a chance (`engine.policies.segments`).
    """

    variant: str
    since: ClassVar[int | None] = None

    @property
    def name(self) -> Text:
        """What it is called."""
        return text("ope.target.always", variant=self.variant)

    def probabilities(self, log: Logged) -> Floats:
        """Return 1 for the variant where it was eligible, (n, k).

        Raises:
            InvalidRequest: the log has no variant of this name.
        """
        names = [str(name) for name in log.variants]
        if self.variant not in names:
            raise InvalidRequest(f"the log has no variant {self.variant!r}: there are {', '.join(names)}")
        place, could_be = names.index(self.variant), log.could_be
        only = np.zeros(could_be.shape, np.bool_)
        only[:, place] = could_be[:, place]
        return evenly(np.where(could_be[:, [place]], only, could_be))


def always(variant: str) -> Always:
    """Return the policy that always gives one variant, named as the log has it: of candidates, `place 1` and so on.

    >>> log = Logged.of(("a", "b"), np.array([0]), np.ones(1), np.array([0.5]))
    >>> always("b").probabilities(log).tolist()
    [[0.0, 1.0]]
    """
    return Always(variant)
