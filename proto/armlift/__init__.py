"""The client of armlift: ask for a variant, say that it was met, report what came of it.

    from armlift import Client

    with Client("127.0.0.1:7878") as client:
        answer = client.assign("home-offer", unit="customer-42", context={"device": "phone", "visits": 3})
        print(answer.variant, answer.payload)
        client.record("purchase", answer=answer)

`AsyncClient` has the same methods to await, and `armlift.openfeature` is a provider for OpenFeature's SDK. Nothing
heavier than grpcio and protobuf is imported.
"""

from armlift.answers import Answer, ArmliftError, Ask, Event, Recorded
from armlift.client import AsyncClient, Client

__all__ = ["Answer", "ArmliftError", "Ask", "AsyncClient", "Client", "Event", "Recorded"]
