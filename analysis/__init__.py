"""From a log to what it says: `report` reads a log, `report_on_units` a table, `write` and `write_index` make pages."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.document import Report
    from analysis.pages.render import to_html, to_markdown, write, write_index
    from analysis.reporting import report
    from analysis.unit_report import report_on_units

__all__ = ["Report", "report", "report_on_units", "to_html", "to_markdown", "write", "write_index"]

_HOMES = {
    "Report": "analysis.document",
    "report": "analysis.reporting",
    "report_on_units": "analysis.unit_report",
    **dict.fromkeys(("to_html", "to_markdown", "write", "write_index"), "analysis.pages.render"),
}


def __getattr__(name: str) -> object:
    # Loaded when first asked for: a process that watches for ramps needs no statistics while there is none.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
