"""The client of armlift: ask for a variant, say that it was met, report what came of it.

    from armlift import Client

    with Client("127.0.0.1:7878") as client:
        answer = client.assign("home-offer", unit="customer-42", context={"device": "phone", "visits": 3})
        print(answer.variant, answer.payload)
        client.record("purchase", answer=answer)

Variants that only the moment knows are brought along, and several positions are filled at once:

    articles = [Candidate("a1", {"price": 3.0}), Candidate("a2", {"price": 5.0}), Candidate("a3")]
    for answer in client.assign_slate("news", 2, unit="customer-42", candidates=articles):
        print(answer.slot, answer.variant)

`AsyncClient` has the same methods to await, and `armlift.openfeature` is a provider for OpenFeature's SDK. Nothing
heavier than grpcio and protobuf is imported.
"""

from armlift.answers import Answer, Ask, Candidate, Event, Recorded
from armlift.async_client import AsyncClient
from armlift.client import Client
from armlift.errors import ArmliftError

__all__ = ["Answer", "ArmliftError", "Ask", "AsyncClient", "Candidate", "Client", "Event", "Recorded"]
