"""The one error of the client."""

from __future__ import annotations


class ArmliftError(Exception):
    """What the server refused, or that it could not be reached (code UNAVAILABLE or DEADLINE_EXCEEDED)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
