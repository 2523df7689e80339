"""How commands print tables of a page in a terminal."""

from __future__ import annotations

import click
from rich.table import Table

from analysis.document import Cell, Grid
from analysis.pages import wording
from analysis.pages.languages import ENGLISH, Language
from engine.commands.telling import in_a_line, show


def print_grid(grid: Grid, language: Language = ENGLISH) -> None:
    """Print a table, and under it why cells have no interval."""
    title = in_a_line(language.say(grid.title))
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, column in enumerate(grid.columns):
        table.add_column(language.say(column), justify="right" if wording.is_numeric(grid, place) else "left")
    notes: list[str] = []
    for row in grid.rows:
        table.add_row(*(in_a_line(_cell(cell, notes, language)) for cell in row))
    click.echo("")
    show(table, "nothing")
    for number, note in enumerate(notes, 1):
        click.echo(in_a_line(f"[{number}] {note}"))


def _cell(cell: Cell, notes: list[str], language: Language) -> str:
    """Return what a cell shows; why it has no interval is among the `notes`, and their number in the cell."""
    if not wording.is_estimate(cell) or cell.interval is not None or cell.note is None:
        return language.say(wording.cell(cell))
    note = language.say(cell.note)
    if note not in notes:
        notes.append(note)
    return f"{language.say(wording.value(cell))} [{notes.index(note) + 1}]"
