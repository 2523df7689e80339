"""Lists, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from engine.errors import InvalidRequest

Item = TypeVar("Item")

_PAGE, _LARGEST_PAGE = 100, 1000
_LONGEST_TOKEN = 10


def page(items: Sequence[Item], size: int, token: str) -> tuple[Sequence[Item], str]:
    """Return a page and the token of the next one, which is empty on the last.

    Raises:
        InvalidRequest: the token is none that was sent.

    >>> page("abc", 2, ""), page("abc", 2, "2")
    (('ab', '2'), ('c', ''))
    """
    if token and not (token.isdecimal() and len(token) < _LONGEST_TOKEN):
        raise InvalidRequest("`page_token` must be the next_page_token of the page before")
    start = int(token or 0)
    end = start + min(size or _PAGE, _LARGEST_PAGE)
    return items[start:end], str(end) if end < len(items) else ""
