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
    "propose": ("engine.commands.proposals", "Freeze a changed definition, to be judged by what comes from now on."),
    "proposals": ("analysis.commands.promote", "List what was proposed, and what became of it."),
    "promote": ("analysis.commands.promote", "Make a proposal the next revision, if the log says that it earns more."),
    "withdraw": ("engine.commands.proposals", "Let a proposal wait no longer."),
}
"""The module of each command, whose `COMMANDS` has it by name, and what the list of commands says of it."""


@click.group(cls=Lazy, places=PLACES)
def policy() -> None:
    """Show what a policy learned, go back to it, let one begin warm, and change it by the evidence.

    \b
    Examples:
      armlift policy list home-offer
      armlift policy rollback home-offer 3fa1c2 --reason "the new one sells less"
      armlift policy promote home-offer --log armlift-store --reason "it earns more"
    """


COMMANDS = {"policy": policy}
