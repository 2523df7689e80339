"""From a log to what it says: `report` reads a log, `write` and `write_index` make pages of it."""

from __future__ import annotations

from analysis.document import Report
from analysis.render import to_html, to_markdown, write, write_index
from analysis.reporting import report

__all__ = ["Report", "report", "to_html", "to_markdown", "write", "write_index"]
