"""A provider for OpenFeature: a flag is an experiment, its evaluation an assignment, a tracked event an outcome.

    from armlift.openfeature import ArmliftProvider
    from openfeature import api
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.track import TrackingEventDetails

    api.set_provider_and_wait(ArmliftProvider("127.0.0.1:7878"))
    client = api.get_client()
    visitor = EvaluationContext("customer-42", {"device": "phone", "visits": 3})
    print(client.get_string_value("home-offer/headline", "Welcome", visitor))
    client.track("purchase", visitor, TrackingEventDetails(19.90))

**Keys.** `home-offer` is an experiment, `home-offer/headline` one field of its payload (`/` because an experiment's id
may have dots), `home-offer/banner/title` a field inside a field. A payload without the field leaves the caller's
default, so that a variant may be "as it is today". Of a whole experiment, an object is the payload; a flag, a number
and a text are the payload, or its field `value` where it is a map; a text is the variant's name where the payload is
empty. Another type is TYPE_MISMATCH; 10.0 is a whole number and 10 a number with a fraction, as nothing is lost.

**Context.** The targeting key is the id of a customer, or of the provider's `unit_type`. An attribute `units` that is a
map holds units of more types; all others are the context, times as ISO text in UTC.

**Slots.** An evaluation asks for one slot. An experiment whose requests bring candidates is asked by `Client`.

**Answers.** The reason is armlift's in OpenFeature's words. DEFAULT and STALE serve the payload of the experiment's
default variant; DISABLED (a draft, paused or ended) serves the caller's default and names no variant, as OpenFeature
has it for a flag that is turned off. Where the reason is ERROR, so is the value: FLAG_NOT_FOUND,
TARGETING_KEY_MISSING, INVALID_CONTEXT, or GENERAL where no server answers. The metadata has what is not empty of
experiment, reason (armlift's own), assignment_id, propensity, revision, epoch, snapshot, group and kept_from.

**Tracking.** An event is an outcome of the unit; with an attribute `assignment_id`, of that assignment. `outcome_id`
and `occurred_at` are read too. It is sent beside the caller; what fails is logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from armlift.answers import DEFAULT_UNIT, Answer, Event
from armlift.async_client import AsyncClient
from armlift.channel import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S
from armlift.client import Client
from armlift.errors import ArmliftError
from armlift.flags import Flag, boolean, integer, number, structure, text
from armlift.outbox import Outbox
from armlift.values import Value

try:
    from openfeature.evaluation_context import EvaluationContext, EvaluationContextAttribute
    from openfeature.event import ProviderEventDetails
    from openfeature.exception import ErrorCode, GeneralError, InvalidContextError, ProviderNotReadyError
    from openfeature.flag_evaluation import FlagMetadata, FlagResolutionDetails, FlagValueType, Reason
    from openfeature.provider import AbstractProvider, Metadata
    from openfeature.track import TrackingEventDetails
except ImportError as error:
    raise ImportError("armlift.openfeature needs openfeature-sdk: `pip install armlift[openfeature]`") from error

Structure = Sequence[FlagValueType] | Mapping[str, FlagValueType]
"""The value of an object flag."""

T = TypeVar("T")

_UNITS = "units"
_AWAY = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "STORE_UNAVAILABLE")
_ERROR_CODES = {
    "UNKNOWN_EXPERIMENT": ErrorCode.FLAG_NOT_FOUND,
    "UNIT_MISSING": ErrorCode.TARGETING_KEY_MISSING,
    "CONTEXT_MISSING": ErrorCode.INVALID_CONTEXT,
    "CONTEXT_INVALID": ErrorCode.INVALID_CONTEXT,
    "INVALID_REQUEST": ErrorCode.INVALID_CONTEXT,
}
_TOLD = {
    "UNIT_MISSING": "there is no id of the unit that the experiment is for: give the context a targeting key",
    "CONTEXT_MISSING": "an attribute that the experiment requires is missing: see its declared context",
    "CONTEXT_INVALID": "an attribute has another type than the experiment declares: see its declared context",
    "NO_VARIANTS": "no variant is left for this request, or they are candidates, which an evaluation cannot bring",
}
_log = logging.getLogger(__name__)


class ArmliftProvider(AbstractProvider):
    """Asks one armlift server: see the module for what a key, a context and an answer mean.

    It is ready when the server answers, and in error while it does not; then callers get their defaults, and the next
    answer makes it ready again.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        unit_type: str = DEFAULT_UNIT,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        super().__init__()
        self._address = address
        self._unit_type = unit_type
        self._timeout_s = timeout_s
        self._open: _Connection | None = None
        self._is_away = False

    def get_metadata(self) -> Metadata:
        """Return the provider's name."""
        return Metadata(name="armlift")

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002 (nothing is asked for it)
        """Connect.

        Raises:
            GeneralError: no server answers; it is asked again with every evaluation.
        """
        if self._open is None:
            self._open = _Connection(self._address, self._timeout_s)
        try:
            self._open.client.assign_many([])
            self._is_away = False
        except ArmliftError as error:
            self._is_away = True
            raise GeneralError(f"no answer from {self._address} ({error.code}): is the server there?") from error

    def shutdown(self) -> None:
        """Send the outcomes that wait, and disconnect; it can be initialized again."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Record an outcome, beside the caller: see the module."""
        try:
            unit = evaluation_context.targeting_key if evaluation_context else None
            event = _to_event(tracking_event_name, unit or "", self._unit_type, tracking_event_details)
            self._connection().outbox.put(event)
        except Exception:
            # A product must not fail for what is measured of it.
            _log.exception("the outcome %r is lost", tracking_event_name)

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Answer a flag that is on or off."""
        return self._resolve(Flag(flag_key, default_value, boolean), evaluation_context)

    async def resolve_boolean_details_async(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Answer a flag that is on or off."""
        return await self._resolve_async(Flag(flag_key, default_value, boolean), evaluation_context)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Answer a text."""
        return self._resolve(Flag(flag_key, default_value, text), evaluation_context)

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Answer a text."""
        return await self._resolve_async(Flag(flag_key, default_value, text), evaluation_context)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Answer a whole number."""
        return self._resolve(Flag(flag_key, default_value, integer), evaluation_context)

    async def resolve_integer_details_async(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Answer a whole number."""
        return await self._resolve_async(Flag(flag_key, default_value, integer), evaluation_context)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Answer a number."""
        return self._resolve(Flag(flag_key, default_value, number), evaluation_context)

    async def resolve_float_details_async(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Answer a number."""
        return await self._resolve_async(Flag(flag_key, default_value, number), evaluation_context)

    def resolve_object_details(
        self, flag_key: str, default_value: Structure, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Structure]:
        """Answer a map or a list."""
        return self._resolve(Flag(flag_key, default_value, structure), evaluation_context)

    async def resolve_object_details_async(
        self, flag_key: str, default_value: Structure, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Structure]:
        """Answer a map or a list."""
        return await self._resolve_async(Flag(flag_key, default_value, structure), evaluation_context)

    def _resolve(self, flag: Flag[T], given: EvaluationContext | None) -> FlagResolutionDetails[T]:
        units, context = _asked(given, self._unit_type)
        client = self._connection().client
        return self._heard(flag, client.assign(flag.experiment, units=units, context=context, default=""))

    async def _resolve_async(self, flag: Flag[T], given: EvaluationContext | None) -> FlagResolutionDetails[T]:
        units, context = _asked(given, self._unit_type)
        client = self._connection().async_client()
        return self._heard(flag, await client.assign(flag.experiment, units=units, context=context, default=""))

    def _heard(self, flag: Flag[T], answer: Answer) -> FlagResolutionDetails[T]:
        self._tell_whether(answer.reason in _AWAY, answer.message)
        return _details(flag, answer)

    def _tell_whether(self, is_away: bool, message: str) -> None:
        if is_away == self._is_away:
            return
        self._is_away = is_away
        if is_away:
            self.emit_provider_error(ProviderEventDetails(message=message, error_code=ErrorCode.GENERAL))
        else:
            self.emit_provider_ready(ProviderEventDetails())

    def _connection(self) -> _Connection:
        if self._open is None:
            raise ProviderNotReadyError("the provider is not connected: set it by `api.set_provider`")
        return self._open


class _Connection:
    """What is open to the server."""

    def __init__(self, address: str, timeout_s: float) -> None:
        self.client = Client(address, timeout_s=timeout_s)
        self.outbox = Outbox(address)
        self._address = address
        self._timeout_s = timeout_s
        self._async_clients: dict[asyncio.AbstractEventLoop, AsyncClient] = {}

    def async_client(self) -> AsyncClient:
        """Return the client of the running event loop. Those of loops that ended are dropped, and closed by that."""
        loop = asyncio.get_running_loop()
        if loop not in self._async_clients:
            going = {each: client for each, client in self._async_clients.items() if not each.is_closed()}
            self._async_clients = going | {loop: AsyncClient(self._address, timeout_s=self._timeout_s)}
        return self._async_clients[loop]

    def close(self) -> None:
        """Send the outcomes that wait, and close."""
        self.outbox.close()
        self.client.close()
        self._async_clients = {}


def _asked(given: EvaluationContext | None, unit_type: str) -> tuple[Mapping[str, str], Mapping[str, Value]]:
    """Return the units and the context that an evaluation context holds."""
    given = given or EvaluationContext()
    attributes = dict(given.attributes)
    units = {unit_type: given.targeting_key} if given.targeting_key else {}
    if isinstance(attributes.get(_UNITS), Mapping):
        # An id that is no text is refused when it is sent.
        units |= cast("Mapping[str, str]", attributes.pop(_UNITS))
    return units, {name: _value(item) for name, item in attributes.items()}


def _value(given: EvaluationContextAttribute | None) -> Value:
    match given:
        case datetime():
            return _utc(given).isoformat()
        case None | str() | int() | float():
            return given
        case Mapping():
            return {name: _value(item) for name, item in given.items()}
        case list() | tuple():
            return [_value(item) for item in given]
    told = f"an attribute cannot be a {type(given).__name__}: pass a text, a number, a flag, a time, a list or a map"
    raise InvalidContextError(told)


def _utc(moment: datetime) -> datetime:
    """Return a time in UTC, which OpenFeature takes a time without a zone for."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _details(flag: Flag[T], answer: Answer) -> FlagResolutionDetails[T]:
    metadata = _metadata(answer)
    if answer.open_feature_reason == Reason.ERROR:
        told = answer.message or _TOLD.get(answer.reason, "the server gave its default")
        return _failed(flag, _ERROR_CODES.get(answer.reason, ErrorCode.GENERAL), f"{answer.reason}: {told}", metadata)
    if answer.open_feature_reason == Reason.DISABLED:
        return FlagResolutionDetails(flag.default, reason=Reason.DISABLED, flag_metadata=metadata)
    value = flag.value_in(answer)
    if value is None:
        told = f"variant {answer.variant!r} has no {flag.read.__name__} for {flag.key!r}: see its payload"
        return _failed(flag, ErrorCode.TYPE_MISMATCH, told, metadata)
    return FlagResolutionDetails(
        value, reason=answer.open_feature_reason, variant=answer.variant, flag_metadata=metadata
    )


def _failed(flag: Flag[T], code: ErrorCode, told: str, metadata: FlagMetadata) -> FlagResolutionDetails[T]:
    return FlagResolutionDetails(flag.default, code, told, Reason.ERROR, flag_metadata=metadata)


def _metadata(answer: Answer) -> FlagMetadata:
    """Return what is known of an answer; a propensity only where there was a draw, and nothing that is empty."""
    known = {
        "experiment": answer.experiment,
        "reason": answer.reason,
        "assignment_id": answer.assignment_id,
        "propensity": answer.propensity,
        "revision": answer.revision,
        "epoch": answer.epoch,
        "snapshot": answer.snapshot,
        "group": answer.group,
        "kept_from": answer.kept_from,
    }
    return {name: value for name, value in known.items() if value}


def _to_event(metric: str, unit: str, unit_type: str, details: TrackingEventDetails | None) -> Event:
    """Return the outcome that a tracked event is."""
    details = details or TrackingEventDetails()
    given: Mapping[str, Any] = details.attributes
    return Event(
        metric,
        details.value,
        assignment_id=given.get("assignment_id", ""),
        unit=unit,
        unit_type=unit_type,
        outcome_id=given.get("outcome_id", ""),
        occurred_at=_moment(given.get("occurred_at")),
    )


def _moment(given: datetime | str | None) -> datetime | None:
    moment = datetime.fromisoformat(given) if isinstance(given, str) else given
    return _utc(moment) if moment else None
