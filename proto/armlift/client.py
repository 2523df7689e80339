"""Client: asks a server and waits, with a deadline, ids that are minted here, and retries of what may be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

import grpc

from armlift.answers import (
    Answer,
    Ask,
    Candidate,
    Event,
    Recorded,
    default_answer,
    default_answers,
    default_slate,
    only_one_slot,
    to_all,
    to_answer,
    to_answers,
    to_batch,
    to_exposures,
    to_message,
    to_outcomes,
    to_recorded,
    to_result,
    to_slate,
)
from armlift.channel import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, OPTIONS, our_errors, patience
from armlift.errors import ArmliftError
from armlift.v1.assignment_pb2_grpc import AssignmentServiceStub
from armlift.values import Value


class Client:
    """Asks one server. Safe to share between threads; close it or use it in a `with`.

    Every method raises ArmliftError. With `default`, `assign` never does: it answers the default content instead, with
    the error's code as its reason, so that a page is shown whatever happens. Nor do `assign_slate` and `assign_all`
    with `defaults`, the latter for the experiments in it.
    """

    def __init__(self, address: str = DEFAULT_ADDRESS, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._channel = grpc.insecure_channel(address, options=OPTIONS)
        self._stub = AssignmentServiceStub(self._channel)
        self._timeout_s = timeout_s

    def assign(
        self,
        experiment: str,
        *,
        unit: str = "",
        units: Mapping[str, str] | None = None,
        context: Mapping[str, Value] | None = None,
        excluded: Sequence[str] = (),
        request_id: str = "",
        dry_run: bool = False,
        at: datetime | None = None,
        qa: str = "",
        candidates: Sequence[Candidate] = (),
        default: str | None = None,
    ) -> Answer:
        """Return the variant that the unit gets; the same `request_id` always gets the same answer.

        `unit` is the id of a customer; units of other types go into `units`, such as {"account": "7"}. `qa` is the
        variant that somebody who tests the product wants to see; it is left out of every estimate. `candidates` are
        variants that the request brings along, in the order in which the product would show them.
        """
        ask = Ask(experiment, unit, units or {}, context or {}, excluded, request_id, dry_run, at, qa, candidates)
        wait = patience(default)
        try:
            with our_errors():
                return to_answer(self._stub.Assign(to_message(ask), timeout=self._timeout_s, wait_for_ready=wait))
        except ArmliftError as error:
            if default is None:
                raise
            return default_answer(experiment, default, error)

    def assign_slate(
        self,
        experiment: str,
        slots: int,
        *,
        unit: str = "",
        units: Mapping[str, str] | None = None,
        context: Mapping[str, Value] | None = None,
        excluded: Sequence[str] = (),
        request_id: str = "",
        dry_run: bool = False,
        at: datetime | None = None,
        candidates: Sequence[Candidate] = (),
        defaults: Sequence[str] | None = None,
    ) -> list[Answer]:
        """Return what the unit gets in so many positions, in their order; fewer where there are no more variants.

        With `defaults` no error is raised: the candidates in their order are answered instead, and then these.
        """
        ask = Ask(
            experiment, unit, units or {}, context or {}, excluded, request_id, dry_run, at, "", candidates, slots
        )
        wait = patience(defaults)
        try:
            with our_errors():
                return to_slate(self._stub.Assign(to_message(ask), timeout=self._timeout_s, wait_for_ready=wait))
        except ArmliftError as error:
            if defaults is None:
                raise
            return default_slate(ask, defaults, error)

    def assign_all(
        self,
        *,
        unit: str = "",
        units: Mapping[str, str] | None = None,
        context: Mapping[str, Value] | None = None,
        request_id: str = "",
        at: datetime | None = None,
        defaults: Mapping[str, str] | None = None,
    ) -> dict[str, Answer]:
        """Return what the unit gets in every running experiment, by experiment: one call, and one walk in the server.

        Each is asked for one slot, and one that takes candidates is left out: `assign` brings them. `defaults` has the
        variant to show by experiment where no server answers; these are asked for in any case.
        """
        ask = Ask("", unit, units or {}, context or {}, request_id=request_id, at=at)
        wait = patience(defaults)
        try:
            with our_errors():
                message = to_all(ask, defaults or {})
                response = self._stub.BatchAssign(message, timeout=self._timeout_s, wait_for_ready=wait)
                return to_answers(response, defaults)
        except ArmliftError as error:
            return default_answers(defaults, error)

    def assign_many(
        self,
        asks: Sequence[Ask],
        *,
        units: Mapping[str, str] | None = None,
        context: Mapping[str, Value] | None = None,
    ) -> list[Answer | ArmliftError]:
        """Return an answer or an error for each question; `units` and `context` are those of all.

        One that has several slots is refused: `assign_slates` answers it.
        """
        slates = self.assign_slates(only_one_slot(asks), units=units, context=context)
        return [slate if isinstance(slate, ArmliftError) else slate[0] for slate in slates]

    def assign_slates(
        self,
        asks: Sequence[Ask],
        *,
        units: Mapping[str, str] | None = None,
        context: Mapping[str, Value] | None = None,
    ) -> list[list[Answer] | ArmliftError]:
        """Return for each question the answers of its positions, or an error: as `assign_many` does for one each."""
        message = to_batch(asks, units or {}, context or {})
        with our_errors():
            response = self._stub.BatchAssign(message, timeout=self._timeout_s)
        return [to_result(result) for result in response.results]

    def expose(
        self, *answers: Answer, exposed_at: datetime | None = None, at: datetime | None = None
    ) -> list[Recorded]:
        """Say that units really met what they were answered; answers that were not kept are passed over."""
        message = to_exposures([answer for answer in answers if answer.assignment_id], exposed_at, at)
        with our_errors():
            response = self._stub.RecordExposures(message, timeout=self._timeout_s)
        return [to_recorded(result) for result in response.results]

    def record(
        self,
        metric: str,
        value: float | None = None,
        *,
        answer: Answer | None = None,
        unit: str = "",
        outcome_id: str = "",
        occurred_at: datetime | None = None,
        at: datetime | None = None,
    ) -> Recorded:
        """Report an outcome of an answer, or of a unit; the same `outcome_id` counts once."""
        event = Event(metric, value, unit=unit, outcome_id=outcome_id, occurred_at=occurred_at).of(answer)
        return self.record_many([event], at=at)[0]

    def record_many(self, events: Sequence[Event], *, at: datetime | None = None) -> list[Recorded]:
        """Report many outcomes and return what became of each."""
        with our_errors():
            response = self._stub.RecordOutcomes(to_outcomes(events, at), timeout=self._timeout_s)
        return [to_recorded(result) for result in response.results]

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
