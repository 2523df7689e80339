"""The group `armlift policy`: names, and where each command lives."""

from __future__ import annotations

from collections.abc import Mapping

import click

from engine.commands.loading import Lazy, Place

PLACES: Mapping[str, Place] = {
    "list": ("engine.commands.snapshots", "List the latest snapshots, and say which one answers."),
    "show": ("engine.commands.snapshots", "Show what a snapshot learned from, what it predicts, and why."),
    "rollback": ("engine.commands.snapshots", "Let an earlier snapshot answer, whatever is learned."),
    "follow": ("engine.commands.snapshots", "Let the newest snapshot answer, and each newer one."),
    "warm": ("simulators.commands", "Let a draft begin with what a CSV or another log teaches."),
}
"""The module of each command, whose `COMMANDS` has it by name, and what the list of commands says of it."""


@click.group(cls=Lazy, places=PLACES)
def policy() -> None:
    """Show what a policy learned, go back to it, and let one begin warm.

    \b
    Examples:
      armlift policy list home-offer
      armlift policy rollback home-offer 3fa1c2 --reason "the new one sells less"
    """


COMMANDS = {"policy": policy}
