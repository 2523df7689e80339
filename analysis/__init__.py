"""From a log to what it says: `report` reads a log, `report_on_units` a table, `write` and `write_index` make pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.lazily import named

if TYPE_CHECKING:
    from analysis.document import Report
    from analysis.pages.render import to_html, to_markdown, write, write_index
    from analysis.reporting import report
    from analysis.unit_report import report_on_units

__all__ = ["Report", "report", "report_on_units", "to_html", "to_markdown", "write", "write_index"]

_HOMES = {
    "Report": "document",
    "report": "reporting",
    "report_on_units": "unit_report",
    **dict.fromkeys(("to_html", "to_markdown", "write", "write_index"), "pages.render"),
}


__getattr__ = named(__name__, _HOMES)
