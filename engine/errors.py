"""Every error that armlift raises, as one tree.

ArmliftError                 code, and one sentence that says what to do
├── InvalidRequest           the call is wrong
├── InvalidExperiment        the definition is wrong
├── InvalidPopulation        what all experiments share is wrong
├── UnknownExperiment
├── UnknownAssignment
├── UnknownSnapshot
├── UnknownProposal
├── ExperimentExists
├── InvalidTransition
├── StaleEtag
├── RequestIdReused
├── Overloaded               try again later
├── StoreUnavailable         the disk or its lock
├── SnapshotRefused          learned state that does not verify
└── PolicyFailed             a distribution that is none; the default is served
"""

from __future__ import annotations

from typing import ClassVar


class ArmliftError(Exception):
    """What every error of armlift is.

    >>> str(UnknownExperiment("no experiment 'hero'; `armlift list` shows what there is"))
    "no experiment 'hero'; `armlift list` shows what there is"
    >>> UnknownExperiment.code
    'UNKNOWN_EXPERIMENT'
    """

    code: ClassVar[str] = "INTERNAL"


class InvalidRequest(ArmliftError):
    """The call is wrong: it would be refused at any time."""

    code = "INVALID_REQUEST"


class InvalidExperiment(ArmliftError):
    """The definition of an experiment is wrong."""

    code = "INVALID_EXPERIMENT"


class InvalidPopulation(ArmliftError):
    """What all experiments share is wrong, or takes away what one of them uses."""

    code = "INVALID_POPULATION"


class UnknownExperiment(ArmliftError):
    """There is no experiment of this id."""

    code = "UNKNOWN_EXPERIMENT"


class UnknownAssignment(ArmliftError):
    """There is no assignment of this id."""

    code = "UNKNOWN_ASSIGNMENT"


class UnknownSnapshot(ArmliftError):
    """The experiment has no snapshot of this hash."""

    code = "UNKNOWN_SNAPSHOT"


class UnknownProposal(ArmliftError):
    """The experiment has no proposal of this attempt."""

    code = "UNKNOWN_PROPOSAL"


class ExperimentExists(ArmliftError):
    """The id was used before; ids are never reused."""

    code = "EXPERIMENT_EXISTS"


class InvalidTransition(ArmliftError):
    """The lifecycle does not go from here to there."""

    code = "INVALID_TRANSITION"


class StaleEtag(ArmliftError):
    """Somebody changed the experiment in between."""

    code = "STALE_ETAG"


class RequestIdReused(ArmliftError):
    """The request id was answered before, for another content."""

    code = "REQUEST_ID_REUSED"


class Overloaded(ArmliftError):
    """The queue before the log is full."""

    code = "OVERLOADED"


class StoreUnavailable(ArmliftError):
    """The store cannot be opened, locked or written."""

    code = "STORE_UNAVAILABLE"


class SnapshotRefused(ArmliftError):
    """A snapshot's hash or probe does not verify."""

    code = "SNAPSHOT_REFUSED"


class PolicyFailed(ArmliftError):
    """A policy returned something that is not a distribution."""

    code = "POLICY_FAILED"
