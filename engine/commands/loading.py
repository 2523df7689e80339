"""Groups of commands that are loaded by name when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

Place = tuple[str, str]
"""The module of a command, whose `COMMANDS` has it by name, and what a list of commands says of it."""


class Lazy(click.Group):
    """A group that imports a command when it is called: neither `armlift check` nor the help needs matplotlib."""

    def __init__(self, places: Mapping[str, Place], **attributes: Any) -> None:  # noqa: ANN401 (click's own)
        """Have the commands that are found in these places, by name."""
        super().__init__(**attributes)
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the names in the order of a day's work."""
        return list(self._places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command, or None."""
        if cmd_name not in self._places:
            return None
        module, _ = self._places[cmd_name]
        found: click.Command = import_module(module).COMMANDS[cmd_name]
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands, of which none is loaded for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self._places.items()])
