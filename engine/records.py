"""What is decided and what is logged, as frozen dataclasses.

The rows of the log are Assignment, Exposure, Outcome and Erasure; together they are an Entry. Fields that the log
stamps (`node_id`, `seq`, `unit_key`) are empty until a store has kept the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum

from engine.randomness import DRAW_VERSION, HASH_VERSION, ONE

SCHEMA_VERSION = 1
"""The version of the records' meaning."""

ContextValue = float | str | bool | tuple[str, ...]
"""What a declared field of the context can hold: number, text, flag, or list of text."""

Context = Mapping[str, ContextValue]
"""Declared fields by name."""

Value = None | float | str | bool | Sequence["Value"] | Mapping[str, "Value"]
"""Anything that a request can carry."""


class OpenFeatureReason(Enum):
    """The reason in OpenFeature's words."""

    SPLIT = "SPLIT"
    CACHED = "CACHED"
    TARGETING_MATCH = "TARGETING_MATCH"
    DEFAULT = "DEFAULT"
    DISABLED = "DISABLED"
    STALE = "STALE"
    ERROR = "ERROR"


class Reason(Enum):
    """The step of the decision that settled it, with OpenFeature's word for it and whether the answer is logged.

    An answer outside the experiment is counted, not logged. Of the logged ones DRAWN alone is a draw.

    >>> Reason.NO_CONSENT.open_feature.value, Reason.NO_CONSENT.is_logged
    ('DEFAULT', False)
    """

    open_feature: OpenFeatureReason
    is_logged: bool

    def __new__(cls, name: str, open_feature: OpenFeatureReason, is_logged: bool) -> Reason:
        """Make a member whose value is its name alone."""
        reason = object.__new__(cls)
        reason._value_ = name
        reason.open_feature = open_feature
        reason.is_logged = is_logged
        return reason

    DRAWN = "drawn", OpenFeatureReason.SPLIT, True
    CACHED = "cached", OpenFeatureReason.CACHED, True
    FORCED = "forced", OpenFeatureReason.TARGETING_MATCH, True
    QA = "qa", OpenFeatureReason.TARGETING_MATCH, True
    CAPPED = "capped", OpenFeatureReason.DEFAULT, True
    NOT_IN_AUDIENCE = "not_in_audience", OpenFeatureReason.DEFAULT, False
    NO_CONSENT = "no_consent", OpenFeatureReason.DEFAULT, False
    OUT_OF_TRAFFIC = "out_of_traffic", OpenFeatureReason.DEFAULT, False
    LAYER_OCCUPIED = "layer_occupied", OpenFeatureReason.DEFAULT, False
    HOLDOUT = "holdout", OpenFeatureReason.DEFAULT, False
    PREREQUISITE_FAILED = "prerequisite_failed", OpenFeatureReason.DEFAULT, False
    BLOCKED = "blocked", OpenFeatureReason.DEFAULT, False
    DRAFT = "draft", OpenFeatureReason.DISABLED, False
    PAUSED = "paused", OpenFeatureReason.DISABLED, False
    NOT_STARTED = "not_started", OpenFeatureReason.DISABLED, False
    ENDED = "ended", OpenFeatureReason.DISABLED, False
    POLICY_FAILED = "policy_failed", OpenFeatureReason.STALE, True
    POLICY_SLOW = "policy_slow", OpenFeatureReason.STALE, True
    UNIT_MISSING = "unit_missing", OpenFeatureReason.ERROR, False
    CONTEXT_MISSING = "context_missing", OpenFeatureReason.ERROR, True
    CONTEXT_INVALID = "context_invalid", OpenFeatureReason.ERROR, True
    NO_VARIANTS = "no_variants", OpenFeatureReason.ERROR, True


class DrawKey(Enum):
    """What the random number of a draw is keyed by."""

    NONE = "none"
    UNIT = "unit"
    ASSIGNMENT = "assignment"
    UNIT_ONCE = "unit_once"


class Source(Enum):
    """How a row came into the log."""

    LIVE = "live"
    LOCAL = "local"
    IMPORTED = "imported"
    REPLAYED = "replayed"


class Group(Enum):
    """What a unit is drawn into before the policy: a bandit's control share gets the control always."""

    POLICY = "policy"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Unit:
    """What is randomised. A forgotten unit has an empty id."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A variant that a request brings along."""

    name: str
    features: Context = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """Asks for a variant.

    `digest` covers the request's content, so that a request id that comes again with another content is noticed.
    `qa_variant` is what somebody who tests the product wants to see.
    """

    experiment_id: str
    units: Mapping[str, str]
    request_id: str
    received_at: datetime
    context: Mapping[str, Value] = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()
    excluded_variants: frozenset[str] = frozenset()
    n_slots: int = 1
    dry_run: bool = False
    qa_variant: str = ""
    digest: bytes = b""
    source: Source = Source.LIVE


@dataclass(frozen=True, slots=True)
class Inclusion:
    """The probability of passing one step of the funnel, in units of 2**-32."""

    step: str
    weight: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """One slot of one answer, with everything that is needed to draw it again.

    `eligible` and `distribution` are in the same order and empty where nothing was drawn; the weights sum to 2**32
    and are conditional on `group`. `assignment_id` is 32 hex digits, or empty where the answer is not logged.
    `population` is the revision of what all experiments share. `is_remembered` says that later answers to this unit may
    depend on the row; `kept_from` is the id of the draw that a sticky answer repeats. `shadow_distribution` is what the
    shadow policy would have drawn from, over the same eligible variants; empty where there is none.
    """

    experiment_id: str
    variant: str
    reason: Reason
    unit: Unit
    assigned_at: datetime
    received_at: datetime
    assignment_id: str = ""
    slot: int = 0
    request_id: str = ""
    request_digest: bytes = b""
    revision: int = 0
    epoch: int = 0
    snapshot: str = ""
    draw_key: DrawKey = DrawKey.NONE
    drawn: int = 0
    is_draw: bool = False
    group: Group = Group.POLICY
    group_weight: int = ONE
    inclusion: tuple[Inclusion, ...] = ()
    eligible: tuple[str, ...] = ()
    distribution: tuple[int, ...] = ()
    context: Context = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()
    population: int = 0
    is_remembered: bool = False
    kept_from: str = ""
    shadow_snapshot: str = ""
    shadow_distribution: tuple[int, ...] = ()
    source: Source = Source.LIVE
    keep_probability: float = 1.0
    hash_version: int = HASH_VERSION
    draw_version: int = DRAW_VERSION
    schema_version: int = SCHEMA_VERSION
    node_id: str = ""
    seq: int = 0
    unit_key: int = 0

    @property
    def weight(self) -> int:
        """The drawn variant's weight in units of 2**-32; 0 where nothing was drawn."""
        return self.distribution[self.eligible.index(self.variant)] if self.is_draw else 0

    @property
    def propensity(self) -> float | None:
        """The probability of this draw given everything before it, or None where nothing was drawn."""
        return self.weight / ONE if self.is_draw else None


@dataclass(frozen=True, slots=True)
class Exposure:
    """The unit really met the variant of an assignment."""

    assignment_id: str
    exposed_at: datetime
    received_at: datetime
    slot: int = 0
    source: Source = Source.LIVE
    schema_version: int = SCHEMA_VERSION
    node_id: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """An observed event of a metric, uncredited: of an assignment, or of a unit (one of the two is set).

    `void_of` names an outcome that this one takes back.
    """

    outcome_id: str
    metric: str
    value: float
    occurred_at: datetime
    received_at: datetime
    assignment_id: str = ""
    slot: int = 0
    unit: Unit | None = None
    void_of: str = ""
    source: Source = Source.LIVE
    schema_version: int = SCHEMA_VERSION
    node_id: str = ""
    seq: int = 0
    unit_key: int = 0


@dataclass(frozen=True, slots=True)
class Erasure:
    """A unit was forgotten: shipped like any row, and applied again after a restore."""

    unit: Unit
    erased_at: datetime
    actor: str
    reason: str
    schema_version: int = SCHEMA_VERSION
    node_id: str = ""
    seq: int = 0
    unit_key: int = 0


@dataclass(frozen=True, slots=True)
class Contact:
    """An answer that counts for caps and rests; where exposures are reported, from the first of any of its slots on."""

    assignment_id: str
    experiment_id: str
    exposed_at: datetime


Entry = Assignment | Exposure | Outcome | Erasure
"""A row of the log."""


class KeptStatus(Enum):
    """What became of an entry that was handed to the log."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    UNMATCHED = "unmatched"


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of an entry; `entry` is the row that stands, for a duplicate or conflict the earlier one."""

    status: KeptStatus
    entry: Entry


@dataclass(frozen=True, slots=True)
class Reward:
    """The number credited to one exposed assignment once it matured; learned from in the order of `key`."""

    assignment: Assignment
    value: float
    matures_at: datetime
    n_outcomes: int

    @property
    def key(self) -> tuple[datetime, str, int]:
        """The learner's order: maturity, then the log's."""
        return self.matures_at, self.assignment.node_id, self.assignment.seq


@dataclass(frozen=True, slots=True)
class Probe:
    """A question with its answer, by which a snapshot is verified before it serves."""

    context: Context
    eligible: tuple[str, ...]
    probabilities: tuple[float, ...]
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Immutable learned state of a policy, named by the SHA-256 of `blob` and of what it means.

    `epoch` is the one in which it was written, `watermark` the key of the last reward in it, `n_rewards` how many it
    learned from, `n_warm` how many lessons it was given before those. `schema` is a digest of the fields, variants and
    reward that it understands. A learner that goes on from it reads the log from `fold_from` on.
    """

    hash: str
    experiment_id: str
    epoch: int
    policy: str
    blob: bytes
    parent: str
    watermark: tuple[datetime, str, int]
    n_rewards: int
    library: str
    arguments: tuple[str, ...]
    schema: str
    probes: tuple[Probe, ...]
    is_shadow: bool = False
    n_warm: int = 0
    fold_from: int = 0


BEFORE_THE_LOG = (datetime.fromtimestamp(0, UTC), "", 0)
"""The watermark of what was learned before the log began."""
