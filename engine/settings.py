"""What an operator may set; everything has a default that works."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_ADDRESS = "127.0.0.1:7878"


@dataclass(frozen=True, slots=True)
class Settings:
    """The server's limits.

    >>> Settings().max_batch_rows
    512
    """

    policy_budget_s: float = 0.05
    """A policy that needs longer is answered for by the default."""
    max_context_bytes: int = 64 * 1024
    """The largest single request without its candidates."""
    max_request_bytes: int = 1024 * 1024
    """The largest single request with its candidates: a thousand of them with about a kilobyte of features each."""
    max_message_bytes: int = 4 * 1024 * 1024
    """The largest message, batches included."""
    max_batch_rows: int = 512
    """The most rows of one commit."""
    max_waiting_rows: int = 20_000
    """The most rows that may wait for a commit; beyond it, calls are refused as OVERLOADED."""
    grace_s: float = 5.0
    """How long a stopping server lets calls finish."""
