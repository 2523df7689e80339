"""What was proposed, promoted or withdrawn and answered for is there after kill -9, as it was answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import InvalidTransition
from engine.experiments import Experiment, Status, Variant
from engine.metrics import Metric
from engine.proposals import Standing
from engine.service.management import Management
from engine.specs import FixedSpec

HERO = Experiment("hero", (Variant("plain"), Variant("bold")), (Metric("click"),))
EVIDENCE = '{"verdict": "evaluable"}'


def bolder(share: float) -> Experiment:
    return replace(HERO, policy=FixedSpec({"plain": 1 - share, "bold": share}))


def test_a_kill_loses_no_proposal_and_no_promotion(start_server: Callable[[str], Any]) -> None:
    first = start_server("wall")
    with Management(first.address, "tests") as management:
        management.apply(HERO, "")
        management.move("hero", Status.RUNNING, "")
        proposed = [management.promotions.propose(bolder(share), None, "", "more of it") for share in (0.6, 0.7, 0.8)]
        withdrawn = management.promotions.withdraw("hero", 2, "a mistake")
    first.kill()

    second = start_server("wall")
    with Management(second.address, "tests") as management:
        assert list(management.promotions.all("hero")) == [proposed[0], withdrawn, proposed[2]]
        promoted, state = management.promotions.promote("hero", 1, EVIDENCE, "it earns more")
    second.kill()

    with Management(start_server("wall").address, "tests") as management:
        assert management.get("hero") == state
        assert management.promotions.get("hero", 1) == (promoted, EVIDENCE)
        assert [each.standing for each in management.promotions.all("hero")] == [
            Standing.PROMOTED,
            Standing.WITHDRAWN,
            Standing.WAITING,
        ]
        with pytest.raises(InvalidTransition, match="propose it again"):
            management.promotions.promote("hero", 3, EVIDENCE, "as well")
        assert management.promotions.propose(bolder(0.9), None, "", "once more").attempt == 4
