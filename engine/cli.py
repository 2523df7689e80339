"""The command `armlift`: names and where each one lives; a command is loaded when it is called."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module

import click
from armlift import ArmliftError as ClientError

from engine.errors import ArmliftError

COMMANDS: Mapping[str, str] = {
    "serve": "engine.commands.serve",
    "check": "engine.commands.manage",
    "apply": "engine.commands.manage",
    "list": "engine.commands.manage",
    "show": "engine.commands.manage",
    "start": "engine.commands.manage",
    "pause": "engine.commands.manage",
    "resume": "engine.commands.manage",
    "conclude": "engine.commands.manage",
    "archive": "engine.commands.manage",
    "history": "engine.commands.manage",
    "assign": "engine.commands.use",
    "record": "engine.commands.use",
    "explain": "engine.commands.use",
    "demo": "simulators.commands",
    "replay": "simulators.commands",
    "simulate": "simulators.commands",
    "report": "analysis.commands",
}
"""The module of each command; a module's `COMMANDS` has its commands by name."""


class Lazy(click.Group):
    """A group that imports a command when it is asked for: `armlift check` need not load matplotlib."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the names in the order of a day's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command, or None."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(COMMANDS[cmd_name]).COMMANDS[cmd_name]
        return found


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="armlift")
def cli() -> None:
    """Contextual bandits and A/B tests behind one assignment interface, with one log and honest reports.

    Begin with `armlift demo`.
    """


def main() -> None:
    """Run the command; an error is one line that says what to do."""
    try:
        cli(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (ArmliftError, ClientError) as error:
        click.echo(f"armlift: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
