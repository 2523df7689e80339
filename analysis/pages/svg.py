"""A drawing's text made fit to stand in a page: with a title and a description, and with identifiers of its own."""

from __future__ import annotations

import re
from html import escape


def dressed(drawn: str, name: str, title: str, description: str) -> str:
    """Return an SVG file as an element of a page in which `name` is unique.

    >>> found = dressed('<svg viewBox="0 0 1 1"><path id="a"/></svg>', "lift", "A & B", "")
    >>> '<title id="lift-title">A &amp; B</title>' in found, '<path id="lift-a"/>' in found
    (True, True)
    """
    body = drawn[drawn.index(">", drawn.index("<svg")) + 1 :]
    box = re.search(r'viewBox="([^"]*)"', drawn)
    assert box is not None
    return _head(name, box.group(1), title, description) + _own_ids(_without_metadata(body), name)


def _head(name: str, box: str, title: str, description: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" '
        f'role="img" aria-labelledby="{name}-title {name}-desc">\n'
        f'<title id="{name}-title">{escape(title)}</title>\n<desc id="{name}-desc">{escape(description)}</desc>'
    )


def _without_metadata(body: str) -> str:
    return re.sub(r"\s*<metadata>.*?</metadata>", "", body, flags=re.DOTALL)


def _own_ids(body: str, name: str) -> str:
    """Several charts share a page, so each needs identifiers of its own."""
    return re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{name}-", body)
