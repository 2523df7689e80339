"""How the credit for an outcome is shared as pages, for a notebook and for files."""

from __future__ import annotations

from pathlib import Path

from analysis.document import Attribution


def to_html(found: Attribution, language: str = "en") -> str:
    """Return it as one page that needs no network and runs nothing; the same bytes for the same one.

    Raises:
        InvalidRequest: there is no such language.
    """
    from analysis.pages import render

    return render.attribution_to_html(found, language)


def write(found: Attribution, directory: str | Path, language: str = "en") -> list[Path]:
    """Write it into a directory as attribution/OUTCOME.html, .md and .json, and csv/ beside; return their paths.

    Raises:
        InvalidRequest: the directory cannot be written, or there is no such language.
    """
    from analysis.pages import render

    return render.write_attribution(found, directory, language)
