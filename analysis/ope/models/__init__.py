"""Models of the reward, which make doubly robust estimators narrow; none of them need be right.

`ope.evaluate(log, target, model=ope.models.Logistic())`:

    name         what                                                          fitted
    Ridge        linear regressions on the context, by variant: the default    by folds, or on earlier draws
    Logistic     logistic regressions on the context, by variant               by folds, or on earlier draws
    Vowpal       VW, which also knows candidates by their features             by folds, or on earlier draws
    Brought      copies of an unfitted object with `fit` and `predict`         by folds, or on earlier draws
    FittedBefore an object that was fitted elsewhere, on other draws           before the log
    predicted    predictions that were worked out elsewhere, (n, k)            before the log
    Nothing      no model: DR is IPS then                                      never
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.lazily import named

if TYPE_CHECKING:
    from analysis.ope.models.brought import Brought, FittedBefore
    from analysis.ope.models.given import predicted
    from analysis.ope.models.logistic import Logistic
    from analysis.ope.models.predicting import Nothing
    from analysis.ope.models.ridge import Ridge
    from analysis.ope.models.vowpal import Vowpal

__all__ = ["Brought", "FittedBefore", "Logistic", "Nothing", "Ridge", "Vowpal", "predicted"]

_HOMES = {
    **dict.fromkeys(("Brought", "FittedBefore"), "brought"),
    "predicted": "given",
    "Logistic": "logistic",
    "Nothing": "predicting",
    "Ridge": "ridge",
    "Vowpal": "vowpal",
}


__getattr__ = named(__name__, _HOMES)


def __dir__() -> list[str]:
    return __all__
