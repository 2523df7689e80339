"""The words of the engine as the contract numbers them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from armlift.v1 import experiment_pb2 as contract
from armlift.v1 import promotion_pb2 as promotion

from engine.errors import InvalidExperiment
from engine.experiments import Boundary, ExposureRule, FieldType, Looking, Plan, Status
from engine.metrics import Aggregation, Better, Metric, MetricKind, Role
from engine.proposals import Standing
from engine.specs import Explorer, LearnerType, Posterior

Message = TypeVar("Message")
Word = TypeVar("Word")

FIELD_TYPES: Mapping[FieldType, contract.FieldType.ValueType] = {
    kind: contract.FieldType.Value(f"FIELD_TYPE_{kind.name}") for kind in FieldType
}
METRIC_KINDS: Mapping[MetricKind, contract.MetricKind.ValueType] = {
    kind: contract.MetricKind.Value(f"METRIC_KIND_{kind.name}") for kind in MetricKind
}
BETTER: Mapping[Better, contract.Better.ValueType] = {
    better: contract.Better.Value(f"BETTER_{better.name}") for better in Better
}
ROLES: Mapping[Role, contract.Role.ValueType] = {role: contract.Role.Value(f"ROLE_{role.name}") for role in Role}
LOOKINGS: Mapping[Looking, contract.Looking.ValueType] = {
    looking: contract.Looking.Value(f"LOOKING_{looking.name}") for looking in Looking
}
BOUNDARIES: Mapping[Boundary, contract.Boundary.ValueType] = {
    boundary: contract.Boundary.Value(f"BOUNDARY_{boundary.name}") for boundary in Boundary
}
EXPOSURE_RULES: Mapping[ExposureRule, contract.ExposureRule.ValueType] = {
    rule: contract.ExposureRule.Value(f"EXPOSURE_RULE_{rule.name}") for rule in ExposureRule
}
STATUSES: Mapping[Status, contract.Status.ValueType] = {
    status: contract.Status.Value(f"STATUS_{status.name}") for status in Status
}
AGGREGATIONS: Mapping[Aggregation, contract.Aggregation.ValueType] = {
    each: contract.Aggregation.Value(f"AGGREGATION_{each.name}") for each in Aggregation
}
POSTERIORS: Mapping[Posterior, contract.Posterior.ValueType] = {
    each: contract.Posterior.Value(f"POSTERIOR_{each.name}") for each in Posterior
}
EXPLORERS: Mapping[Explorer, contract.Explorer.ValueType] = {
    each: contract.Explorer.Value(f"EXPLORER_{each.name}") for each in Explorer
}
LEARNER_TYPES: Mapping[LearnerType, contract.LearnerType.ValueType] = {
    each: contract.LearnerType.Value(f"LEARNER_TYPE_{each.name}") for each in LearnerType
}
STANDINGS: Mapping[Standing, promotion.Standing.ValueType] = {
    each: promotion.Standing.Value(f"STANDING_{each.name}") for each in Standing
}

FIELD_TYPE_OF = {message: kind for kind, message in FIELD_TYPES.items()}
METRIC_KIND_OF = {message: kind for kind, message in METRIC_KINDS.items()}
# Where the contract came to ask for a word later, an older client leaves it out.
BETTER_OF = {message: better for better, message in BETTER.items()} | {contract.BETTER_UNSPECIFIED: Metric("").better}
ROLE_OF = {message: role for role, message in ROLES.items()} | {contract.ROLE_UNSPECIFIED: Metric("").role}
LOOKING_OF = {message: looking for looking, message in LOOKINGS.items()} | {
    contract.LOOKING_UNSPECIFIED: Plan().looking
}
BOUNDARY_OF = {message: boundary for boundary, message in BOUNDARIES.items()} | {
    contract.BOUNDARY_UNSPECIFIED: Plan().boundary
}
AGGREGATION_OF = {message: each for each, message in AGGREGATIONS.items()} | {
    contract.AGGREGATION_UNSPECIFIED: Aggregation.SUM
}
POSTERIOR_OF = {message: each for each, message in POSTERIORS.items()} | {
    contract.POSTERIOR_UNSPECIFIED: Posterior.BETA
}
EXPLORER_OF = {message: each for each, message in EXPLORERS.items()} | {
    contract.EXPLORER_UNSPECIFIED: Explorer.SQUARECB
}
LEARNER_TYPE_OF = {message: each for each, message in LEARNER_TYPES.items()} | {
    contract.LEARNER_TYPE_UNSPECIFIED: LearnerType.DM
}
EXPOSURE_RULE_OF = {message: rule for rule, message in EXPOSURE_RULES.items()}
STATUS_OF = {message: status for status, message in STATUSES.items()}
STANDING_OF = {message: each for each, message in STANDINGS.items()}


def known(words: Mapping[Message, Word], message: Message, name: str) -> Word:
    """Return the word of a number.

    Raises:
        InvalidExperiment: it is not set, or none of the contract's.
    """
    if message not in words:
        raise InvalidExperiment(f"the {name} is not set: send one of the contract's values")
    return words[message]
