"""Regular expressions whose time is bounded by the length of the text: the only owner of RE2.

A team writes them, and they run on every request, so one that backtracks for minutes must not exist. RE2 has none that
do; it has neither look-ahead nor back-references.
"""

from __future__ import annotations

from collections.abc import Callable

import re2

MAX_PATTERN = 1000
"""The most characters of a pattern."""

MAX_TEXT = 2000
"""The most characters of a text that is looked through; a longer one matches no pattern."""

_MAX_PROGRAM = 1000
"""The most steps a pattern may have: time is at most that of every step at every character."""

_MAX_MEMORY = 1 << 20


def compile_pattern(pattern: str, *, ignore_case: bool = False) -> Callable[[str], bool]:
    """Return a test whether the pattern is anywhere in a text.

    Raises:
        ValueError: it is no pattern of RE2, or is too large.

    >>> is_phone = compile_pattern("(mobile|tablet)", ignore_case=True)
    >>> is_phone("Android Mobile"), is_phone("Desktop")
    (True, False)
    """
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"it has {len(pattern)} characters, and {MAX_PATTERN} are the most")
    try:
        compiled = re2.compile(pattern, _options(ignore_case))
    except re2.error as error:
        raise ValueError(_why(error)) from error
    if compiled.programsize > _MAX_PROGRAM:
        raise ValueError("it is too large: repeat less, such as `.*` for `.{0,500}`")
    search = compiled.search

    def is_in(text: str) -> bool:
        # A lone half of a pair is no text that could be encoded.
        return len(text) <= MAX_TEXT and search(text.encode(errors="replace")) is not None

    return is_in


def _options(ignore_case: bool) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MAX_MEMORY
    options.case_sensitive = not ignore_case
    return options


def _why(error: Exception) -> str:
    """Return the error's text, which comes as bytes."""
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
