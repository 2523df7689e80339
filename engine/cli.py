"""The command `armlift`: names and where each one lives; a command is loaded when it is called."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click
from armlift import ArmliftError as ClientError

from engine.commands.loading import Lazy, Place
from engine.errors import ArmliftError

COMMANDS: Mapping[str, Place] = {
    "serve": ("engine.commands.serve", "Answer requests until Ctrl-C."),
    "check": ("engine.commands.manage", "Check the file of an experiment or of the population without a server."),
    "apply": ("engine.commands.manage", "Create the experiment of a file, or change it, or the population."),
    "population": ("engine.commands.population", "Show what all experiments share."),
    "list": ("engine.commands.manage", "List all experiments."),
    "show": ("engine.commands.manage", "Show an experiment as a file."),
    "start": ("engine.commands.manage", "Start a draft."),
    "watch": ("engine.commands.steer", "Show each change as it comes."),
    "ramp": ("engine.commands.steer", "Take a ramp to another step, or roll it back."),
    "force": ("engine.commands.steer", "Let one unit have a variant without a draw."),
    "unforce": ("engine.commands.steer", "Let a unit that was forced be answered as all others again."),
    "kill": ("engine.commands.steer", "Let nobody get a variant any more."),
    "restore": ("engine.commands.steer", "Go back to the definition of an old revision."),
    "policy": ("engine.commands.policy", "Show what a policy learned, go back to it, and let one begin warm."),
    "pause": ("engine.commands.manage", "Pause a running experiment."),
    "resume": ("engine.commands.manage", "Resume a paused experiment."),
    "conclude": ("engine.commands.manage", "Conclude an experiment for good."),
    "archive": ("engine.commands.manage", "Put an experiment away."),
    "history": ("engine.commands.manage", "Show who changed an experiment, when, what and why."),
    "assign": ("engine.commands.use", "Ask for a variant."),
    "record": ("engine.commands.use", "Report an outcome."),
    "explain": ("engine.commands.use", "Make an assignment again, step by step."),
    "demo": ("simulators.commands", "Serve four experiments to simulated customers."),
    "replay": ("simulators.commands", "Replay a randomised CSV with a policy."),
    "simulate": ("simulators.commands", "Rehearse an experiment file in a simulated world."),
    "plan": ("analysis.commands.plan", "Say how many units an experiment needs, and how long."),
    "report": ("analysis.commands.report", "Write the reports of a store's experiments."),
    "evaluate": ("analysis.commands.evaluate", "Say what another policy would have earned."),
    "attribute": ("analysis.commands.attribute", "Share the credit for an outcome, and say what of it is proven."),
    "doctor": ("analysis.commands.doctor", "Say whether the world drifted, and whether propensities hold."),
    "export": ("analysis.commands.export", "Write a store's log as Parquet, or draws for another tool."),
}
"""The module of each command, whose `COMMANDS` has it by name, and what the list of commands says of it."""


@click.group(
    cls=Lazy,
    places=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="armlift")
def cli() -> None:
    """Contextual bandits and A/B tests behind one assignment interface, with one log and honest reports.

    Begin with `armlift demo`.
    """


def main() -> None:
    """Run the command; an error is one line that says what to do."""
    try:
        # A command that ends by itself with an exit code returns it here.
        if code := cli(standalone_mode=False):
            sys.exit(code)
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
