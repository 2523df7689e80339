"""The intervals for one look that can be asked for by name, and what gathers for them.

gamma         the rule's, for any log: by the skewness of the scores, and by what a draw not seen could bring
normal        the delta method, for large samples
bootstrap     over units, bias-corrected and accelerated, for logs of a fixed policy
bernstein     holds for any n, for logs of a fixed policy, single draws and proven bounds
cressie_read  of a value without a model, for the same logs, with the largest weight that a floor proves
steadied      for logs of a policy that learns, with weights that steady the scores, as if the value did not change
"""

from __future__ import annotations

from analysis.ope.intervals import one_look
from analysis.ope.intervals.one_look import OneLook
from analysis.ope.intervals.steadied import Steadied
from analysis.ope.logged import Collection
from engine.errors import InvalidRequest

NAMES = (*one_look.NAMES, "steadied")
"""What can be asked for; the first is the rule's."""


def gatherer(name: str, collection: Collection, *, is_difference: bool) -> OneLook | Steadied:
    """Return what gathers draws for an interval of NAMES, of a value or of a difference of two.

    Raises:
        InvalidRequest: there is no interval of that name.

    >>> gatherer("normal", Collection(), is_difference=False).name
    'normal'
    """
    if name not in NAMES:
        raise InvalidRequest(f"there is no interval {name!r}: choose among {', '.join(NAMES)}")
    if name == "steadied":
        return Steadied(collection, is_difference=is_difference)
    return OneLook(collection, is_difference, name)
